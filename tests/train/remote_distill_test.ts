import { assert, assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import {
  CHAT_TEMPLATE,
  type DistillationEntry,
  openPrompts,
  renderChatMl,
  RETRY_POLICY,
  trainBytePairs,
  trainingConversations,
} from "../../src/data/mod.ts";
import { byteLevelMetadata, encodeChat, tokenizerFromGguf } from "../../src/io/mod.ts";
import { type RemoteDistillOptions, remoteEntries, responseTokens } from "../../src/train/mod.ts";
import { type Behaviour, type FaultyServer, faultyServer } from "../data/faulty_server.ts";

const texts = trainingConversations(1).take(200).map(({ messages }) => renderChatMl(messages));
const { vocabulary, merges } = trainBytePairs(texts, { size: 400 });
const tokenizer = tokenizerFromGguf(byteLevelMetadata({
  tokens: vocabulary,
  merges,
  control: [0, 1, 2],
  preTokenizer: "smollm",
  bos: 0,
  eos: 2,
  chatTemplate: CHAT_TEMPLATE,
}));
const [END] = tokenizer.encode("<|im_end|>");
const prompts = await openPrompts("language", { seed: 5, count: 40 });

/** Some answers are cut, some prompts are refused, some requests fail at first. */
function behave(prompt: string, attempt: number): Behaviour {
  const key = foldIn(keyOf(7), prompt);
  const kind = uniformInteger(key, 8);
  if (kind === 0) return { kind: "status", status: 400, body: "refused" };
  if (kind < 4 && attempt === 0) return { kind: "status", status: 500 };
  return {
    kind: "answer",
    text: `I say: ${prompt.slice(0, 20)} <|im_end|> \n`,
    finish: kind === 7 ? "length" : "stop",
  };
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function optionsFor(server: FaultyServer, log: string): RemoteDistillOptions {
  return {
    server: { url: server.url, model: "m" },
    tokenizer,
    prompts,
    done: 0,
    log,
    temperatures: [0, 0.7],
    topP: 0.95,
    maximumTokens: 32,
    seed: 3,
    concurrency: 5,
    policy: { ...RETRY_POLICY, firstDelay: 2, longestDelay: 20 },
  };
}

Deno.test("entries come in the order of the prompts, in the target's tokens, whatever the server's order", () =>
  inFolder(async (folder) => {
    let requests = 0;
    await using server = faultyServer(
      behave,
      () => uniformInteger(foldIn(keyOf(1), requests++), 15),
    );
    const entries = await Array.fromAsync(remoteEntries(optionsFor(server, `${folder}/log`)));
    assertEquals(entries.length, prompts.length);
    entries.forEach(({ prompt, response, temperature, topP }, i) => {
      assertEquals(prompt, encodeChat(tokenizer, prompts[i]));
      assertEquals([temperature, topP], [[0, 0.7][i % 2], 0.95]);
      const behaviour = behave(prompts[i].at(-1)?.content ?? "", 1);
      if (behaviour.kind !== "answer") return assertEquals(response, []);
      const isFinished = behaviour.finish === "stop";
      assertEquals(response.at(-1) === END, isFinished);
      const words = isFinished ? response.slice(0, -1) : response;
      assert(words.every((id) => !tokenizer.endOfTurn.has(id)));
      assertEquals(tokenizer.decode(words), behaviour.text);
    });
    assert(entries.some(({ response }) => response.length === 0));
    assertEquals(new Set(entries.map(({ seed }) => seed)).size, prompts.length);
  }));

Deno.test("a run that is killed at any byte of its log goes on to the same entries and asks for none twice", () =>
  inFolder(async (folder) => {
    await using server = faultyServer(behave);
    const whole = await Array.fromAsync(remoteEntries(optionsFor(server, `${folder}/whole`)));
    const log = await Deno.readFile(`${folder}/whole`);
    for (let round = 0; round < 12; round++) {
      const cut = uniformInteger(foldIn(keyOf(2), round), log.length + 1);
      const kept = log.subarray(0, cut);
      const path = `${folder}/log-${round}`;
      await Deno.writeFile(path, kept);
      const answered = new TextDecoder().decode(kept).split("\n").slice(0, -1)
        .map((line): number => JSON.parse(line).index);
      // The set may be behind its log by any number of entries, but never before a missing answer.
      const gap = prompts.findIndex((_, i) => !answered.includes(i));
      const most = gap < 0 ? prompts.length : gap;
      const done = uniformInteger(foldIn(keyOf(3), round), most + 1);
      const before = server.seen.length;
      const options = { ...optionsFor(server, path), done };
      const rest: DistillationEntry[] = await Array.fromAsync(remoteEntries(options));
      assertEquals(rest, whole.slice(done));
      const asked = new Set(server.seen.slice(before).map(({ prompt }) => prompt));
      const contents = answered.map((index) => prompts[index].at(-1)?.content ?? "");
      const others = new Set(
        prompts.filter((_, i) => !answered.includes(i)).map((turns) => turns.at(-1)?.content),
      );
      for (const content of contents) if (!others.has(content)) assert(!asked.has(content));
    }
  }));

Deno.test("a run that is aborted keeps the answers that came, also those out of order", () =>
  inFolder(async (folder) => {
    const first = prompts[0].at(-1)?.content;
    await using server = faultyServer((prompt, attempt) =>
      prompt === first && attempt === 0
        ? { kind: "status", status: 503, after: "60" }
        : { kind: "answer", text: "yes" }
    );
    const abort = new AbortController();
    let answers = 0;
    const options = {
      ...optionsFor(server, `${folder}/log`),
      signal: abort.signal,
      onAnswer: () => {
        if (++answers === 10) abort.abort();
      },
    };
    assertEquals(await Array.fromAsync(remoteEntries(options)), []);
    const lines = (await Deno.readTextFile(`${folder}/log`)).trim().split("\n");
    assertEquals(lines.length, 10);
  }));

Deno.test("a log of other prompts or other options, or a damaged one, is one clear error", () =>
  inFolder(async (folder) => {
    await using server = faultyServer(behave);
    const options = optionsFor(server, `${folder}/log`);
    await Array.fromAsync(remoteEntries(options));
    const others: Partial<RemoteDistillOptions>[] = [
      { prompts: prompts.toReversed() },
      { prompts: prompts.slice(0, 5) },
      { temperatures: [1] },
      { seed: 4 },
      { maximumTokens: 31 },
    ];
    for (const other of others) {
      await assertRejects(
        () => Array.fromAsync(remoteEntries({ ...options, ...other })),
        OutriderError,
        "/log, line",
      );
    }
    for (const line of ["{", "{}", '{"index":0,"text":1,"finishReason":"stop","asked":"0"}']) {
      await Deno.writeTextFile(`${folder}/log`, `${line}\n`);
      await assertRejects(() => Array.fromAsync(remoteEntries(options)), OutriderError, "line 1");
    }
  }));

Deno.test("prompt and response in tokens are the conversation in tokens", () => {
  for (const { messages } of trainingConversations(8).take(200)) {
    const turns = messages.slice(0, messages.findLastIndex(({ role }) => role === "user") + 1);
    const text = messages[turns.length]?.content;
    if (text === undefined) continue;
    const response = responseTokens(tokenizer, turns, { text, finishReason: "stop" });
    const whole = encodeChat(tokenizer, messages.slice(0, turns.length + 1), {
      addGenerationPrompt: false,
    });
    const both = [...encodeChat(tokenizer, turns), ...response];
    assertEquals(both, whole.slice(0, both.length));
    assertEquals(tokenizer.decode(whole.slice(both.length)).trim(), "");
  }
});
