/**
 * Order as a part of the description: a value that is to be computed after others.
 *
 * @module
 */
import { node } from "./infer.ts";
import type { Tensor } from "./tensor.ts";

/**
 * x, but whatever is computed from the result is computed when `earlier` have been.
 *
 * Value and gradient are those of x. What is computed from the result is never merged with what
 * was computed from x itself: so a value can be computed a second time, late, instead of being
 * kept.
 *
 * @param x of a computed type, any shape
 * @param earlier values of computed types, any shapes; x itself is given back where there are none
 * @throws {OutriderError} where one of them is packed
 *
 * @example
 * ```ts
 * import { add, after, constant, exp, mul } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(0, 0));
 * const first = exp(x);
 * const second = exp(after(x, [first])); // not the same node: it is computed again
 * assertEquals(evaluateGraph([add(first, mul(second, 2))], new Map()), [Float32Array.of(3, 3)]);
 * ```
 */
export function after(x: Tensor, earlier: readonly Tensor[]): Tensor {
  return earlier.length === 0 ? x : node({ name: "after", attributes: {} }, [x, ...earlier]);
}
