/**
 * Negative log acceptance: `L = -log alpha`, `alpha = sum_v min(p_v, q_v)`; its gradient is that of
 * TVD divided by alpha (NLA in LK losses, arXiv 2602.23881).
 *
 * @module
 */
import { minimum, neg } from "../core/elementwise_ops.ts";
import { logSumExp } from "../core/linear_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { countedPair, logProbabilities, meanOverRows } from "./rows.ts";

/**
 * The mean of `-log alpha`: like {@link tvd}, but rows where draft and target disagree most weigh
 * most, so that it also learns from a cold start.
 *
 * @param draftLogits f32 `[rows, vocab]`
 * @param targetLogits f32 `[rows, vocab]`, the teacher's, taken as a constant
 * @param mask f32 `[rows]`, 1 where a row counts
 * @returns a scalar, in nats per token; 0 where no row counts
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { negativeLogAcceptance } from "@outrider/outrider/losses";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(negativeLogAcceptance(input([8, 100]), input([8, 100]), input([8])).shape, []);
 * ```
 */
export function negativeLogAcceptance(
  draftLogits: Tensor,
  targetLogits: Tensor,
  mask: Tensor,
): Tensor {
  const pair = countedPair("negativeLogAcceptance", draftLogits, targetLogits, mask);
  // In logarithms throughout: an alpha too small for f32 still has a gradient.
  const shared = minimum(logProbabilities(pair.target), logProbabilities(pair.draft));
  return meanOverRows(neg(logSumExp(shared)), mask);
}
