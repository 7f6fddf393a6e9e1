/**
 * How attention's kernels read keys and values: as f32, or two binary16 numbers in every word in the
 * order of `core/half_layout.ts`.
 *
 * Either way the vectors of a head come in order, so that sums over them are the same chains.
 *
 * @module
 */
import { ATTENTION_PART } from "../../src/core/attention_layout.ts";
import type { AttentionSpec } from "../../src/plan/kernel_spec.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { type Address, v128 } from "./assembler_ops.ts";
import { scaledForHalves, storedHalves, unscaledHalves } from "./half_float.ts";
import { LANE_BYTES, LANES, loadLanes, VECTOR_BYTES } from "./lanes.ts";

/** The sizes that attention's kernels share. */
export type AttentionSizes = Omit<AttentionSpec, "family">;

/** A vector of one head in f32: byte offset, and how many lanes exist. */
export interface HeadVector {
  readonly bytes: number;
  readonly count: number;
}

/** What one load of a head's key or value gives. */
export interface HeadPart {
  /** Offset in the stored head. */
  readonly bytes: number;
  /** The vectors that it holds, in order. */
  readonly vectors: readonly HeadVector[];
}

/** Bytes of one head of a key or value. */
export function storedHeadBytes({ headWidth, storage }: AttentionSizes): number {
  return headWidth * LANE_BYTES / (storage === "f16" ? 2 : 1);
}

/** The vectors of one head in f32. */
export function headVectors({ headWidth }: AttentionSizes): HeadVector[] {
  return Array.from({ length: Math.ceil(headWidth / LANES) }, (_, vector) => ({
    bytes: vector * VECTOR_BYTES,
    count: Math.min(LANES, headWidth - vector * LANES),
  }));
}

/** Vectors that a load gives. */
export function vectorsPerPart({ storage }: AttentionSizes): number {
  return storage === "f16" ? 2 : 1;
}

/** The loads that read one head of a key or value. */
export function headParts(spec: AttentionSizes): HeadPart[] {
  const vectors = headVectors(spec);
  const each = vectorsPerPart(spec);
  return Array.from({ length: vectors.length / each }, (_, part) => ({
    bytes: part * VECTOR_BYTES,
    vectors: vectors.slice(each * part, each * (part + 1)),
  }));
}

/** Loads a part: its vectors in order. */
export function loadPart(
  builder: FunctionBuilder,
  { storage }: AttentionSizes,
  address: Address,
  { vectors }: HeadPart,
): Local<"v128">[] {
  if (storage === "f16") return storedHalves(builder, builder.local(v128.load(address)));
  return vectors.map(({ count }) => builder.local(loadLanes(address, count)));
}

/**
 * Loads a part as factors for the weights of {@link weightsFor}: its vectors in order. The power of
 * two that halves lack is in the weights, which are 1 at most, and that changes no product.
 */
export function loadFactors(
  builder: FunctionBuilder,
  spec: AttentionSizes,
  address: Address,
  part: HeadPart,
): Local<"v128">[] {
  if (spec.storage === "f32") return loadPart(builder, spec, address, part);
  return unscaledHalves(builder, builder.local(v128.load(address)));
}

/** Weights of 0 to 1 for the factors of {@link loadFactors}. */
export function weightsFor(
  builder: FunctionBuilder,
  { storage }: AttentionSizes,
  weights: Expression<"v128">,
): Local<"v128"> {
  return builder.local(storage === "f16" ? scaledForHalves(builder, weights) : weights);
}

/** Bytes behind an array of entries: a pair of vectors of padding, and one for sums. */
export const ENTRY_PADDING = 4 * VECTOR_BYTES;

/** Bytes of one head's entries of a part, with the padding of an array of entries. */
export function partBytes(spec: AttentionSizes): number {
  return Math.min(spec.slots + spec.extras, ATTENTION_PART) * LANE_BYTES + ENTRY_PADDING;
}
