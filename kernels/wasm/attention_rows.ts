/**
 * The passes over the slots that one row of attention sees, shared by attention and its gradient.
 *
 * Per slot i of a row there are entries in scratch: one array of scores or probabilities, and for
 * gradients a second one. Slots are visited in the row's order; dot products sum their lanes in one
 * fixed way, whether slots are taken four at a time or alone, and sums over slots depend on their
 * number only.
 *
 * @module
 */
import type { Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { type Address, at, f32x4, i32, v128 } from "./assembler_ops.ts";
import {
  type AttentionSizes,
  ENTRY_PADDING,
  headVectors,
  storedHeadBytes,
} from "./attention_storage.ts";
import { type KernelFrame, multiplyAdd } from "./kernel.ts";
import {
  combineLanes,
  LANE_BYTES,
  LANES,
  loadLanes,
  scatterLanes,
  sumLanesOfFour,
  VECTOR_BYTES,
} from "./lanes.ts";
import { expOfNegative } from "./math.ts";

/** One row: what it sees. */
export interface AttentionRow {
  /** The first slot of the range. */
  readonly start: Local<"i32">;
  /** Length of the range from `start` on, at least 0. */
  readonly length: Local<"i32">;
  /** At the row's extra slots. */
  readonly extra: Local<"i32">;
  /** Which of the extra slots that exist are seen, counted from 0; all of them by default. */
  readonly ranks?: { readonly from: Local<"i32">; readonly count: Local<"i32"> };
}

/** Bytes from one slot to the next in key, value and their gradients. */
export function slotBytes(spec: AttentionSizes): number {
  return spec.keyValueHeads * storedHeadBytes(spec);
}

/** Bytes of one array of entries, with its padding. */
export function entryBytes(spec: AttentionSizes): number {
  return (spec.slots + spec.extras) * LANE_BYTES + ENTRY_PADDING;
}

/** Reads what a row sees; the pointers start, end and extra are at the row's entries. */
export function loadRow(
  { builder }: KernelFrame,
  [start, end, extra]: readonly Local<"i32">[],
): AttentionRow {
  const first = builder.local(i32.load(at(start)));
  const last = builder.local(i32.load(at(end)));
  const isEmpty = i32.geS(first, last);
  return {
    start: first,
    length: builder.local(i32.select(isEmpty, i32.constant(0), i32.sub(last, first))),
    extra: extra ?? builder.local(i32.constant(0)),
  };
}

/** Emits the code for one slot, or for `count` = 4 neighbouring ones; `entry` is the first's. */
export type SlotVisitor = (slot: Local<"i32">, entry: Local<"i32">, count: 1 | 4) => void;

/**
 * Visits the slots of a row in order. `base` is an array's slot 0; gives the address after the last
 * entry of the first array of entries.
 */
export function eachSlot(
  { builder, scratch }: KernelFrame,
  spec: AttentionSizes,
  row: AttentionRow,
  base: Local<"i32">,
  group: 1 | 4,
  visit: SlotVisitor,
): Local<"i32"> {
  const bytes = slotBytes(spec);
  const entry = builder.local(scratch);
  const slotAt = (index: Expression<"i32">): Expression<"i32"> =>
    i32.add(base, i32.mul(index, i32.constant(bytes)));
  const slot = builder.local(slotAt(row.start));
  const take = (count: 1 | 4): void => {
    visit(slot, entry, count);
    builder.advance(entry, count * LANE_BYTES);
  };
  const move = (count: 1 | 4): void => {
    take(count);
    builder.advance(slot, count * bytes);
  };
  if (group === 1) builder.repeat(row.length, () => move(1));
  else {
    builder.repeat(i32.divU(row.length, i32.constant(LANES)), () => move(4));
    builder.repeat(i32.remU(row.length, i32.constant(LANES)), () => move(1));
  }
  eachExtra(builder, spec, row, (index) => {
    builder.assign(slot, slotAt(index));
    take(1);
  });
  return entry;
}

/** Visits the extra slots of a row in order. */
function eachExtra(
  builder: KernelFrame["builder"],
  spec: AttentionSizes,
  { extra: first, ranks }: AttentionRow,
  visit: (index: Local<"i32">) => void,
): void {
  if (spec.extras === 0) return;
  const extra = builder.local(first);
  const rank = ranks && builder.local(i32.sub(i32.constant(0), ranks.from));
  builder.stream(spec.extras, [{ pointer: extra, bytes: LANE_BYTES }], 1, () => {
    const index = builder.local(i32.load(at(extra)));
    builder.when(i32.geS(index, i32.constant(0)), () => {
      if (ranks === undefined || rank === undefined) return visit(index);
      builder.when(i32.ltU(rank, ranks.count), () => visit(index));
      builder.advance(rank, 1);
    });
  });
}

/** entries[array][i] = factor * (vector . base[slot_i]); gives the address after the last entry. */
export function dotProducts(
  frame: KernelFrame,
  spec: AttentionSizes,
  row: AttentionRow,
  operands: { vector: Local<"i32">; base: Local<"i32">; array: number; factor: number },
): Local<"i32"> {
  const { builder, features } = frame;
  const { vector, base, factor } = operands;
  const bytes = slotBytes(spec);
  const arrayBytes = operands.array * entryBytes(spec);
  const zero = builder.constant(f32x4.constant(0));
  const scale = builder.constant(f32x4.constant(factor));
  return eachSlot(frame, spec, row, base, 4, (slot, entry, count) => {
    const sums = Array.from({ length: count }, () => builder.local(zero));
    for (const part of headVectors(spec)) {
      const left = builder.local(loadLanes(at(vector, part.bytes), part.count));
      sums.forEach((sum, i) => {
        const right = loadLanes(at(slot, i * bytes + part.bytes), part.count);
        builder.assign(sum, multiplyAdd(features, left, right, sum));
      });
    }
    const [a, b, c, d] = sums;
    const dots = count === 4
      ? sumLanesOfFour(builder, [a, b, c, d])
      : combineLanes(builder, a, f32x4.add);
    const value = builder.local(f32x4.mul(dots, scale));
    scatterLanes(builder, at(entry, arrayBytes), LANE_BYTES, count, value);
  });
}

/** Visits all entries in vectors, the last one padded; `end` is the address after the last. */
export function eachEntryVector(
  { builder, scratch }: KernelFrame,
  end: Expression<"i32">,
  visit: (entry: Local<"i32">) => void,
): void {
  const entry = builder.local(scratch);
  builder.loopWhile(i32.ltU(entry, end), () => {
    visit(entry);
    builder.advance(entry, VECTOR_BYTES);
  });
}

/** What a softmax has seen: the largest score, and the sum of e^(score - largest), in every lane. */
export interface Softmax {
  readonly largest: Local<"v128">;
  readonly sum: Local<"v128">;
}

/** Places of two vectors side by side. */
const PAIR = [0, VECTOR_BYTES];

/**
 * Visits all entries in pairs of vectors, and folds what it gives for each vector of a pair into one
 * of two chains; gives the fold of both. Where vectors are joined they meet in memory, behind the
 * padding, so that the engine keeps them in one.
 */
function foldPairs(
  { builder, scratch, features }: KernelFrame,
  end: Local<"i32">,
  identity: Expression<"v128">,
  fold: (sum: Expression<"v128">, value: Expression<"v128">) => Expression<"v128">,
  visit: (entries: readonly Address[]) => readonly Expression<"v128">[],
): Local<"v128"> {
  const isJoined = features.vectors === "joined";
  const sums = PAIR.map(() => builder.local(identity));
  const entry = builder.local(scratch);
  builder.loopWhile(i32.ltU(entry, end), () => {
    const entries = PAIR.map((bytes) => at(entry, bytes));
    const values = isJoined ? visit(entries) : entries.flatMap((one) => visit([one]));
    values.forEach((value, half) => builder.assign(sums[half], fold(sums[half], value)));
    builder.advance(entry, 2 * VECTOR_BYTES);
  });
  const places = PAIR.map((bytes) => at(end, 2 * VECTOR_BYTES + bytes));
  if (isJoined) {
    places.forEach((place, half) => builder.emit(v128.store(place, sums[half])));
    places.forEach((place, half) => builder.assign(sums[half], v128.load(place)));
  }
  return builder.local(combineLanes(builder, fold(sums[0], sums[1]), fold));
}

/** Turns the scores of array 0 into e^(score - largest). */
export function exponentials(frame: KernelFrame, end: Local<"i32">): Softmax {
  const { builder } = frame;
  const lowest = builder.constant(f32x4.constant(-Infinity));
  for (const bytes of PAIR) builder.emit(v128.store(at(end, bytes), lowest));
  const largest = foldPairs(
    frame,
    end,
    lowest,
    (most, score) => f32x4.pmax(score, most),
    (entries) => entries.map((entry) => v128.load(entry)),
  );
  const none = builder.constant(f32x4.constant(0));
  const sum = foldPairs(frame, end, none, f32x4.add, (entries) => {
    const scores = entries.map((entry) => builder.local(v128.load(entry)));
    const powers = scores.map((score) => {
      const difference = builder.local(f32x4.sub(score, largest));
      return builder.local(expOfNegative(frame, difference));
    });
    entries.forEach((entry, half) => builder.emit(v128.store(entry, powers[half])));
    return powers;
  });
  return { largest, sum };
}

/** 1 / sum, and 0 for the sum over no slots. */
export function reciprocal({ builder }: KernelFrame, sum: Local<"v128">): Expression<"v128"> {
  const isEmpty = f32x4.eq(sum, builder.constant(f32x4.constant(0)));
  return v128.andNot(f32x4.div(builder.constant(f32x4.constant(1)), sum), isEmpty);
}

/** Vectors that a weighted sum keeps in registers. */
const SUM_VECTORS = 8;

/** out[:] = (sum over i of entries[array][i] * base[slot_i, :]) * factor, i in one chain. */
export function weightedSum(
  frame: KernelFrame,
  spec: AttentionSizes,
  row: AttentionRow,
  operands: { base: Local<"i32">; array: number; factor: Expression<"v128">; out: Local<"i32"> },
): void {
  const { builder, features } = frame;
  const arrayBytes = operands.array * entryBytes(spec);
  const bytes = slotBytes(spec);
  const all = headVectors(spec);
  for (let first = 0; first < all.length; first += SUM_VECTORS) {
    const parts = all.slice(first, first + SUM_VECTORS);
    const sums = parts.map(() => builder.local(f32x4.constant(0)));
    eachSlot(frame, spec, row, operands.base, 4, (slot, entry, count) => {
      for (let i = 0; i < count; i++) {
        const weight = builder.local(v128.load32Splat(at(entry, arrayBytes + i * LANE_BYTES)));
        parts.forEach((part, index) => {
          const value = loadLanes(at(slot, i * bytes + part.bytes), part.count);
          builder.assign(sums[index], multiplyAdd(features, weight, value, sums[index]));
        });
      }
    });
    parts.forEach((part, index) => {
      const value = builder.local(f32x4.mul(sums[index], operands.factor));
      scatterLanes(builder, at(operands.out, part.bytes), LANE_BYTES, part.count, value);
    });
  }
}
