/**
 * Blocks in packed texts: where they begin, what their rows see, and which tokens they draft. What is
 * learnt of these tokens is another file's.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import { foldIn, type Key, permutation } from "../core/random.ts";
import type { Batches, PackedBatch } from "../data/packing.ts";
import type { BlockDrafterConfig } from "../nn/block_drafter_parameters.ts";
import type { BatchSource } from "./batch_source.ts";

/**
 * The arrays of a batch's blocks. Rows are ordered by place: the first rows of all blocks, then the
 * second rows, and so on, so that a place is one piece.
 */
export interface BlockRowsBatch<Leaf> {
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
}

/** Blocks laid into packed texts. */
export interface LaidBlocks {
  /** The arrays. */
  readonly rows: BlockRowsBatch<DenseHostTensor>;
  /** `[rows]`: the packed row whose next token a row drafts; -1 where that is no part of a response. */
  readonly drafted: Int32Array;
}

/** How blocks are laid into packed texts. */
export interface BlockRowsOptions {
  /** The drafter's sizes. */
  readonly config: Pick<BlockDrafterConfig, "block" | "features">;
  /** Blocks of a batch; where the texts have fewer places for them, the rest counts nothing. */
  readonly anchors: number;
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
 * Blocks at rows that a key draws. Row i of a block that begins with the token of row r drafts the
 * token behind row r + i, and sees the text before row r and its own block.
 *
 * @throws OutriderError where features are of other taps
 */
export function blockRows(
  packed: PackedBatch,
  key: Key,
  { config, anchors }: BlockRowsOptions,
): LaidBlocks {
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
  const drafted = column().fill(-1);
  at.forEach((first, j) => {
    for (let i = 0; i < block; i++) {
      const row = i * anchors + j;
      columns.tokens[row] = packed.tokens[first];
      columns.positions[row] = packed.positions[first] + i;
      columns.last[row] = first - 1;
      columns.start[row] = packed.starts[first];
      columns.end[row] = first;
      const before = first + i;
      const isDrafted = packed.starts[before] === packed.starts[first] &&
        packed.lossMask[before] > 0;
      if (isDrafted) drafted[row] = before;
    }
  });
  const placeOf = (row: number): number => Math.floor(row / anchors);
  const extra = Int32Array.from(
    { length: count * block },
    (_, n) => context + (n % block) * anchors + Math.floor(n / block) % anchors,
  );
  const rows = {
    features: contextFeatures(packed, features),
    contextPositions: hostTensor(packed.positions),
    tokens: hostTensor(columns.tokens),
    places: hostTensor(Int32Array.from({ length: count }, (_, row) => placeOf(row))),
    positions: hostTensor(columns.positions),
    last: hostTensor(columns.last),
    start: hostTensor(columns.start),
    end: hostTensor(columns.end),
    extra: hostTensor(extra, [count, block]),
  };
  return { rows, drafted };
}

/** Batches of packed texts; where blocks begin follows from the key and the place in the data. */
export function anchoredSource<Batch>(
  packed: Batches,
  key: Key,
  batchOf: (packed: PackedBatch, drawn: Key) => Batch,
): BatchSource<Batch> {
  return {
    init: () => [packed.init()],
    step: ([position]) => {
      const { epoch, index, offset } = position;
      const drawn = foldIn(foldIn(foldIn(key, epoch), index), offset);
      const made = packed.step(position);
      return { batch: batchOf(made.batch, drawn), positions: [made.position] };
    },
  };
}
