/**
 * Total variation distance: `TVD = sum_v max(0, q_v - p_v) = 1 - sum_v min(p_v, q_v)`, one minus
 * the acceptance rate (Goel et al. 2024, arXiv 2403.00858).
 *
 * With `r_v = 1{q_v > p_v}` and `S = sum_v p_v r_v` its gradient on the logits is
 * `-p_j (r_j - S)`: policy gradient with the draft as the policy and r as the reward.
 *
 * @module
 */
import { maximum, sub } from "../core/elementwise_ops.ts";
import { softmax, sumKeeping } from "../core/linear_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { countedPair, meanOverRows } from "./rows.ts";

/**
 * The mean total variation distance of draft and target: descent raises the acceptance rate
 * itself. Start from a draft that already models the target's text: where p is almost 0, so is
 * the gradient.
 *
 * @param draftLogits f32 `[rows, vocab]`
 * @param targetLogits f32 `[rows, vocab]`, the teacher's, taken as a constant
 * @param mask f32 `[rows]`, 1 where a row counts
 * @returns a scalar between 0 and 1; 0 where no row counts
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { tvd } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const [[distance]] = evaluateGraph([tvd(draft, target, mask)], new Map());
 * assertAlmostEquals(distance, 0.25, 1e-6);
 * ```
 */
export function tvd(draftLogits: Tensor, targetLogits: Tensor, mask: Tensor): Tensor {
  const { draft, target } = countedPair("tvd", draftLogits, targetLogits, mask);
  // The gradient of a tie goes to the first operand: the 0, so that r is 1 for q > p only.
  const missed = maximum(0, sub(softmax(target), softmax(draft)));
  return meanOverRows(sumKeeping(missed, [1]), mask);
}
