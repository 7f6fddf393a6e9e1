/** generate and logits: the report's exact shape, and what is promised about the text. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import { referenceBackend } from "../../src/backends/reference/mod.ts";
import { llamaModel, softmax } from "../../src/decode/mod.ts";
import { encodeChat, loadLlama, openModel } from "../../src/io/mod.ts";
import { createDevice, upload } from "../../src/runtime/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { inPairs, jsonOf, runCommand } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

const PROMPT = "Spell the word river, and river again.";

/** What the tests read of a report of generate. */
interface TextReport {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  readonly steps: number;
  readonly blockEfficiency: number;
  readonly acceptance: readonly number[];
  readonly backend: string;
  readonly dtype: string;
}

/** What the tests read of a report of logits. */
interface LogitsReport {
  readonly top: readonly { readonly id: number; readonly logit: number }[];
  readonly prompt: readonly { readonly id: number; readonly logProbability: number | null }[];
}

/** A value's shape: names with the kinds of what they hold. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== "object" || value === null) return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, shapeOf(part)]));
}

function numbersIn(value: unknown): number[] {
  if (typeof value === "number") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(numbersIn);
}

/** Uses a tiny model that a user could have downloaded. */
function withTarget(use: (target: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const target = `${folder}/tiny.gguf`;
    await writeTinyModel(target);
    await use(target);
  });
}

Deno.test("generate --json prints the agreed report and nothing else", () =>
  withTarget(async (target) => {
    const common = ["--target", target, "--prompt", PROMPT, "--max-tokens", "24"];
    const report = await jsonOf<TextReport>("generate", [
      ...common,
      "--draft",
      "lookup",
      "--gamma",
      "3",
    ]);
    assertEquals(shapeOf(report), {
      text: "string",
      tokens: ["number"],
      promptTokens: "number",
      prefillTokensPerSecond: "number",
      decodeTokensPerSecond: "number",
      steps: "number",
      blockEfficiency: "number",
      acceptance: ["number"],
      backend: "string",
      dtype: "string",
      threads: "number",
      seconds: {
        load: "number",
        prefill: "number",
        draft: "number",
        target: "number",
        verify: "number",
        host: "number",
      },
    });
    const { tokenizer, close } = await openModel(target);
    const { text, tokens, steps, blockEfficiency, acceptance } = report;
    assertEquals(text, tokenizer.decode(tokens));
    assertEquals(
      report.promptTokens,
      encodeChat(tokenizer, [{ role: "user", content: PROMPT }]).length,
    );
    close();
    assertEquals(blockEfficiency, tokens.length / steps);
    assert(acceptance.length <= 3 && acceptance.every((rate) => rate >= 0 && rate <= 1));
    assertEquals([report.backend, report.dtype], ["wasm", "keep"]);
    assert(numbersIn(report).every((value) => Number.isFinite(value) && value >= 0));
  }));

Deno.test("a text depends on the seed, the temperature and the prompt, and on no draft or backend", () =>
  withTarget(async (target) => {
    const common = ["--target", target, "--max-tokens", "20"];
    const variations: Readonly<Record<string, readonly string[]>> = {
      greedy: ["--prompt", PROMPT, "--temperature", "0"],
      again: ["--prompt", PROMPT, "--temperature", "0", "--seed", "9"],
      lookup: ["--prompt", PROMPT, "--draft", "lookup", "--gamma", "auto"],
      self: ["--prompt", PROMPT, "--draft", target, "--gamma", "4"],
      reference: ["--prompt", PROMPT, "--backend", "reference"],
      separated: ["--", "--prompt", PROMPT, "--", "--temperature", "0"],
      raw: ["--prompt", PROMPT, "--raw"],
      system: ["--prompt", PROMPT, "--system", "Be brief."],
      sampled: ["--prompt", PROMPT, "--temperature", "1", "--seed", "5"],
      sampledAgain: ["--prompt", PROMPT, "--temperature", "1", "--seed", "5"],
      otherSeed: ["--prompt", PROMPT, "--temperature", "1", "--seed", "6"],
      halves: ["--prompt", PROMPT, "--cache", "f16"],
      halvesLookup: ["--prompt", PROMPT, "--cache", "f16", "--draft", "lookup", "--gamma", "4"],
    };
    const found: Record<string, TextReport> = {};
    await inPairs(Object.entries(variations), async ([name, args]) => {
      found[name] = await jsonOf("generate", [...common, ...args]);
    });
    for (const name of ["again", "lookup", "self", "reference", "separated"]) {
      assertEquals(found[name].tokens, found.greedy.tokens, name);
    }
    assertEquals(found.halvesLookup.tokens, found.halves.tokens, "the same with an f16 cache");
    assertEquals(found.self.acceptance, [1, 1, 1, 1], "a model accepts its own draft");
    assertEquals(found.sampledAgain.tokens, found.sampled.tokens);
    assertNotEquals(found.otherSeed.tokens, found.sampled.tokens);
    assertNotEquals(found.sampled.tokens, found.greedy.tokens);
    const lengths = ["raw", "greedy", "system"].map((name) => found[name].promptTokens);
    const [raw, plain, system] = lengths;
    assert(raw < plain && plain < system, "the template and the system prompt add tokens");
  }));

Deno.test("without --json the text is all of standard output; a prompt may come from a file", () =>
  withTarget(async (target) => {
    const file = `${target}.prompt`;
    await Deno.writeTextFile(file, PROMPT);
    const common = ["--target", target, "--max-tokens", "12"];
    const plain = await runCommand("generate", [...common, "--prompt-file", file]);
    const { text } = await jsonOf<TextReport>("generate", [...common, "--prompt", PROMPT]);
    assertEquals(plain.code, 0);
    assertEquals(plain.stdout, `${text}\n`);
    assert(/^12 tokens, [\d.]+ per second, 1\.00 per target pass\n$/.test(plain.stderr));
  }));

Deno.test("logits --json has the top 20 and the log-probability of each prompt token", () =>
  withTarget(async (target) => {
    const long = Array.from({ length: 30 }, () => PROMPT).join(" ").slice(0, 300);
    const args = ["--target", target, "--prompt", long, "--raw"];
    const { top, prompt } = await jsonOf<LogitsReport>("logits", args);
    const file = await openModel(target);
    const device = createDevice(referenceBackend());
    const parameters = await loadLlama(file, "f32", (tensor) => upload(device, tensor));
    const model = llamaModel({ device, config: file.config, parameters });
    const ids = file.tokenizer.encode(long);
    const { logits } = await model.forward(model.open(), ids, ids.length);
    assert(ids.length > 128, "the prompt is read in several passes");
    assertEquals(prompt.map(({ id }) => id), ids);
    assertEquals(prompt[0].logProbability, null, "nothing comes before the first token");
    prompt.slice(1).forEach(({ logProbability }, i) =>
      assertAlmostEquals(logProbability ?? NaN, Math.log(softmax(logits[i])[ids[i + 1]]), 1e-4)
    );
    const last = logits[ids.length - 1];
    const order = Array.from(last.keys()).sort((a, b) => last[b] - last[a]).slice(0, 20);
    assertEquals(top.map(({ id }) => id), order);
    for (const { id, logit } of top) assertAlmostEquals(logit, last[id], 1e-4);
    device.close();
    file.close();
  }));
