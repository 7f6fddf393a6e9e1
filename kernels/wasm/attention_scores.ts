/**
 * Scores of a part of a row's entries for several query heads that read the same key head.
 *
 * The products of a wide head run in two chains, one over its even vectors and one over the odd ones,
 * each summed over its lanes before they meet. Where the engine joins neighbouring vectors both are
 * halves of one vector; elsewhere one follows the other, with four entries' sums in the registers.
 *
 * @module
 */
import type { Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32, v128 } from "./assembler_ops.ts";
import { type AttentionRow, eachSlot, slotBytes } from "./attention_rows.ts";
import {
  type AttentionSizes,
  headParts,
  headVectors,
  loadPart,
  partBytes,
  vectorsPerPart,
} from "./attention_storage.ts";
import { type KernelFrame, multiplyAdd } from "./kernel.ts";
import { combineLanes, LANE_BYTES, loadLanes, scatterLanes, sumLanesOfFour } from "./lanes.ts";

type V128 = Expression<"v128">;

/** Sums of one head, an entry each. */
type EntrySums = readonly Local<"v128">[];

/** What the scores of a part are taken from. */
export interface ScoreOperands {
  /** At the first of the query heads. */
  readonly query: Local<"i32">;
  /** At the key head of slot 0. */
  readonly key: Local<"i32">;
  /** Query heads that are taken together. */
  readonly heads: number;
}

/** 0, 1, ..., count - 1. */
function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Lane i is the sum over the lanes of entry i; one entry's is in every lane. */
function acrossLanes({ builder }: KernelFrame, [a, b, c, d]: EntrySums): Local<"v128"> {
  return builder.local(
    b === undefined ? combineLanes(builder, a, f32x4.add) : sumLanesOfFour(builder, [a, b, c, d]),
  );
}

/** Emits the sums of `count` entries from `slot` on; gives a vector per head. */
type Tile = (slot: Local<"i32">, count: 1 | 4) => V128[];

/** Narrower heads have one chain: a second sum over lanes would cost more than it saves. */
const WIDE_HEAD = 64;

/** Chains of products of one score; halves, two vectors in every load, are taken in order. */
function chainsOf({ headWidth, storage }: AttentionSizes): 1 | 2 {
  return headWidth >= WIDE_HEAD && storage === "f32" ? 2 : 1;
}

/**
 * The query heads' vectors, [vector][head]. Loaded once: what the registers do not hold, the stack
 * gives back without a bounds check.
 */
function queryVectors(
  { builder }: KernelFrame,
  spec: AttentionSizes,
  { query, heads }: ScoreOperands,
): Local<"v128">[][] {
  return headVectors(spec).map(({ bytes, count }) =>
    numbers(heads).map((head) => {
      const place = head * spec.headWidth * LANE_BYTES + bytes;
      return builder.local(loadLanes(at(query, place), count));
    })
  );
}

/** Vectors of 128 bits, one chain after the other: 12 sums of three heads fill the registers. */
function chainsApart(frame: KernelFrame, spec: AttentionSizes, operands: ScoreOperands): Tile {
  const { builder, features } = frame;
  const lefts = queryVectors(frame, spec, operands);
  const zero = builder.constant(f32x4.constant(0));
  const parts = headParts(spec);
  const each = vectorsPerPart(spec);
  const chains = chainsOf(spec);
  return (slot, count) => {
    const [first, second] = numbers(chains).map((chain) => {
      const sums = lefts[0].map(() => numbers(count).map(() => builder.local(zero)));
      for (let part = chain; part < parts.length; part += chains) {
        for (const i of numbers(count)) {
          const address = at(slot, i * slotBytes(spec) + parts[part].bytes);
          loadPart(builder, spec, address, parts[part]).forEach((right, index) =>
            lefts[part * each + index].forEach((left, head) =>
              builder.assign(sums[head][i], multiplyAdd(features, left, right, sums[head][i]))
            )
          );
        }
      }
      return sums.map((ofHead) => acrossLanes(frame, ofHead));
    });
    return first.map((sum, head) => second === undefined ? sum : f32x4.add(sum, second[head]));
  };
}

/** Entries whose keys are in the registers together, beside 12 sums of 256 bits and a query's. */
const KEYS = 2;

/**
 * Both chains in one: every vector of a pair stands beside the other, from the loads to the store of
 * both sums, after which their sum is taken from memory.
 */
function chainsInPairs(frame: KernelFrame, spec: AttentionSizes, operands: ScoreOperands): Tile {
  const { builder, features } = frame;
  const heads = numbers(operands.heads);
  const pairs = numbers(spec.headWidth / 8).map((pair) => [8 * pair, 8 * pair + 4]);
  const zero = builder.constant(f32x4.constant(0));
  const sumBytes = 2 * 16;
  const scratch = builder.local(
    i32.add(frame.scratch, i32.constant(partBytes(spec) * operands.heads)),
  );
  const loadPair = (pointer: Local<"i32">, bytes: number, pair: readonly number[]) =>
    pair.map((element) => builder.local(v128.load(at(pointer, bytes + element * LANE_BYTES))));
  return (slot, count) => {
    const sums = heads.map(() =>
      numbers(count).map(() => [builder.local(zero), builder.local(zero)])
    );
    for (const pair of pairs) {
      for (let first = 0; first < count; first += KEYS) {
        const entries = numbers(Math.min(KEYS, count - first)).map((i) => first + i);
        const rights = entries.map((i) => loadPair(slot, i * slotBytes(spec), pair));
        for (const head of heads) {
          const left = loadPair(operands.query, head * spec.headWidth * LANE_BYTES, pair);
          entries.forEach((i, index) =>
            left.forEach((value, half) => {
              const sum = sums[head][i][half];
              builder.assign(sum, multiplyAdd(features, value, rights[index][half], sum));
            })
          );
        }
      }
    }
    const halves = sums.map((ofHead) =>
      [0, 1].map((half) => acrossLanes(frame, ofHead.map((both) => both[half])))
    );
    halves.forEach((both, head) =>
      both.forEach((sum, half) =>
        builder.emit(v128.store(at(scratch, head * sumBytes + half * 16), sum))
      )
    );
    return heads.map((head) =>
      f32x4.add(
        v128.load(at(scratch, head * sumBytes)),
        v128.load(at(scratch, head * sumBytes + 16)),
      )
    );
  };
}

/**
 * entries[h][i] = factor * (query head h . key[slot_i]); gives the address after the last entry of
 * the first head.
 */
export function headScores(
  frame: KernelFrame,
  spec: AttentionSizes,
  row: AttentionRow,
  operands: ScoreOperands,
): Local<"i32"> {
  const { builder, features } = frame;
  const scale = builder.constant(f32x4.constant(spec.scale));
  const inPairs = features.vectors === "joined" && chainsOf(spec) === 2 && spec.headWidth % 8 === 0;
  const tile = (inPairs ? chainsInPairs : chainsApart)(frame, spec, operands);
  return eachSlot(frame, spec, row, operands.key, 4, (slot, entry, count) => {
    tile(slot, count).forEach((dots, head) => {
      const value = builder.local(f32x4.mul(dots, scale));
      scatterLanes(builder, at(entry, head * partBytes(spec)), LANE_BYTES, count, value);
    });
  });
}

/** Bytes of scratch: the entries of so many heads, and the sums that are taken from memory. */
export function scratchBytes(spec: AttentionSizes, heads: number): number {
  return heads * (partBytes(spec) + 2 * 16);
}
