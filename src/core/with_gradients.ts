/**
 * Scalars whose gradients are known already.
 *
 * @module
 */
import { node } from "./infer.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor that a scalar depends on, and the scalar's gradient with respect to it. */
export interface KnownGradient {
  /** f32, any shape. */
  readonly of: Tensor;
  /** f32, of the same shape. */
  readonly gradient: Tensor;
}

/**
 * The value with given gradients: differentiating it reads them, and looks no further into what
 * the value was computed from. It has no gradient with respect to anything that is not listed.
 *
 * A second derivative goes through the given gradients, so it is right where these are built from
 * the very tensors that they belong to.
 *
 * @param value an f32 scalar
 * @throws {OutriderError} where the value is no scalar, or a gradient has another shape
 *
 * @example
 * ```ts
 * import { constant, grad, mul, sum, type Tensor, withGradients } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const square = (x: Tensor) =>
 *   withGradients(sum(mul(x, x)), [{ of: x, gradient: mul(x, 2) }]);
 * const x = constant(Float32Array.of(3));
 * const doubled = grad((p: Tensor) => mul(square(p), 2))(x);
 * assertEquals(evaluateGraph([square(x), doubled], new Map()), [
 *   Float32Array.of(9),
 *   Float32Array.of(12),
 * ]);
 * ```
 */
export function withGradients(value: Tensor, known: readonly KnownGradient[]): Tensor {
  return node({ name: "withGradients", attributes: {} }, [
    value,
    ...known.map(({ of }) => of),
    ...known.map(({ gradient }) => gradient),
  ]);
}
