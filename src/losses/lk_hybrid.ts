/**
 * Hybrid of KL and TVD: `lambda KL(q || p) + (1 - lambda) TVD` with
 * `lambda = exp(-eta stopgrad(mean alpha))`, eta = 3 (LK losses, arXiv 2602.23881).
 *
 * @module
 */
import { add, exp, mul, stopGradient, sub } from "../core/elementwise_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { acceptance } from "./acceptance.ts";
import { kld } from "./kld.ts";
import { tvd } from "./tvd.ts";

/**
 * KL while the draft is poor, TVD as its acceptance rate grows; the mix follows the batch's mean
 * acceptance and is a constant to the gradient.
 *
 * @param draftLogits f32 `[rows, vocab]`
 * @param targetLogits f32 `[rows, vocab]`, the teacher's, taken as a constant
 * @param mask f32 `[rows]`, 1 where a row counts
 * @param eta how fast TVD takes over as acceptance grows
 * @returns a scalar; 0 where no row counts
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { lkHybrid } from "@outrider/outrider/losses";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lkHybrid(input([8, 100]), input([8, 100]), input([8])).shape, []);
 * ```
 */
export function lkHybrid(
  draftLogits: Tensor,
  targetLogits: Tensor,
  mask: Tensor,
  eta: number = 3,
): Tensor {
  const alpha = stopGradient(acceptance(draftLogits, targetLogits, mask));
  const lambda = exp(mul(alpha, -eta));
  const kl = mul(lambda, kld(draftLogits, targetLogits, mask));
  return add(kl, mul(sub(1, lambda), tvd(draftLogits, targetLogits, mask)));
}
