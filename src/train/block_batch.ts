/**
 * Training batches of block drafters: packed texts as context, and blocks that begin at tokens drawn
 * from them.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import { foldIn, type Key, permutation } from "../core/random.ts";
import type { Batches, PackedBatch } from "../data/packing.ts";
import type { CachedProbs } from "../losses/cached_teacher.ts";
import type { BlockDrafterConfig } from "../nn/block_drafter_parameters.ts";
import type { BatchSource } from "./batch_source.ts";
import { cachedColumns, type CachedTeacher } from "./row_batch.ts";

/**
 * The arrays of a batch. Rows of blocks are ordered by place: the first rows of all blocks, then the
 * second rows, and so on, so that a place is one piece.
 */
export interface BlockBatch<Leaf> {
  /** f32 `[context, features]`: the target's features of the packed texts. */
  readonly features: Leaf;
  /** i32 `[context]`: positions, from 0 in every text. */
  readonly contextPositions: Leaf;
  /** i32 `[rows]`: the target's token that each row's block begins with. */
  readonly tokens: Leaf;
  /** i32 `[rows]`: places in the block, from 0. */
  readonly places: Leaf;
  /** i32 `[rows]`: positions in the text. */
  readonly positions: Leaf;
  /** i32 `[rows]`: the context row before the block. */
  readonly last: Leaf;
  /** i32 `[rows]`: the first context row that a row sees. */
  readonly start: Leaf;
  /** i32 `[rows]`: the context row behind the last one that it sees. */
  readonly end: Leaf;
  /** i32 `[rows, block]`: the slots of its own block, which lie behind the context's. */
  readonly extra: Leaf;
  /** f32 `[rows]`: 1 where what a row drafts is part of a response. */
  readonly mask: Leaf;
  /** The teacher's distributions of the tokens that the rows draft. */
  readonly teacher: CachedProbs<Leaf>;
}

/** How blocks are laid into packed texts. */
export interface BlockBatchOptions {
  /** The drafter's sizes. */
  readonly config: Pick<BlockDrafterConfig, "block" | "features">;
  /** Blocks of a batch; where the texts have fewer places for them, the rest counts nothing. */
  readonly anchors: number;
  /** How the cached distributions become arrays. */
  readonly teacher: CachedTeacher;
}

/** The rows whose tokens begin the blocks: something lies before them, a response token follows. */
function anchorRows({ positions, lossMask }: PackedBatch, key: Key, count: number): number[] {
  const possible: number[] = [];
  lossMask.forEach((weight, row) => {
    if (weight > 0 && positions[row] > 0) possible.push(row);
  });
  const order = permutation(key, possible.length).subarray(0, count);
  return Array.from(order, (i) => possible[i]).sort((a, b) => a - b);
}

function contextFeatures({ features }: PackedBatch, width: number): DenseHostTensor {
  const values = new Float32Array(features.length * width);
  features.forEach((row, at) => {
    if (row === undefined) return;
    if (row.length !== width) {
      throw new OutriderError(
        `features of ${width} numbers`,
        `${row.length}`,
        "train a drafter with the taps of the set's features",
      );
    }
    values.set(row, at * width);
  });
  return hostTensor(values, [features.length, width]);
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
  { config, anchors, teacher }: BlockBatchOptions,
): BlockBatch<DenseHostTensor> {
  const { block, features } = config;
  const context = packed.tokens.length;
  const at = anchorRows(packed, key, anchors);
  const count = anchors * block;
  const column = (): Int32Array<ArrayBuffer> => new Int32Array(count);
  const columns = {
    tokens: column(),
    positions: column(),
    last: column(),
    start: column(),
    end: column(),
  };
  const mask = new Float32Array(count);
  const known: PackedBatch["teacher"][number][] = new Array(count).fill(undefined);
  at.forEach((first, j) => {
    for (let i = 0; i < block; i++) {
      const row = i * anchors + j;
      columns.tokens[row] = packed.tokens[first];
      columns.positions[row] = packed.positions[first] + i;
      columns.last[row] = first - 1;
      columns.start[row] = packed.starts[first];
      columns.end[row] = first;
      const drafted = first + i;
      if (packed.starts[drafted] !== packed.starts[first] || !(packed.lossMask[drafted] > 0)) {
        continue;
      }
      mask[row] = 1;
      known[row] = packed.teacher[drafted];
    }
  });
  const placeOf = (row: number): number => Math.floor(row / anchors);
  const extra = Int32Array.from(
    { length: count * block },
    (_, n) => context + (n % block) * anchors + Math.floor(n / block) % anchors,
  );
  return {
    features: contextFeatures(packed, features),
    contextPositions: hostTensor(packed.positions),
    tokens: hostTensor(columns.tokens),
    places: hostTensor(Int32Array.from({ length: count }, (_, row) => placeOf(row))),
    positions: hostTensor(columns.positions),
    last: hostTensor(columns.last),
    start: hostTensor(columns.start),
    end: hostTensor(columns.end),
    extra: hostTensor(extra, [count, block]),
    mask: hostTensor(mask),
    teacher: cachedColumns(known, mask, teacher),
  };
}

/** Batches of packed texts; where blocks begin follows from the key and the place in the data. */
export function blockSource(
  packed: Batches,
  key: Key,
  options: BlockBatchOptions,
): BatchSource<BlockBatch<DenseHostTensor>> {
  return {
    init: () => [packed.init()],
    step: ([position]) => {
      const { epoch, index, offset } = position;
      const drawn = foldIn(foldIn(foldIn(key, epoch), index), offset);
      const made = packed.step(position);
      return { batch: blockBatch(made.batch, drawn, options), positions: [made.position] };
    },
  };
}
