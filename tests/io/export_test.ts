/** An exported draft is the draft: its logits to the bit, with its target's tokenizer. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { llamaModel } from "../../src/decode/mod.ts";
import {
  type DraftFile,
  expandDraft,
  type GgufValue,
  loadLlama,
  openDraftFile,
  openModel,
  renderChat,
  type StoredWeights,
  tokenizerFromGguf,
  type WeightType,
  writeDraftFile,
  writeGgufModel,
  writeModelFolder,
} from "../../src/io/mod.ts";
import { type LlamaConfig, tinyLlama, trimmedVocabulary } from "../../src/nn/mod.ts";
import { createDevice, uploadsTo } from "../../src/runtime/mod.ts";
import { weightReader } from "../../src/train/mod.ts";
import { smallWeights } from "../nn/small_models.ts";
import { chooser } from "./random_bytes.ts";
import { tinyTokenizer, TOKENS } from "./tiny_model.ts";
import { withFolder } from "./with_folder.ts";

const VOCABULARY = trimmedVocabulary(
  Array.from({ length: TOKENS.length }, (_, token) => token).filter((token) => token % 3 === 2),
  TOKENS.length,
);
/** Tokens of the target, most of them outside. */
const TEXT = [2, 5, 6, 7, 100, 101, 0, 200, 8, 8, 31];

/** Logits after every token of a text, `[text.length][vocabulary]`. */
async function logitsOf(
  file: StoredWeights,
  type: WeightType,
  text: readonly number[],
): Promise<Float32Array[]> {
  const device = createDevice(wasmBackend({ threads: 1 }));
  const parameters = await loadLlama(file, type, uploadsTo(device));
  const model = llamaModel({ device, config: file.config, parameters });
  const { logits } = await model.forward(model.open(), text, text.length);
  const rows = logits.map((row) => Float32Array.from(row));
  device.close();
  return rows;
}

/** Writes a trimmed draft, opens it, and exports it as a folder and as a GGUF file. */
async function exported(
  folder: string,
  sizes: Partial<LlamaConfig>,
  format: "F32" | "F16",
): Promise<DraftFile> {
  const config = tinyLlama({
    width: 32,
    heads: 2,
    layers: 2,
    vocabulary: VOCABULARY.classes,
    contextLength: 64,
    ...sizes,
  });
  const path = `${folder}/draft.safetensors`;
  await writeDraftFile(path, {
    name: "tiny draft",
    config,
    readWeight: weightReader(smallWeights(config)),
    tokenizerHash: tokenizerFromGguf(tinyTokenizer()).hash,
    vocabulary: VOCABULARY,
    format,
  });
  const draft = await openDraftFile(path);
  const whole = { ...expandDraft(draft), format };
  const tokenizer = tinyTokenizer();
  await writeGgufModel(`${folder}/draft.gguf`, { name: "tiny draft", tokenizer, ...whole });
  await writeModelFolder(`${folder}/draft`, { like: tokenizer, ...whole });
  return draft;
}

/** Compares what the exported model says with what the draft says of the same text. */
async function assertSame(
  draft: DraftFile,
  path: string,
  type: WeightType,
  same: (found: number, expected: number) => void,
): Promise<void> {
  const model = await openModel(path);
  assertEquals(model.tokenizer.hash, draft.tokenizerHash);
  assertEquals(model.config.vocabulary, TOKENS.length);
  assertEquals(model.config.tiedEmbeddings, draft.config.tiedEmbeddings);
  const expected = await logitsOf(draft, type, TEXT.map(VOCABULARY.classOf));
  const found = await logitsOf(model, type, TEXT);
  assertEquals(found.length, TEXT.length);
  found.forEach((row, i) => {
    assertEquals(row.length, TOKENS.length);
    row.forEach((logit, token) => same(logit, expected[i][VOCABULARY.classOf(token)]));
  });
  model.close();
}

const FILES = { half: "draft", interleaved: "draft.gguf" } as const;

for (const tiedEmbeddings of [true, false]) {
  for (const ropePairing of ["half", "interleaved"] as const) {
    for (const format of ["F32", "F16"] as const) {
      Deno.test(`an exported draft has the draft's logits: ${format}, ${ropePairing}, tied ${tiedEmbeddings}`, () =>
        withFolder(async (folder) => {
          const draft = await exported(folder, { tiedEmbeddings, ropePairing }, format);
          for (const type of ["f32", "keep", "f16", "q8", "q4"] as const) {
            await assertSame(draft, `${folder}/${FILES[ropePairing]}`, type, assertEquals);
          }
          // The other kind of file orders the elements of a head otherwise, and sums in that order.
          const other = FILES[ropePairing === "half" ? "interleaved" : "half"];
          await assertSame(
            draft,
            `${folder}/${other}`,
            "f32",
            (found, expected) => assertAlmostEquals(found, expected, 2e-4),
          );
          draft.close();
        }));
    }
  }
}

