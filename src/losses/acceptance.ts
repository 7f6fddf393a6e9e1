/**
 * Acceptance rate: `alpha = sum_v min(p_v, q_v) = 1 - TVD`, the chance that one token drafted from
 * p is accepted by a target q (Leviathan et al. 2023, arXiv 2211.17192).
 *
 * @module
 */
import { div, equal, exp, maximum, minimum, stopGradient } from "../core/elementwise_ops.ts";
import { sub, where } from "../core/elementwise_ops.ts";
import { maxKeeping, softmax, sumKeeping } from "../core/linear_ops.ts";
import { iota } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { type CountedPair, countedPair, meanOverRows } from "./rows.ts";

/** The acceptance rate of every row, f32 `[rows, 1]`. */
export function acceptanceOfRows({ draft, target }: CountedPair): Tensor {
  // A tie belongs to the target, as in tvd, so that the two gradients add up to nothing.
  return sumKeeping(minimum(softmax(target), softmax(draft)), [1]);
}

/** Nothing is drafted from less mass than this; 0 would divide. */
const LEAST_MASS = 1e-30;

/**
 * Probabilities `[rows, vocab]` without one token, the others in their proportions. What is computed
 * for the whole distribution, which losses need too, is not computed again.
 */
function probabilitiesWithout(logits: Tensor, token: number): Tensor {
  const weights = exp(sub(logits, stopGradient(maxKeeping(logits, [-1]))));
  const left = where(equal(iota(logits.shape, 1), token), 0, weights);
  return div(left, maximum(sumKeeping(left, [1]), LEAST_MASS));
}

/**
 * The mean acceptance rate over the rows that count: what every step of finetuning reports.
 *
 * @param draftLogits f32 `[rows, vocab]`
 * @param targetLogits f32 `[rows, vocab]`, the teacher's, taken as a constant
 * @param mask f32 `[rows]`, 1 where a row counts
 * @param undrafted a token that is never drafted, whatever its logit: p without it counts
 * @returns a scalar between 0 and 1; 0 where no row counts
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { acceptance } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const [[alpha]] = evaluateGraph([acceptance(draft, target, mask)], new Map());
 * assertAlmostEquals(alpha, 0.75, 1e-6);
 * ```
 */
export function acceptance(
  draftLogits: Tensor,
  targetLogits: Tensor,
  mask: Tensor,
  undrafted?: number,
): Tensor {
  const pair = countedPair("acceptance", draftLogits, targetLogits, mask);
  if (undrafted === undefined) return meanOverRows(acceptanceOfRows(pair), mask);
  const drafted = probabilitiesWithout(pair.draft, undrafted);
  return meanOverRows(sumKeeping(minimum(softmax(pair.target), drafted), [1]), mask);
}
