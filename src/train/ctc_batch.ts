/**
 * Training batches of CTC drafters: blocks in packed texts as those of block drafters, and behind each
 * the target's continuation.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import type { Key } from "../core/random.ts";
import type { PackedBatch } from "../data/packing.ts";
import type { CtcTargets } from "../losses/ctc.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import { blockRows, type BlockRowsBatch, type BlockRowsOptions } from "./block_rows.ts";

/** The arrays of a batch: rows of blocks, and the continuations that their places align with. */
export interface CtcBatch<Leaf> extends BlockRowsBatch<Leaf> {
  /** The classes of each block's continuation, `[anchors, labels]`; none where nothing is known. */
  readonly targets: CtcTargets<Leaf>;
}

/**
 * What a block's continuation is. `greedy`: the target's likeliest tokens out of its kept
 * distributions, up to and with the first that the text does not have, behind which they speak of
 * another text. `text`: the tokens of the text, at whatever temperature it was written.
 *
 * Of text written at temperature 0 both are the same.
 */
export type CtcLabels = "greedy" | "text";

/** The names of all {@link CtcLabels}. */
export const ctcLabels: readonly CtcLabels[] = ["greedy", "text"];

/** How blocks are laid into packed texts, and what their continuations are. */
export interface CtcBatchOptions extends BlockRowsOptions {
  /** Most tokens of a continuation, at most as many as a block has places. */
  readonly labels: number;
  /** Which tokens they are. */
  readonly of: CtcLabels;
  /** The tokens that are drafted. */
  readonly vocabulary: Pick<TrimmedVocabulary, "classOf">;
}

/** The target's likeliest token behind a packed row. */
function likeliest({ teacher }: PackedBatch, row: number): number {
  const known = teacher[row];
  if (known !== undefined) return known.tokens[0];
  throw new OutriderError(
    "the target's distribution of every response token",
    "a token without",
    "write the set with --teacher-tokens, or learn the text itself",
  );
}

/** The tokens behind packed rows that follow one another, as far as they are the target's. */
function continuation(packed: PackedBatch, rows: readonly number[], of: CtcLabels): number[] {
  if (of === "text") return rows.map((row) => packed.targets[row]);
  const tokens: number[] = [];
  for (const row of rows) {
    const token = likeliest(packed, row);
    tokens.push(token);
    if (token !== packed.targets[row]) break;
  }
  return tokens;
}

/**
 * The batch of some packed rows, with blocks at rows that a key draws and the target's continuation of
 * each.
 *
 * @throws OutriderError where the target's choice is not known, features are of other taps, or a block
 * has fewer places than a continuation has tokens
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { batches, responseDocument } from "@outrider/outrider/data";
 * import { ctcBatch } from "@outrider/outrider/train";
 * import { trimmedVocabulary } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const row = (token: number) => ({ tokens: Int32Array.of(token), logProbs: Float32Array.of(0) });
 * const document = {
 *   ...responseDocument([3, 4], [5, 6, 7]),
 *   teacher: () => [row(5), row(8), row(7)], // greedy, the target would not have said 6
 *   features: (_: number, count: number) => Array.from({ length: count }, () => Float32Array.of(0)),
 * };
 * const corpus = { length: 1, document: () => document };
 * const packed = batches(corpus, { key: keyOf(1), rowsPerBatch: 4, sequenceLength: 4 });
 * const vocabulary = trimmedVocabulary([5, 6, 7, 8], 10);
 * const options = { config: { block: 3, features: 1 }, anchors: 3, labels: 3, vocabulary };
 * const at = (of: "greedy" | "text") => ctcBatch(packed.at(0), keyOf(2), { ...options, of });
 * assertEquals([...at("text").targets.labels.data], [0, 1, 2, 1, 2, -1, 2, -1, -1]);
 * assertEquals([...at("greedy").targets.labels.data], [0, 3, -1, 3, -1, -1, 2, -1, -1]);
 * ```
 */
export function ctcBatch(
  packed: PackedBatch,
  key: Key,
  options: CtcBatchOptions,
): CtcBatch<DenseHostTensor> {
  const { config: { block }, anchors, labels: most, of, vocabulary } = options;
  if (!(most >= 1 && most <= block)) {
    throw new OutriderError(
      `1 to ${block} tokens of a continuation, as many as there are places`,
      `${most}`,
      "learn fewer tokens, or give the drafter more places",
    );
  }
  const { rows, drafted } = blockRows(packed, key, options);
  const labels = new Int32Array(anchors * most).fill(-1);
  const lengths = new Int32Array(anchors);
  for (let anchor = 0; anchor < anchors; anchor++) {
    const behind = Array.from({ length: most }, (_, i) => drafted[i * anchors + anchor]);
    const end = behind.indexOf(-1);
    const known = end < 0 ? behind : behind.slice(0, end);
    const tokens = continuation(packed, known, of);
    labels.set(tokens.map((token) => vocabulary.classOf(token)), anchor * most);
    lengths[anchor] = tokens.length;
  }
  const targets = { labels: hostTensor(labels, [anchors, most]), lengths: hostTensor(lengths) };
  return { ...rows, targets };
}