Deno.test("a draft that is not trimmed is exported as it is", () =>
  withFolder(async (folder) => {
    const config = tinyLlama({ width: 32, vocabulary: TOKENS.length, ropePairing: "interleaved" });
    const readWeight = weightReader(smallWeights(config));
    const path = `${folder}/draft.safetensors`;
    const content = { name: "whole", config, readWeight, tokenizerHash: "any" };
    await writeDraftFile(path, { ...content, format: "F32" });
    const draft = await openDraftFile(path);
    const whole = expandDraft(draft);
    assertEquals(whole.config, config);
    for (const name of draft.tensors.keys()) {
      assertEquals(await whole.readWeight(name), readWeight(name));
    }
    draft.close();
  }));

/** Texts of letters, digits, marks, white space and controls, in every order. */
function* awkwardTexts(count: number): Generator<string> {
  const parts = [
    "hello",
    " world",
    "he",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "1",
    "2345",
    "it's",
    "'LL",
    "東京",
  ]
    .concat(
      "🦊",
      "½",
      "é",
      "e\u0301",
      "\u0085",
      "\ufeff",
      "$+",
      "...",
      "_",
      "<|im_end|>",
      "٣",
      "ß",
    );
  const choose = chooser(5);
  for (let i = 0; i < count; i++) {
    yield Array.from({ length: 1 + choose.below(9) }, () => choose.pick(parts)).join("");
  }
}

for (const pre of ["smollm", "gpt-2", "llama-bpe", "qwen2", "default"]) {
  for (const addsBos of [true, false]) {
    Deno.test(`the tokenizer of a GGUF file is the same from the files made of it: ${pre}, begin ${addsBos}`, () =>
      withFolder(async (folder) => {
        const metadata = new Map<string, GgufValue>([
          ...tinyTokenizer(),
          ["tokenizer.ggml.pre", { type: "string", value: pre }],
          ["tokenizer.ggml.add_bos_token", { type: "bool", value: addsBos }],
          ["tokenizer.ggml.add_eos_token", { type: "bool", value: pre === "gpt-2" }],
        ]);
        const config = tinyLlama({ width: 8, vocabulary: TOKENS.length });
        const readWeight = weightReader(smallWeights(config));
        await writeModelFolder(folder, { config, readWeight, like: metadata, format: "F32" });
        const { tokenizer, close } = await openModel(folder);
        const original = tokenizerFromGguf(metadata);
        for (const name of ["hash", "bos", "eos", "endOfTurn", "chatTemplate"] as const) {
          assertEquals(tokenizer[name], original[name], name);
        }
        for (const text of awkwardTexts(300)) {
          const ids = original.encode(text);
          assertEquals(tokenizer.encode(text), ids, JSON.stringify(text));
          assertEquals(tokenizer.decode(ids), original.decode(ids));
        }
        const turn = [{ role: "user", content: "hello" }] as const;
        const written = renderChat(tokenizer.chatTemplate ?? "", turn);
        assert(written.includes("<|im_start|>user\nhello"));
        close();
      }));
  }
}

Deno.test("a tokenizer that GGUF metadata do not tell in full is refused", () =>
  withFolder(async (folder) => {
    const config = tinyLlama({ width: 8, vocabulary: TOKENS.length });
    const readWeight = weightReader(smallWeights(config));
    const changed: readonly (readonly [string, GgufValue, string])[] = [
      ["tokenizer.ggml.model", { type: "string", value: "llama" }, "byte-level"],
      ["tokenizer.ggml.pre", { type: "string", value: "of tomorrow" }, "of tomorrow"],
      ["tokenizer.ggml.tokens", {
        type: "array",
        elementType: "string",
        value: [...TOKENS.slice(0, -1), TOKENS[9]],
      }, "twice"],
    ];
    for (const [key, value, message] of changed) {
      const like = new Map<string, GgufValue>([...tinyTokenizer(), [key, value]]);
      const write = () => writeModelFolder(folder, { config, readWeight, like, format: "F32" });
      await assertRejects(write, OutriderError, message);
    }
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), []);
  }));
