/**
 * Attention by parts of a row's entries, and the online softmax that joins them: with m and l of what
 * was seen so far and m', l' of a further part,
 *   M = max(m, m')   a = e^(m - M)   b = e^(m' - M)   l = l a + l' b   out = out a + sums' b
 *
 * One kernel takes the parts of a row in turn, or one gives the parts' records and another joins them;
 * every step is the same, so the bits are too.
 *
 * @module
 */
import { ATTENTION_PART } from "../../src/core/attention_layout.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32 } from "./assembler_ops.ts";
import { entriesOfHead, MOST_HEADS } from "./attention_heads.ts";
import { headScores, type ScoreOperands } from "./attention_scores.ts";
import { type AttentionRow, exponentials, reciprocal, type Softmax } from "./attention_rows.ts";
import {
  type AttentionSizes,
  type HeadVector,
  headVectors,
  partBytes,
} from "./attention_storage.ts";
import { type KernelFrame, multiplyAdd } from "./kernel.ts";
import { LANE_BYTES, loadLanes, scatterLanes } from "./lanes.ts";
import { expOfNegative } from "./math.ts";

/** Below every score, and finite: the difference of two of them is a number. */
const LOWEST = -3.4028234663852886e38;

/** A softmax that has seen nothing. */
export function emptySoftmax(builder: FunctionBuilder): Softmax {
  return {
    largest: builder.local(f32x4.constant(LOWEST)),
    sum: builder.local(f32x4.constant(0)),
  };
}

/** The factors that bring two sums to one largest score. */
export interface JoinFactors {
  /** On what was seen before. */
  readonly before: Local<"v128">;
  /** On the further part. */
  readonly part: Local<"v128">;
}

/** Adds a part to what was seen. */
export function joinSoftmax(frame: KernelFrame, seen: Softmax, part: Softmax): JoinFactors {
  const { builder, features } = frame;
  const largest = builder.local(f32x4.pmax(part.largest, seen.largest));
  const factor = (of: Local<"v128">) =>
    builder.local(expOfNegative(frame, builder.local(f32x4.sub(of, largest))));
  const factors = { before: factor(seen.largest), part: factor(part.largest) };
  builder.assign(seen.largest, largest);
  const added = f32x4.mul(part.sum, factors.part);
  builder.assign(seen.sum, multiplyAdd(features, seen.sum, factors.before, added));
  return factors;
}

/** Adds a part's sums to the output: some vectors of it. */
export function joinVectors(
  { builder, features }: KernelFrame,
  { before, part }: JoinFactors,
  out: Local<"i32">,
  places: readonly HeadVector[],
  sums: readonly Local<"v128">[],
): void {
  const joined = places.map(({ bytes, count }, i) => {
    const old = loadLanes(at(out, bytes), count);
    return builder.local(multiplyAdd(features, old, before, f32x4.mul(sums[i], part)));
  });
  storeVectors(builder, out, places, joined);
}

/** Stores vectors of a head, all after what they are computed from. */
function storeVectors(
  builder: FunctionBuilder,
  out: Local<"i32">,
  places: readonly HeadVector[],
  values: readonly Local<"v128">[],
): void {
  places.forEach(({ bytes, count }, i) =>
    scatterLanes(builder, at(out, bytes), LANE_BYTES, count, values[i])
  );
}

/** Entries of a row, counting every extra slot that might exist. */
export function mostEntries(spec: AttentionSizes, row: AttentionRow): Expression<"i32"> {
  return i32.add(row.length, i32.constant(spec.extras));
}

/** The part of a row whose first entry is `first`. */
export function partOfRow(
  { builder }: KernelFrame,
  spec: AttentionSizes,
  row: AttentionRow,
  first: Local<"i32">,
): AttentionRow {
  const size = i32.constant(ATTENTION_PART);
  const left = builder.local(i32.sub(row.length, first));
  const some = i32.select(i32.ltU(left, size), left, size);
  const isBehind = i32.geS(first, row.length);
  const length = builder.local(i32.select(isBehind, i32.constant(0), some));
  const start = builder.local(i32.add(row.start, first));
  if (spec.extras === 0) return { start, length, extra: row.extra };
  const from = builder.local(i32.select(isBehind, i32.sub(first, row.length), i32.constant(0)));
  const count = builder.local(i32.sub(size, length));
  return { start, length, extra: row.extra, ranks: { from, count } };
}

/** The scores of a part as e^(score - largest) in scratch, and what its softmax saw, per head. */
export function partSoftmax(
  frame: KernelFrame,
  spec: AttentionSizes,
  part: AttentionRow,
  operands: ScoreOperands,
): Softmax[] {
  const { builder } = frame;
  const end = headScores(frame, spec, part, operands);
  return Array.from({ length: operands.heads }, (_, head) => {
    const last = builder.local(i32.add(end, i32.constant(head * partBytes(spec))));
    return exponentials(entriesOfHead(frame, spec, head), last);
  });
}

/** Visits a group's heads, so many at a time as are taken together. */
export function eachHeads(group: number, visit: (heads: number) => void): void {
  for (let first = 0; first < group; first += MOST_HEADS) {
    visit(Math.min(MOST_HEADS, group - first));
  }
}

/** out[:] *= 1 / sum, and 0 where nothing was seen. */
export function divideBySum(
  frame: KernelFrame,
  spec: AttentionSizes,
  out: Local<"i32">,
  seen: Softmax,
): void {
  const { builder } = frame;
  const factor = builder.local(reciprocal(frame, seen.sum));
  const places = headVectors(spec);
  const values = places.map(({ bytes, count }) =>
    builder.local(f32x4.mul(loadLanes(at(out, bytes), count), factor))
  );
  storeVectors(builder, out, places, values);
}

/** out[:] = 0. */
export function clearHead(
  { builder }: KernelFrame,
  spec: AttentionSizes,
  out: Local<"i32">,
): void {
  const zero = builder.constant(f32x4.constant(0));
  for (const { bytes, count } of headVectors(spec)) {
    scatterLanes(builder, at(out, bytes), LANE_BYTES, count, zero);
  }
}
