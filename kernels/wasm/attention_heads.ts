/**
 * Attention of several query heads that read the same key/value head: keys and values are loaded
 * once for all of them.
 *
 * Scratch holds one array of the entries of a part per head, {@link partBytes} apart. The chains of
 * every element are those of a head alone.
 *
 * @module
 */
import { ATTENTION_PART } from "../../src/core/attention_layout.ts";
import type { Local } from "./assembler.ts";
import { at, f32x4, i32, v128 } from "./assembler_ops.ts";
import { type AttentionRow, eachSlot, slotBytes } from "./attention_rows.ts";
import {
  type AttentionSizes,
  headParts,
  type HeadVector,
  loadPart,
  vectorsPerPart,
} from "./attention_storage.ts";
import { type KernelFrame, multiplyAdd } from "./kernel.ts";
import {
  combineLanes,
  LANE_BYTES,
  LANES,
  loadLanes,
  scatterLanes,
  splatLane,
  sumLanesOfFour,
} from "./lanes.ts";

/** Heads that are taken together: with four slots their sums fill the vector registers. */
export const MOST_HEADS = 3;
/** Vectors of sums that the registers hold. */
const SUMS = 12;

/** Bytes of one head's entries of a part, with room for a vector of padding. */
export function partBytes(spec: AttentionSizes): number {
  return (Math.min(spec.slots + spec.extras, ATTENTION_PART) + LANES) * LANE_BYTES;
}

/** 0, 1, ..., count - 1. */
function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/**
 * entries[h][i] = factor * (query head h . key[slot_i]); gives the address after the last entry of
 * the first head.
 */
export function headScores(
  frame: KernelFrame,
  spec: AttentionSizes,
  row: AttentionRow,
  operands: { readonly query: Local<"i32">; readonly key: Local<"i32">; readonly heads: number },
): Local<"i32"> {
  const { builder, features } = frame;
  const { query, key, heads } = operands;
  const bytes = slotBytes(spec);
  const zero = builder.constant(f32x4.constant(0));
  const scale = builder.constant(f32x4.constant(spec.scale));
  // Loaded once: what the registers do not hold, the stack gives back without a bounds check.
  const lefts = ({ bytes, count }: HeadVector): Local<"v128">[] =>
    numbers(heads).map((head) => {
      const place = head * spec.headWidth * LANE_BYTES + bytes;
      return builder.local(loadLanes(at(query, place), count));
    });
  const parts = headParts(spec).map((part) => ({ part, left: part.vectors.map(lefts) }));
  return eachSlot(frame, spec, row, key, 4, (slot, entry, count) => {
    const sums = numbers(heads).map(() => numbers(count).map(() => builder.local(zero)));
    for (const { part, left } of parts) {
      for (const i of numbers(count)) {
        loadPart(builder, spec, at(slot, i * bytes + part.bytes), part).forEach((right, vector) =>
          sums.forEach((ofHead, head) =>
            builder.assign(ofHead[i], multiplyAdd(features, left[vector][head], right, ofHead[i]))
          )
        );
      }
    }
    sums.forEach(([a, b, c, d], head) => {
      const dots = count === 4
        ? sumLanesOfFour(builder, [a, b, c, d])
        : combineLanes(builder, a, f32x4.add);
      const value = builder.local(f32x4.mul(dots, scale));
      scatterLanes(builder, at(entry, head * partBytes(spec)), LANE_BYTES, count, value);
    });
  });
}

/** The frame whose scratch is the entries of one head. */
export function entriesOfHead(frame: KernelFrame, spec: AttentionSizes, head: number): KernelFrame {
  const bytes = i32.constant(head * partBytes(spec));
  return { ...frame, scratch: frame.builder.local(i32.add(frame.scratch, bytes)) };
}

/** Takes the sum over a part for one vector of a head, `bytes` after the head's first element. */
type SumVisitor = (
  head: number,
  place: HeadVector,
  sum: Local<"v128">,
) => void;

/** Sums over i of entries[h][i] * value[slot_i, :], vector by vector. */
export function headSums(
  frame: KernelFrame,
  spec: AttentionSizes,
  row: AttentionRow,
  operands: { readonly value: Local<"i32">; readonly heads: number },
  visit: SumVisitor,
): void {
  const { builder, features } = frame;
  const { value } = operands;
  const heads = numbers(operands.heads);
  const bytes = slotBytes(spec);
  const all = headParts(spec);
  const together = Math.max(1, Math.floor(SUMS / heads.length / vectorsPerPart(spec)));
  for (let first = 0; first < all.length; first += together) {
    const parts = all.slice(first, first + together);
    const vectors = parts.flatMap((part) => part.vectors);
    const sums = heads.map(() => vectors.map(() => builder.local(f32x4.constant(0))));
    eachSlot(frame, spec, row, value, 4, (slot, entry, count) => {
      const entries = heads.map((head) => {
        const address = at(entry, head * partBytes(spec));
        return builder.local(count === 4 ? v128.load(address) : v128.load32Splat(address));
      });
      for (const i of numbers(count)) {
        const weights = entries.map((four) => builder.local(splatLane(four, i)));
        const rights = parts.flatMap((part) =>
          loadPart(builder, spec, at(slot, i * bytes + part.bytes), part)
        );
        rights.forEach((right, index) =>
          sums.forEach((ofHead, head) =>
            builder.assign(
              ofHead[index],
              multiplyAdd(features, weights[head], right, ofHead[index]),
            )
          )
        );
      }
    });
    sums.forEach((ofHead, head) =>
      vectors.forEach((place, index) => visit(head, place, ofHead[index]))
    );
  }
}
