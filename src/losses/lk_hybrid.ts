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
 * import { constant } from "@outrider/outrider/core";
 * import { lkHybrid } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const [[loss]] = evaluateGraph([lkHybrid(draft, target, mask)], new Map());
 * const lambda = Math.exp(-3 * 0.75);
 * const kl = 0.75 * Math.log(1.5) + 0.25 * Math.log(0.5);
 * assertAlmostEquals(loss, lambda * kl + (1 - lambda) * 0.25, 1e-6);
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
