/**
 * How attention's kernels read keys and values: as f32, or two binary16 numbers in every word in the
 * order of `core/half_layout.ts`.
 *
 * Either way the vectors of a head come in order, so that sums over them are the same chains.
 *
 * @module
 */
import type { AttentionSpec } from "../../src/plan/kernel_spec.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import { type Address, v128 } from "./assembler_ops.ts";
import { storedHalves } from "./half_float.ts";
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
