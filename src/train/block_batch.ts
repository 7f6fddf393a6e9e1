/**
 * Training batches of block drafters: packed texts as context, and blocks that begin at tokens drawn
 * from them.
 *
 * @module
 */
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import type { Key } from "../core/random.ts";
import type { PackedBatch } from "../data/packing.ts";
import type { CachedProbs } from "../losses/cached_teacher.ts";
import { blockRows, type BlockRowsBatch, type BlockRowsOptions } from "./block_rows.ts";
import { cachedColumns, type CachedTeacher } from "./row_batch.ts";

/** The arrays of a batch: rows of blocks, and what they learn. */
export interface BlockBatch<Leaf> extends BlockRowsBatch<Leaf> {
  /** f32 `[rows]`: 1 where what a row drafts is part of a response. */
  readonly mask: Leaf;
  /** The teacher's distributions of the tokens that the rows draft. */
  readonly teacher: CachedProbs<Leaf>;
}

/** How blocks are laid into packed texts, and what they are taught. */
export interface BlockBatchOptions extends BlockRowsOptions {
  /** How the cached distributions become arrays. */
  readonly teacher: CachedTeacher;
}

/**
 * The batch of some packed rows, with blocks at rows that a key draws. Row i of a block that begins
 * with the token of row r drafts the token behind row r + i, and sees the text before row r and its
 * own block.
 *
 * @throws OutriderError where a row that counts has no distribution, or features are of other taps
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { batches, responseDocument } from "@outrider/outrider/data";
 * import { blockBatch } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const known = { tokens: Int32Array.of(5), logProbs: Float32Array.of(0) };
 * const document = {
 *   ...responseDocument([3, 4], [5, 5]),
 *   teacher: () => [known, known],
 *   features: (_: number, count: number) => Array.from({ length: count }, () => Float32Array.of(7)),
 * };
 * const corpus = { length: 1, document: () => document };
 * const packed = batches(corpus, { key: keyOf(1), rowsPerBatch: 3, sequenceLength: 3 });
 * const config = { block: 2, features: 1 };
 * const options = { config, anchors: 2, teacher: { kept: 1 } };
 * const { tokens, last, mask } = blockBatch(packed.at(0), keyOf(2), options);
 * assertEquals([...tokens.data], [4, 5, 4, 5]);
 * assertEquals([...last.data], [0, 1, 0, 1]);
 * assertEquals([...mask.data], [1, 1, 1, 0]); // nothing lies behind the text's end
 * ```
 */
export function blockBatch(
  packed: PackedBatch,
  key: Key,
  options: BlockBatchOptions,
): BlockBatch<DenseHostTensor> {
  const { rows, drafted } = blockRows(packed, key, options);
  const mask = Float32Array.from(drafted, (row) => row < 0 ? 0 : 1);
  const known = Array.from(drafted, (row) => packed.teacher[row]);
  return { ...rows, mask: hostTensor(mask), teacher: cachedColumns(known, mask, options.teacher) };
}
