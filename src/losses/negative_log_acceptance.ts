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
 * import { constant } from "@outrider/outrider/core";
 * import { negativeLogAcceptance } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const [[loss]] = evaluateGraph([negativeLogAcceptance(draft, target, mask)], new Map());
 * assertAlmostEquals(loss, -Math.log(0.75), 1e-6);
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
