/**
 * Element types: three that are computed with, and the packed ones that weights are stored in.
 *
 * @module
 */

/** A type that kernels compute with; each element takes four bytes (bool is stored as 0 or 1). */
export type DType = "f32" | "i32" | "bool";

/**
 * A storage type of a frozen weight matrix, laid out in panels for streaming (see `packed.ts`).
 * It is read through `dequantize` and never computed with.
 */
export type PackedType =
  | "packed_f32"
  | "packed_f16"
  | "packed_q8_0"
  | "packed_q4_0"
  | "packed_q4_1"
  | IntegerType;

/**
 * Packed types whose products are taken in integers: the values are those of the `packed_` type of
 * the same name, the activations are rounded to 8 bits per block of 32 (see `quantized_rows.ts`).
 */
export type IntegerType = "integer_q8_0" | "integer_q4_0" | "integer_q4_1";

/** Every type that a tensor can have. */
export type ElementType = DType | PackedType;

/** The host array that carries elements of a computed type. */
export type HostArray = Float32Array | Int32Array;

/**
 * True where the type is one of the packed storage types.
 *
 * @example
 * ```ts
 * import { isPacked } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([isPacked("packed_q8_0"), isPacked("f32")], [true, false]);
 * ```
 */
export function isPacked(type: ElementType): type is PackedType {
  return type.startsWith("packed_") || type.startsWith("integer_");
}

/** True where products with the type are taken in integers. */
export function isInteger(type: ElementType): type is IntegerType {
  return type.startsWith("integer_");
}

/** Bytes of one element of a computed type. */
export const ELEMENT_BYTES = 4;
