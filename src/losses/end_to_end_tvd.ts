/**
 * End-to-end total variation: what is lost of a whole draft, not of one token,
 * `1 - (1 / gamma) sum_{j<=gamma} prod_{i<=j} alpha_i`, alpha_i the acceptance rate of draft step i
 * (Bebop, arXiv 2606.12370).
 *
 * A step counts only if all steps before it stand: a row weighs more the better the rows before it
 * are drafted, and one hopeless row takes the weight off those behind it.
 *
 * @module
 */
import { div, sub } from "../core/elementwise_ops.ts";
import { sum } from "../core/linear_ops.ts";
import { acceptanceOfRows } from "./acceptance.ts";
import { countedPair, countOf, type DistillationLoss } from "./rows.ts";
import { checkWindow, WINDOW_ROWS, windowLengths, windowSums } from "./windows.ts";

/**
 * One minus the share of drafted tokens that stand, if a draft of gamma tokens began at every row
 * that counts; with gamma 1 it is {@link tvd}.
 *
 * A draft ends with its run of counted rows. All tokens that are drafted weigh alike, so a shorter
 * draft counts for less than a full one, and a perfect draft has a loss of 0 whatever the runs are.
 *
 * @param gamma how many tokens are drafted at a time, from 1
 * @returns a loss between 0 and 1 whose rows see their neighbours: the rows given must be those of
 *   texts in order, and all at once
 * @throws {OutriderError} where gamma is no whole number from 1
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { endToEndTvd } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0, 0, 0), [2, 2]); // p = 1/2, 1/2 in both rows
 * const three = Math.log(3);
 * const target = constant(Float32Array.of(three, 0, 0, three), [2, 2]); // alpha = 3/4 in both
 * const mask = constant(Float32Array.of(1, 1));
 * const [[loss]] = evaluateGraph([endToEndTvd(2)(draft, target, mask)], new Map());
 * // Two tokens drafted from the first row, one from the second.
 * assertAlmostEquals(loss, 1 - (3 / 4 + 9 / 16 + 3 / 4) / 3, 1e-6);
 * ```
 */
export function endToEndTvd(gamma: number = WINDOW_ROWS): DistillationLoss {
  checkWindow("endToEndTvd", gamma);
  return (draftLogits, targetLogits, mask) => {
    const pair = countedPair("endToEndTvd", draftLogits, targetLogits, mask);
    const drafted = windowLengths(mask, gamma);
    const stands = windowSums(acceptanceOfRows(pair), mask, gamma);
    return div(sum(sub(drafted, stands)), countOf(drafted));
  };
}
