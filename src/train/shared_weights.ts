/**
 * What a block drafter takes from its target to be trained with: embedding, rows of the head, and the
 * last norm.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import type { StoredWeights } from "../io/load_llama.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { SharedWithTarget } from "./block_states.ts";

/** Weights of a target, f32. */
export interface TargetWeights {
  /** What training needs of them. */
  readonly shared: SharedWithTarget<DenseHostTensor>;
  /** The gains of the norm in front of the head, `[width]`: `initBlockDrafter` begins with them. */
  readonly finalNorm: Float32Array;
}

/**
 * Reads what a block drafter shares with its target; the other weights are not read.
 *
 * @throws OutriderError where the file lacks one of them
 * @example
 * ```ts
 * import { openModel, resolveModel } from "@outrider/outrider/io";
 * import { trimmedVocabulary } from "@outrider/outrider/nn";
 * import { readSharedWeights } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const file = await openModel(await resolveModel("embedded"));
 * const { vocabulary, width } = file.config;
 * const { shared } = await readSharedWeights(file, trimmedVocabulary([2, 5, 6], vocabulary));
 * assertEquals([shared.embedding.shape, shared.kept.shape], [[vocabulary, width], [3, width]]);
 * file.close();
 * ```
 */
export async function readSharedWeights(
  { config, tensors }: StoredWeights,
  { tokenIds }: Pick<TrimmedVocabulary, "tokenIds">,
): Promise<TargetWeights> {
  const valuesOf = async (name: string): Promise<Float32Array> => {
    const found = tensors.get(name);
    if (found !== undefined) return await found.readFloat32();
    throw new OutriderError(`the tensor ${name}`, "none", "the file is incomplete; get it again");
  };
  const { width, vocabulary } = config;
  const embedding = await valuesOf("embedding");
  const head = config.tiedEmbeddings ? embedding : await valuesOf("head");
  const kept = new Float32Array(tokenIds.length * width);
  tokenIds.forEach((token, i) =>
    kept.set(head.subarray(token * width, (token + 1) * width), i * width)
  );
  return {
    shared: {
      embedding: hostTensor(embedding, [vocabulary, width]),
      kept: hostTensor(kept, [tokenIds.length, width]),
    },
    finalNorm: await valuesOf("finalNorm"),
  };
}
