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
 */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  const inverse = div(1, sqrt(add(meanKeeping(mul(x, x), [-1]), epsilon)));
  return mul(mul(x, inverse), weight);
}
