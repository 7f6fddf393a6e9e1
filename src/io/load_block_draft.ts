/**
 * A block drafter, or a CTC drafter, beside its target: its own weights, and what it borrows of the
 * target's.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type BlockWeights, buildBlockDrafter } from "../nn/block_drafter_parameters.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import { type BlockDraftFile, isProductMatrix } from "./block_draft_file.ts";
import { DAMAGED } from "./draft_metadata.ts";
import {
  loadPlain,
  packedTypeOf,
  type PlaceTensor,
  sinkOf,
  type WeightType,
} from "./load_llama.ts";
import { type ModelFile, type ModelTensor, modelTensor, type StoredTensor } from "./model_file.ts";
import { packRows } from "./pack_rows.ts";
import { dequantize } from "./quantization.ts";
import { createScratch } from "./scratch.ts";

/** The target of a block drafter, loaded before it. */
export interface BlockDraftTarget<Leaf> {
  /** Its file, of whose head the drafter gets some rows. */
  readonly file: Pick<ModelFile, "path" | "config" | "tensors">;
  /** Its embedding `[vocabulary, width]`, which stays the target's. */
  readonly embedding: Leaf;
}

function checkTarget(
  { path, config: { width, taps }, vocabulary: { targetVocabulary } }: BlockDraftFile,
  { config, path: target }: BlockDraftTarget<unknown>["file"],
): void {
  const layers = Math.max(...taps);
  const fits = config.width === width && config.layers >= layers &&
    config.vocabulary === targetVocabulary;
  if (fits) return;
  throw new OutriderError(
    `a target of width ${width}, ${layers} or more layers and ${targetVocabulary} tokens for ${path}`,
    `width ${config.width}, ${config.layers} layers and ${config.vocabulary} tokens in ${target}`,
    "use the target that the draft was trained for",
  );
}

/** Rows of the target's head that are read at once, drafted or not: most that are lie together. */
const WINDOW_ROWS = 512;

/** The rows of drafted tokens, `[classes - 1, width]`, and the drafter's own, as they are read. */
function headRows(
  head: ModelTensor,
  { tokenIds, other }: TrimmedVocabulary,
  ownRows: readonly Float32Array[],
): ModelTensor {
  const [, width] = head.shape;
  const read: StoredTensor["read"] = async (offset, length) => {
    const values = new Float32Array(length / 4);
    const first = offset / 4 / width;
    const kept = tokenIds.subarray(first, first + values.length / width);
    for (let at = 0; at < kept.length;) {
      const from = kept[at];
      const beyond = kept.findIndex((token) => token >= from + WINDOW_ROWS);
      const end = beyond === -1 ? kept.length : beyond;
      const bytes = await head.readRows(from, kept[end - 1] - from + 1);
      const rows = dequantize(head.format, bytes);
      for (; at < end; at++) {
        const row = (kept[at] - from) * width;
        values.set(rows.subarray(row, row + width), at * width);
      }
    }
    ownRows.forEach((row, i) => {
      const at = other + i - first;
      if (at >= 0 && at < values.length / width) values.set(row, at * width);
    });
    return new Uint8Array(values.buffer);
  };
  const shape = [other + ownRows.length, width];
  return modelTensor("head", { name: "head", shape, format: "F32", read });
}

function tensorOf(tensors: ReadonlyMap<string, ModelTensor>, name: string): ModelTensor {
  const found = tensors.get(name);
  if (found !== undefined) return found;
  throw new OutriderError(`the tensor ${name}`, "none", DAMAGED);
}

/** The head's rows that are the drafter's own, behind those of the drafted tokens. */
const OWN_ROWS = { block: ["other"], ctc: ["other", "blank"] } as const;

/**
 * Reads the weights of a block or CTC drafter and hands each to `place`, as `loadLlama` does: matrices of
 * products in the weight type, all else in f32. Its head is made of the target's rows of the drafted
 * tokens and its own rows of all others and of the blank, in the type that the target's head has or
 * would have.
 *
 * @throws {OutriderError} where the target has other widths or too few layers, or weights are damaged
 * @example
 * ```ts
 * import { hostTensor, keyOf } from "@outrider/outrider/core";
 * import * as io from "@outrider/outrider/io";
 * import { initBlockDrafter, tinyBlockDrafter, trimmedVocabulary } from "@outrider/outrider/nn";
 * import { weightReader } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile({ suffix: ".safetensors" });
 * const file = await io.openModel(await io.resolveModel("embedded"));
 * const { width, vocabulary: tokens } = file.config;
 * const config = tinyBlockDrafter({ width, taps: [1, 2] });
 * await io.writeBlockDraftFile(path, {
 *   name: "tiny",
 *   config,
 *   readWeight: weightReader(initBlockDrafter(keyOf(1), config, new Float32Array(width).fill(1))),
 *   tokenizerHash: file.tokenizer.hash,
 *   vocabulary: trimmedVocabulary([2, 5, 6], tokens),
 *   format: "F32",
 * });
 * const draft = await io.openBlockDraftFile(path);
 * const target = { file, embedding: hostTensor(new Float32Array(tokens * width), [tokens, width]) };
 * const weights = await io.loadBlockDraft(draft, target, "q8", (tensor) => tensor);
 * assertEquals([weights.head.shape, weights.head.type], [[4, width], "integer_q8_0"]);
 * draft.close();
 * file.close();
 * await Deno.remove(path);
 * ```
 */
export async function loadBlockDraft<Leaf>(
  draft: BlockDraftFile,
  { file, embedding }: BlockDraftTarget<Leaf>,
  type: WeightType,
  place: PlaceTensor<Leaf>,
): Promise<BlockWeights<Leaf>> {
  checkTarget(draft, file);
  const { kind, config, tensors, vocabulary } = draft;
  const scratch = createScratch();
  const sink = sinkOf(place);
  const loaded = new Map<string, { readonly leaf: Leaf }>();
  for (const [name, tensor] of tensors) {
    const leaf = isProductMatrix(tensor)
      ? await packRows(tensor, packedTypeOf(tensor, type, sink.activations), sink, scratch)
      : await loadPlain(tensor, sink);
    loaded.set(name, { leaf });
  }
  const whole = tensorOf(file.tensors, file.config.tiedEmbeddings ? "embedding" : "head");
  const read = (name: string) => tensorOf(tensors, name).readFloat32();
  const rows = headRows(whole, vocabulary, await Promise.all(OWN_ROWS[kind].map(read)));
  const head = await packRows(rows, packedTypeOf(whole, type, sink.activations), sink, scratch);
  const drafter = buildBlockDrafter(config, ({ name }) => {
    const found = loaded.get(name);
    if (found !== undefined) return found.leaf;
    throw new OutriderError(`the tensor ${name}`, "none", DAMAGED);
  });
  return { drafter, embedding, head };
}
