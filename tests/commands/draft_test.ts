/** Commands take a draft file wherever they take a draft, and say so where it does not fit. */
import { assert, assertEquals } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import { openDraftFile, openModel, writeDraftFile } from "../../src/io/mod.ts";
import { initLlama, tinyLlama, trimVocabulary } from "../../src/nn/mod.ts";
import { weightReader } from "../../src/train/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { inPairs, jsonOf, runCommand } from "./run_command.ts";
import { writeTinyModel } from "./tiny_target.ts";

const PROMPT = "Spell the word river, and river again.";

/** What the tests read of a report of generate. */
interface TextReport {
  readonly tokens: readonly number[];
  readonly acceptance: readonly number[];
}

/** Writes a draft with random weights that knows a third of the target's tokens. */
async function writeTinyDraft(
  path: string,
  target: string,
  changes: { readonly tokenizerHash?: string } = {},
): Promise<void> {
  const { tokenizer, config: { vocabulary: tokens, contextLength }, close } = await openModel(
    target,
  );
  close();
  const counts = Array.from({ length: tokens }, (_, token) => token % 3);
  const vocabulary = trimVocabulary(counts, Math.floor(tokens / 3), tokenizer.endOfTurn);
  const config = tinyLlama({ width: 32, vocabulary: vocabulary.classes, contextLength });
  await writeDraftFile(path, {
    name: "tiny draft",
    config,
    readWeight: weightReader(initLlama(keyOf(3), config)),
    tokenizerHash: tokenizer.hash,
    vocabulary,
    format: "F16",
    ...changes,
  });
}

function withDraft(use: (target: string, draft: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const [target, draft] = [`${folder}/tiny.gguf`, `${folder}/draft.safetensors`];
    await writeTinyModel(target);
    await writeTinyDraft(draft, target);
    await use(target, draft);
  });
}

Deno.test("a trimmed draft from its file leaves greedy text as it is, in every precision and length", () =>
  withDraft(async (target, draft) => {
    const ask = ["--target", target, "--prompt", PROMPT, "--max-tokens", "16"];
    const runs = ["f32", "f16", "q8"].map((dtype) => ["--dtype", dtype, "--gamma", "3"])
      .concat([["--dtype", "f32", "--gamma", "auto"]]);
    await inPairs(runs, async (flags) => {
      const plain = await jsonOf<TextReport>("generate", [...ask, ...flags]);
      const drafted = await jsonOf<TextReport>("generate", [...ask, ...flags, "--draft", draft]);
      assertEquals(drafted.tokens, plain.tokens);
    });
    const sampled = [...ask, "--draft", draft, "--gamma", "2", "--temperature", "1"];
    assertEquals((await jsonOf<TextReport>("generate", sampled)).tokens.length, 16);
  }));

Deno.test("evaluate compares a trimmed draft; chat talks with one", () =>
  withDraft(async (target, draft) => {
    const on = ["--target", target, "--draft", draft];
    const few = ["--count", "3", "--max-tokens", "8"];
    const { rows } = await jsonOf<{ rows: { equalTexts: number; prompts: number }[] }>(
      "evaluate",
      [...on, ...few],
    );
    assertEquals(rows.map(({ equalTexts, prompts }) => [equalTexts, prompts]), [[3, 3]]);
    const talk = [...on, "--max-tokens", "8", "--gamma", "2"];
    const { code, stderr } = await runCommand("chat", talk, "Spell river.\n\n");
    assertEquals(code, 0, stderr);
  }));

