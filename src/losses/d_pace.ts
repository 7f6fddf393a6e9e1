/**
 * D-PACE: cross-entropy with weights that follow how far a draft gets. Step k of a draft weighs
 * `w_k = sum_{j>=k} prod_{i<=j} s_i`, with `s = (1 - a) e^-CE + a`, a = 1/2, all constant to the
 * gradient (arXiv 2605.18810).
 *
 * The original has one label per row. Here the cross-entropy is that of the target's whole
 * distribution, `CE = -sum_v q_v log p_v`: the label's in expectation, with less noise. It is
 * KL(q || p) and the entropy of q, which is no matter to the gradient but part of s: rows on which
 * the target itself is undecided count as hard to draft.
 *
 * @module
 */
import { add, exp, mul, neg, stopGradient } from "../core/elementwise_ops.ts";
import { softmax, sumKeeping } from "../core/linear_ops.ts";
import { countedPair, type DistillationLoss, logProbabilities, meanOverRows } from "./rows.ts";
import { checkWindow, WINDOW_ROWS, windowWeights } from "./windows.ts";

/** The share of a step's weight that reaches the next whatever the step is worth, by default. */
const SMOOTHING = 0.5;

/**
 * The weighted mean of the cross-entropy of target and draft: the rows on which the lengths of
 * drafts depend weigh most.
 *
 * Every row that counts begins a draft, and a row's weights in all drafts that reach it add up, so
 * that it does not matter where drafts begin. The weights are divided by their sum: the loss stays in
 * nats per token beside others, and its least value is the weighted entropy of the target.
 *
 * @param gamma how many tokens are drafted at a time, from 1
 * @param smoothing a, from 0 (a step behind a hopeless one weighs nothing) to 1 (cross-entropy alone)
 * @returns a loss whose rows see their neighbours: the rows given must be those of texts in order,
 *   and all at once
 * @throws {OutriderError} where gamma is no whole number from 1
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { dPace } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const sure = [40, 0]; // the target's distribution: 1, 0
 * const target = constant(Float32Array.from([sure, sure].flat()), [2, 2]);
 * const draft = constant(Float32Array.of(0, 0, Math.log(3), 0), [2, 2]); // p = 1/2, then 3/4
 * const mask = constant(Float32Array.of(1, 1));
 * const [[loss]] = evaluateGraph([dPace(2)(draft, target, mask)], new Map());
 * const [s, t] = [3 / 4, 7 / 8];
 * const [first, second] = [s + s * t, s * t + t]; // the second row also begins a draft
 * const expected = (first * Math.log(2) + second * Math.log(4 / 3)) / (first + second);
 * assertAlmostEquals(loss, expected, 1e-6);
 * ```
 */
export function dPace(
  gamma: number = WINDOW_ROWS,
  smoothing: number = SMOOTHING,
): DistillationLoss {
  checkWindow("dPace", gamma);
  return (draftLogits, targetLogits, mask) => {
    const { draft, target } = countedPair("dPace", draftLogits, targetLogits, mask);
    const crossEntropy = neg(sumKeeping(mul(softmax(target), logProbabilities(draft)), [1]));
    const kept = add(mul(exp(neg(stopGradient(crossEntropy))), 1 - smoothing), smoothing);
    return meanOverRows(crossEntropy, windowWeights(kept, mask, gamma));
  };
}
