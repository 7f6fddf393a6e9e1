/** generate, logits and chat on the embedded model: what a user relies on about its texts. */
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import {
  autoregressive,
  generate,
  limit,
  llamaModel,
  temperature,
  untilToken,
} from "../../src/decode/mod.ts";
import {
  type ChatMessage,
  encodeChat,
  loadLlama,
  openModel,
  resolveModel,
} from "../../src/io/mod.ts";
import { createDevice, upload } from "../../src/runtime/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { inPairs, jsonOf, runCommand, startCommand } from "./run_command.ts";

const TARGET = ["--target", "embedded"];
const PROMPT = "What is 45 plus 21?";
const ANSWER = "45 plus 20 is 65, and 65 plus 1 is 66. So 45 plus 21 is 66.";

interface TextReport {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  readonly steps: number;
  readonly acceptance: readonly number[];
  readonly backend: string;
  readonly dtype: string;
  readonly threads: number;
}

/** The reports of generate for several flags, by name. */
async function reportsOf<Name extends string>(
  variations: Readonly<Record<Name, readonly string[]>>,
): Promise<ReadonlyMap<Name | string, TextReport>> {
  const reports = new Map<string, TextReport>();
  await inPairs(Object.entries<readonly string[]>(variations), async ([name, args]) => {
    reports.set(name, await jsonOf<TextReport>("generate", [...TARGET, ...args]));
  });
  return reports;
}

Deno.test("the embedded model's greedy text is the same for every draft, gamma, rule and thread", async () => {
  const ask = ["--prompt", PROMPT, "--temperature", "0"];
  const reports = await reportsOf({
    plain: ask,
    again: [...ask, "--seed", "7"],
    lookupOne: [...ask, "--draft", "lookup", "--gamma", "1"],
    lookupToken: [...ask, "--draft", "lookup", "--gamma", "6", "--verify", "token"],
    lookupAuto: [...ask, "--draft", "lookup", "--gamma", "auto"],
    noDrafting: [...ask, "--draft", "lookup", "--gamma", "0"],
    self: [...ask, "--draft", "embedded", "--gamma", "5"],
    twoThreads: [...ask, "--threads", "2"],
    separated: ["--", ...ask, "--"],
  });
  const plain = reports.get("plain");
  assertEquals(plain?.text, ANSWER);
  for (const [name, { text, tokens }] of reports) {
    assertEquals([text, tokens], [ANSWER, plain?.tokens], name);
  }
  assertEquals(reports.get("lookupOne")?.acceptance.length, 1, "gamma 1 has one position");
  assertEquals(reports.get("self")?.acceptance, [1, 1, 1, 1, 1]);
  assertEquals(reports.get("noDrafting")?.steps, plain?.tokens.length);
  assert(
    (reports.get("lookupToken")?.steps ?? Infinity) < (plain?.steps ?? 0),
    "lookup saves passes",
  );
  assertEquals(reports.get("twoThreads")?.threads, 2);
});

Deno.test("the embedded model's first greedy tokens are the same on both backends", async () => {
  const ask = ["--prompt", PROMPT, "--max-tokens", "6", "--backend"];
  const reports = await reportsOf({ wasm: [...ask, "wasm"], reference: [...ask, "reference"] });
  const [wasm, reference] = [reports.get("wasm"), reports.get("reference")];
  assertEquals(reference?.tokens, wasm?.tokens);
  assertEquals([wasm?.backend, reference?.backend], ["wasm", "reference"]);
  assertEquals(wasm?.tokens.length, 6);
});

Deno.test("every dtype answers, and says which it was; keep and f32 agree", async () => {
  const ask = ["--prompt", PROMPT, "--dtype"];
  const types = ["f32", "f16", "q8", "q4", "keep"];
  const reports = await reportsOf(Object.fromEntries(types.map((type) => [type, [...ask, type]])));
  for (const type of types) {
    assertEquals(reports.get(type)?.dtype, type);
    assert((reports.get(type)?.text.length ?? 0) > 10, `${type}: ${reports.get(type)?.text}`);
  }
  for (const type of ["f32", "f16", "q8"]) assertEquals(reports.get(type)?.text, ANSWER, type);
  assertEquals(reports.get("keep")?.tokens, reports.get("f32")?.tokens);
});

Deno.test("a seed decides a sampled text; top-k 1 and top-p 0 leave only the greedy one", async () => {
  const ask = ["--prompt", "Tell me a story about a fox.", "--max-tokens", "40"];
  const hot = [...ask, "--temperature", "1"];
  const reports = await reportsOf({
    greedy: ask,
    first: [...hot, "--seed", "1"],
    firstAgain: [...hot, "--seed", "1"],
    firstThreaded: [...hot, "--seed", "1", "--threads", "2"],
    second: [...hot, "--seed", "2"],
    topOne: [...hot, "--top-k", "1"],
    nucleus: [...hot, "--top-p", "0"],
  });
  const tokensOf = (name: string) => reports.get(name)?.tokens;
  assertEquals(tokensOf("firstAgain"), tokensOf("first"));
  assertEquals(tokensOf("firstThreaded"), tokensOf("first"));
  assertNotEquals(tokensOf("second"), tokensOf("first"));
  assertEquals(tokensOf("topOne"), tokensOf("greedy"));
  assertEquals(tokensOf("nucleus"), tokensOf("greedy"));
});

