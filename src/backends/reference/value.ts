/**
 * The host arrays that the evaluator computes with, and the precision of its floats.
 *
 * @module
 */
import { type ElementType, isPacked } from "../../core/dtype.ts";
import { OutriderError } from "../../core/errors.ts";

/** Elements of a computed type; floats are doubles under the {@link DOUBLE} precision. */
export type NumberArray = Float32Array | Float64Array | Int32Array;

/** The value of a node: numbers, or the bytes of a packed matrix. */
export type Value = NumberArray | Uint8Array;

/**
 * How floats are held. Storing into the array is what rounds, so this is the whole arithmetic:
 * every elementwise result is rounded once, and sums are gathered in doubles and rounded once.
 */
export interface Precision {
  /** A zeroed array of floats. */
  readonly allocate: (length: number) => Float32Array | Float64Array;
  /** The same numbers as floats of this precision; the array itself where it already fits. */
  readonly adopt: (values: NumberArray) => Float32Array | Float64Array;
}

/** f32, as every backend computes. */
export const SINGLE: Precision = {
  allocate: (length) => new Float32Array(length),
  adopt: (values) => values instanceof Float32Array ? values : Float32Array.from(values),
};

/** f64, under which finite differences are tight. */
export const DOUBLE: Precision = {
  allocate: (length) => new Float64Array(length),
  adopt: (values) => values instanceof Float64Array ? values : Float64Array.from(values),
};

/**
 * A zeroed array for elements of a computed type.
 *
 * @throws OutriderError where the type is packed
 */
export function allocate(type: ElementType, length: number, precision: Precision): NumberArray {
  if (isPacked(type)) {
    throw new OutriderError("a computed type", type, "dequantize the matrix first");
  }
  return type === "f32" ? precision.allocate(length) : new Int32Array(length);
}