Deno.test("a draft file of another target, a damaged one, and a target without a draft are refused in one line", () =>
  withDraft(async (target, draft) => {
    const foreign = `${draft}.foreign.safetensors`;
    await writeTinyDraft(foreign, target, { tokenizerHash: "another" });
    const cut = `${draft}.cut.safetensors`;
    await Deno.writeFile(cut, (await Deno.readFile(draft)).slice(0, -4));
    const out = ["--set", `${draft}.none`, "--out", `${draft}.out`];
    const inputs: readonly (readonly [string, string, RegExp])[] = [
      ["generate", foreign, /with the tokenizer of .*tiny\.gguf, found another one in .*foreign/],
      ["generate", cut, /damaged or cut short/],
      ["generate", `${draft}.none.safetensors`, /nothing there/],
      ["generate", "auto", /a draft that comes with the package for the tokenizer/],
      ["evaluate", "auto", /a draft that comes with the package for the tokenizer/],
      ["finetune", cut, /damaged or cut short/],
    ];
    await inPairs(inputs, async ([command, name, message]) => {
      const more = { generate: ["--prompt", "a"], finetune: out }[command] ?? [];
      const args = ["--target", target, "--draft", name, ...more];
      const { code, stdout, stderr } = await runCommand(command, args);
      assertEquals([code, stdout], [1, ""], stderr);
      assert(/^error: expected [^\n]+, found [^\n]+; [^\n]+\n$/.test(stderr), stderr);
      assert(message.test(stderr), stderr);
    });
  }));

/** A draft file written again has its classes, and with 8-bit weights the same words in fewer bytes. */
async function storedAgain(
  on: readonly string[],
  draft: string,
  ask: readonly string[],
  plain: TextReport,
): Promise<void> {
  const sizes = [];
  for (const weights of ["f32", "q8"]) {
    const out = ["--format", "draft", "--weights", weights, "--out", `${draft}.${weights}`];
    const { path } = await jsonOf<{ path: string }>("export", [...on, ...out]);
    const [own, original] = [await openDraftFile(path), await openDraftFile(draft)];
    assertEquals(own.vocabulary?.tokenIds, original.vocabulary?.tokenIds);
    assertEquals(own.config, original.config);
    own.close();
    original.close();
    const drafted = await jsonOf<TextReport>("generate", [...ask, "--draft", path]);
    assertEquals(drafted.tokens, plain.tokens);
    sizes.push((await Deno.stat(path)).size);
  }
  assert(sizes[1] < sizes[0], `${sizes}`);
}

Deno.test("export writes a GGUF file and a folder that run ahead of the target as the draft does", () =>
  withDraft(async (target, draft) => {
    const on = ["--target", target, "--draft", draft];
    const gguf = ["--format", "gguf", "--out", `${draft}.out`];
    const hf = ["--format", "hf", "--out", `${draft}.hf`];
    const [file, folder] = [
      await jsonOf<{ path: string; vocabulary: number }>("export", [...on, ...gguf]),
      await jsonOf<{ path: string; vocabulary: number }>("export", [...on, ...hf]),
    ];
    assertEquals([file.path, folder.path], [`${draft}.out/draft.gguf`, `${draft}.hf`]);
    const ask = ["--target", target, "--prompt", PROMPT, "--max-tokens", "16", "--gamma", "3"];
    const plain = await jsonOf<TextReport>("generate", ask);
    for (const { path, vocabulary } of [file, folder]) {
      const model = await openModel(path);
      const original = await openModel(target);
      assertEquals(model.config.vocabulary, vocabulary);
      assertEquals(model.tokenizer.hash, original.tokenizer.hash);
      assertEquals(model.tokenizer.endOfTurn, original.tokenizer.endOfTurn);
      assertEquals(model.chatTemplate, original.chatTemplate);
      model.close();
      original.close();
      const drafted = await jsonOf<TextReport>("generate", [...ask, "--draft", path]);
      assertEquals(drafted.tokens, plain.tokens);
    }
    await storedAgain(on, draft, ask, plain);
    const again = ["--target", folder.path, "--draft", draft];
    const refused: readonly (readonly [readonly string[], RegExp])[] = [
      [[...on, ...hf, "--weights", "q8"], /found q8; choose f16/],
      [[...again, ...gguf], /a target in a GGUF file/],
      [["--target", target, "--draft", "auto", ...gguf], /comes with the package/],
    ];
    for (const [args, message] of refused) {
      const { code, stdout, stderr } = await runCommand("export", args);
      assertEquals([code, stdout], [1, ""], stderr);
      assert(message.test(stderr), stderr);
    }
    await jsonOf("export", [...again, "--format", "hf", "--out", `${draft}.again`]);
    const config = await Deno.readTextFile(`${draft}.again/config.json`);
    assertEquals(config, await Deno.readTextFile(`${draft}.hf/config.json`));
  }));
