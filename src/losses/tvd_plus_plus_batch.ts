/**
 * TVD++ with one mu and one sigma for the batch: `A = (r - mu) / sigma` with
 * `mu = mean over rows of S` and `sigma = sqrt(mu (1 - mu))` (Goel et al. 2024, arXiv 2403.00858).
 *
 * Its gradient is that of TVD divided by sigma: the same direction, another length.
 *
 * @module
 */
import type { Tensor } from "../core/tensor.ts";
import { meanOverRows } from "./rows.ts";
import { exactPolicyLoss, policyTerms, rewardDeviation, SIGMA_FLOOR } from "./tvd_plus_plus.ts";

/**
 * TVD++ with the exact expectation and the advantage normalised over all rows that count.
 *
 * @param draftLogits f32 `[rows, vocab]`
 * @param targetLogits f32 `[rows, vocab]`, the teacher's, taken as a constant
 * @param mask f32 `[rows]`, 1 where a row counts
 * @param sigmaFloor what sigma does not fall below, above 0
 * @returns a scalar; 0 where no row counts
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant, grad } from "@outrider/outrider/core";
 * import { tvdPlusPlusBatch } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const [slope] = evaluateGraph([grad(tvdPlusPlusBatch)(draft, target, mask)], new Map());
 * assertAlmostEquals(slope[0], -0.5, 1e-6); // the target wants more of the first token
 * assertAlmostEquals(slope[1], 0.5, 1e-6);
 * ```
 */
export function tvdPlusPlusBatch(
  draftLogits: Tensor,
  targetLogits: Tensor,
  mask: Tensor,
  sigmaFloor: number = SIGMA_FLOOR,
): Tensor {
  const terms = policyTerms("tvdPlusPlusBatch", draftLogits, targetLogits, mask);
  const mean = meanOverRows(terms.meanReward, mask);
  return meanOverRows(exactPolicyLoss(terms, mean, rewardDeviation(mean, sigmaFloor)), mask);
}