Deno.test("a prompt comes from the line or a file; --raw continues it; --stop ends it", () =>
  withFolder(async (folder) => {
    const file = `${folder}/prompt.txt`;
    await Deno.writeTextFile(file, PROMPT);
    const reports = await reportsOf({
      line: ["--prompt", PROMPT],
      file: ["--prompt-file", file],
      system: ["--prompt", PROMPT, "--system", "You add numbers."],
      raw: ["--prompt", "Once upon a time", "--raw", "--max-tokens", "12"],
      stopped: ["--prompt", PROMPT, "--stop", ", and"],
      limited: ["--prompt", PROMPT, "--max-tokens", "3"],
    });
    assertEquals(reports.get("file")?.tokens, reports.get("line")?.tokens);
    const lengthOf = (name: string) => reports.get(name)?.promptTokens ?? 0;
    assert(lengthOf("system") > lengthOf("line"), "a system prompt is read");
    assert(lengthOf("raw") < lengthOf("line"), "no template around a raw prompt");
    assertEquals(reports.get("stopped")?.text, ANSWER.slice(0, ANSWER.indexOf(", and")));
    assertEquals(reports.get("limited")?.tokens.length, 3);
  }));

Deno.test("logits of the embedded model: the top 20 in order, a probable prompt, both backends", async () => {
  interface Report {
    readonly top: readonly { readonly id: number; readonly logit: number }[];
    readonly prompt: readonly { readonly id: number; readonly logProbability: number | null }[];
  }
  const ask = [...TARGET, "--prompt", "Once upon a time", "--raw", "--backend"];
  const wasm = await jsonOf<Report>("logits", [...ask, "wasm"]);
  const reference = await jsonOf<Report>("logits", [...ask, "reference"]);
  assertEquals(wasm.top.length, 20);
  const logits = wasm.top.map(({ logit }) => logit);
  assertEquals(logits, logits.toSorted((a, b) => b - a));
  const scale = Math.abs(logits[0]);
  wasm.top.forEach(({ id, logit }) => {
    const other = reference.top.find((entry) => entry.id === id);
    if (other !== undefined) assertAlmostEquals(logit, other.logit, 1e-4 * scale);
  });
  assertEquals(
    reference.top.slice(0, 5).map(({ id }) => id),
    wasm.top.slice(0, 5).map((t) => t.id),
  );
  assertEquals(wasm.prompt[0].logProbability, null);
  for (const { logProbability } of wasm.prompt.slice(1)) {
    assert(logProbability !== null && logProbability <= 0 && logProbability > -5, "known words");
  }
  const next = await jsonOf<TextReport>("generate", [...ask, "wasm", "--max-tokens", "1"]);
  assertEquals(next.tokens, [wasm.top[0].id], "greedy takes the first of them");
});

/** The greedy answer to a whole conversation, read from its start. */
async function freshAnswer(messages: readonly ChatMessage[]): Promise<string> {
  const device = createDevice(wasmBackend());
  const file = await openModel(await resolveModel("embedded"));
  const parameters = await loadLlama(file, "keep", (tensor) => upload(device, tensor));
  const target = llamaModel({ device, config: file.config, parameters });
  const plain = autoregressive({ target, warp: temperature(0) });
  const decoder = limit(untilToken(plain, [...file.tokenizer.endOfTurn]), 256);
  const prompt = encodeChat(file.tokenizer, messages);
  const { tokens } = await generate(decoder, prompt, { key: keyOf(1) });
  const text = file.tokenizer.decode(tokens);
  device.close();
  file.close();
  return text;
}

Deno.test("a talk on standard input answers each line with all turns before it in mind", async () => {
  const once = await runCommand("chat", [...TARGET, "--prompt", PROMPT]);
  assertEquals([once.code, once.stdout], [0, `${ANSWER}\n`]);
  const question = "What is 3 + 4?";
  const lines = `${PROMPT}\n${question}\n`;
  const talk = await runCommand("chat", TARGET, lines);
  assertEquals(talk.code, 0, talk.stderr);
  const second = await freshAnswer([
    { role: "user", content: PROMPT },
    { role: "assistant", content: ANSWER },
    { role: "user", content: question },
  ]);
  assertEquals(talk.stdout, `${ANSWER}\n${second}\n`);
  const drafted = await runCommand("chat", [...TARGET, "--draft", "lookup"], lines);
  assertEquals(drafted.stdout, talk.stdout);
  const silent = await runCommand("chat", TARGET, "");
  assertEquals([silent.code, silent.stdout], [0, ""]);
});

Deno.test("Ctrl-C ends a talk that waits for the next line", async () => {
  const child = startCommand("chat", TARGET);
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(`${PROMPT}\n`));
  let text = "";
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.endsWith("\n")) break;
  }
  assertEquals(text, `${ANSWER}\n`);
  child.kill("SIGINT");
  const stderr = new Response(child.stderr).text();
  const { code } = await child.status;
  const remarks = await stderr;
  assertEquals(code, 130, remarks);
  assertMatch(remarks, /stopping cleanly/);
  await input.close().catch(() => {});
});
