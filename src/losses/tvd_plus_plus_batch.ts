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
 * import { input } from "@outrider/outrider/core";
 * import { tvdPlusPlusBatch } from "@outrider/outrider/losses";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(tvdPlusPlusBatch(input([8, 100]), input([8, 100]), input([8])).shape, []);
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
