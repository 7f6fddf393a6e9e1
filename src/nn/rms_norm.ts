/**
 * RMSNorm (Zhang and Sennrich, 2019): x / sqrt(mean(x^2) + epsilon) * weight.
 *
 * @module
 */
import { add, div, mul, sqrt } from "../core/elementwise_ops.ts";
import { meanKeeping } from "../core/linear_ops.ts";
import type { Tensor } from "../core/tensor.ts";

/**
 * Normalises the last axis by its root mean square.
 *
 * @param x f32 `[..., width]`
 * @param weight f32 `[width]`
 * @example
 * ```ts
 * import { constant, full } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { rmsNorm } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(3, -3), [1, 2]);
 * const normed = rmsNorm(x, full([2], 1), 0);
 * assertEquals(evaluateGraph([normed], new Map()), [Float32Array.of(1, -1)]);
 * ```
 */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  const inverse = div(1, sqrt(add(meanKeeping(mul(x, x), [-1]), epsilon)));
  return mul(mul(x, inverse), weight);
}
