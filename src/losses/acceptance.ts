/**
 * Acceptance rate: `alpha = sum_v min(p_v, q_v) = 1 - TVD`, the chance that one token drafted from
 * p is accepted by a target q (Leviathan et al. 2023, arXiv 2211.17192).
 *
 * @module
 */
import { minimum } from "../core/elementwise_ops.ts";
import { softmax, sumKeeping } from "../core/linear_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { countedPair, meanOverRows } from "./rows.ts";

/**
 * The mean acceptance rate over the rows that count: what every step of finetuning reports.
 *
 * @param draftLogits f32 `[rows, vocab]`
 * @param targetLogits f32 `[rows, vocab]`, the teacher's, taken as a constant
 * @param mask f32 `[rows]`, 1 where a row counts
 * @returns a scalar between 0 and 1; 0 where no row counts
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { acceptance } from "@outrider/outrider/losses";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(acceptance(input([8, 100]), input([8, 100]), input([8])).shape, []);
 * ```
 */
export function acceptance(draftLogits: Tensor, targetLogits: Tensor, mask: Tensor): Tensor {
  const { draft, target } = countedPair("acceptance", draftLogits, targetLogits, mask);
  // A tie belongs to the target, as in tvd, so that the two gradients add up to nothing.
  const shared = minimum(softmax(target), softmax(draft));
  return meanOverRows(sumKeeping(shared, [1]), mask);
}
