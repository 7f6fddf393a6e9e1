/**
 * TVD++ with one token drawn from the draft in place of the sum over the vocabulary:
 * `L = -A(y) log p(y)`, `y ~ p` (Goel et al. 2024, arXiv 2403.00858).
 *
 * Its expectation over y is the exact form; here mu does matter: it lowers the variance.
 *
 * @module
 */
import { div, equal, mul, neg, sub, where } from "../core/elementwise_ops.ts";
import { sumKeeping } from "../core/linear_ops.ts";
import { iota, reshape } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { meanOverRows } from "./rows.ts";
import { policyTerms, rewardDeviation, SIGMA_FLOOR } from "./tvd_plus_plus.ts";

/**
 * TVD++ from one sampled token per row, normalised by the exact mu and sigma of the row.
 *
 * @param draftLogits f32 `[rows, vocab]`
 * @param targetLogits f32 `[rows, vocab]`, the teacher's, taken as a constant
 * @param mask f32 `[rows]`, 1 where a row counts
 * @param sampled i32 `[rows]`, for each row a token drawn from the draft's distribution
 * @param sigmaFloor what sigma does not fall below, above 0
 * @returns a scalar; 0 where no row counts
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { tvdPlusPlusSampled } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const sampled = constant(Int32Array.of(0)); // its advantage is (1 - 1/2) / (1/2) = 1
 * const loss = tvdPlusPlusSampled(draft, target, mask, sampled);
 * assertAlmostEquals(evaluateGraph([loss], new Map())[0][0], Math.log(2), 1e-6);
 * ```
 */
export function tvdPlusPlusSampled(
  draftLogits: Tensor,
  targetLogits: Tensor,
  mask: Tensor,
  sampled: Tensor,
  sigmaFloor: number = SIGMA_FLOOR,
): Tensor {
  const terms = policyTerms("tvdPlusPlusSampled", draftLogits, targetLogits, mask);
  const isSampled = equal(iota(draftLogits.shape, 1), reshape(sampled, [mask.shape[0], 1]));
  const atSampled = (x: Tensor): Tensor => sumKeeping(where(isSampled, x, 0), [1]);
  const deviation = rewardDeviation(terms.meanReward, sigmaFloor);
  const advantage = div(sub(atSampled(terms.reward), terms.meanReward), deviation);
  return meanOverRows(neg(mul(advantage, atSampled(terms.logP))), mask);
}
