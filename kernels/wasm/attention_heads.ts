/**
 * Attention of several query heads that read the same key/value head: keys and values are loaded
 * once for all of them.
 *
 * Scratch holds one array of the entries of a part per head, {@link partBytes} apart. The chains of
 * every element are those of a head alone.
 *
 * @module
 */
import type { Local } from "./assembler.ts";
import { at, f32x4, i32, v128 } from "./assembler_ops.ts";
import { type AttentionRow, eachSlot, slotBytes, type SlotVisitor } from "./attention_rows.ts";
import {
  type AttentionSizes,
  type HeadPart,
  headParts,
  type HeadVector,
  loadFactors,
  loadPart,
  partBytes,
  vectorsPerPart,
  weightsFor,
} from "./attention_storage.ts";
import { type KernelFrame, multiplyAdd } from "./kernel.ts";
import { LANE_BYTES, splatLane } from "./lanes.ts";

/** Heads that are taken together: with four slots their sums fill the vector registers. */
export const MOST_HEADS = 3;
/** Vectors of sums that the registers hold. */
const SUMS = 12;

/** 0, 1, ..., count - 1. */
function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** The frame whose scratch is the entries of one head. */
export function entriesOfHead(frame: KernelFrame, spec: AttentionSizes, head: number): KernelFrame {
  const bytes = i32.constant(head * partBytes(spec));
  return { ...frame, scratch: frame.builder.local(i32.add(frame.scratch, bytes)) };
}

/** Takes the sums over a part for some of a head's vectors. */
type SumVisitor = (
  head: number,
  places: readonly HeadVector[],
  sums: readonly Local<"v128">[],
) => void;

/** Adds a value's vectors, weighted, to the sums of all heads: those of some parts. */
interface Adder {
  readonly parts: readonly HeadPart[];
  readonly heads: readonly number[];
  /** Adds weight * value to a head's sum, by its number among the parts' vectors. */
  add(head: number, index: number, weight: Local<"v128">, value: Local<"v128">): void;
}

/** Adds `count` slots, each value with the weights of all heads. */
function addInVectors(
  frame: KernelFrame,
  spec: AttentionSizes,
  { parts, heads, add }: Adder,
): SlotVisitor {
  const { builder } = frame;
  return (slot, entry, count) => {
    const entries = heads.map((head) => {
      const address = at(entry, head * partBytes(spec));
      return weightsFor(
        builder,
        spec,
        count === 4 ? v128.load(address) : v128.load32Splat(address),
      );
    });
    for (const i of numbers(count)) {
      const weights = entries.map((four) => builder.local(splatLane(four, i)));
      const values = parts.flatMap((part) =>
        loadFactors(builder, spec, at(slot, i * slotBytes(spec) + part.bytes), part)
      );
      values.forEach((value, index) =>
        heads.forEach((head) => add(head, index, weights[head], value))
      );
    }
  };
}

/** Vectors of values in the registers beside 12 sums of 256 bits and a weight. */
const VALUES = 4;

/** The same where neighbouring vectors are joined: what is repeated comes from memory, repeated. */
function addInPairs(
  { builder }: KernelFrame,
  spec: AttentionSizes,
  { parts, heads, add }: Adder,
): SlotVisitor {
  return (slot, entry, count) => {
    for (const i of numbers(count)) {
      for (let first = 0; first < parts.length; first += VALUES) {
        const values = parts.slice(first, first + VALUES).flatMap((part) =>
          loadPart(builder, spec, at(slot, i * slotBytes(spec) + part.bytes), part)
        );
        for (const head of heads) {
          const weightAt = at(entry, head * partBytes(spec) + i * LANE_BYTES);
          const weight = builder.local(v128.load32Splat(weightAt));
          values.forEach((value, index) => add(head, first + index, weight, value));
        }
      }
    }
  };
}

/** Sums over i of entries[h][i] * value[slot_i, :], some vectors after the other. */
export function headSums(
  frame: KernelFrame,
  spec: AttentionSizes,
  row: AttentionRow,
  operands: { readonly value: Local<"i32">; readonly heads: number },
  visit: SumVisitor,
): void {
  const { builder, features } = frame;
  const joined = features.vectors === "joined" && spec.storage === "f32";
  const heads = numbers(operands.heads);
  const all = headParts(spec);
  const fitting = (joined ? 2 : 1) * SUMS / heads.length / vectorsPerPart(spec);
  const together = Math.max(1, Math.floor(fitting));
  for (let first = 0; first < all.length; first += together) {
    const parts = all.slice(first, first + together);
    const vectors = parts.flatMap((part) => part.vectors);
    const sums = heads.map(() => vectors.map(() => builder.local(f32x4.constant(0))));
    const adder: Adder = {
      parts,
      heads,
      add(head, index, weight, value) {
        const sum = sums[head][index];
        builder.assign(sum, multiplyAdd(features, weight, value, sum));
      },
    };
    const add = (joined ? addInPairs : addInVectors)(frame, spec, adder);
    eachSlot(frame, spec, row, operands.value, 4, add);
    sums.forEach((ofHead, head) => visit(head, vectors, ofHead));
  }
}
