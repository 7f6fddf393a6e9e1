/**
 * TVD++: total variation distance as policy gradient with a normalised advantage (Goel et al. 2024,
 * arXiv 2403.00858).
 *
 * `L = -E_{y ~ p}[A(y) log p(y)]` with p in the expectation and the advantage `A = (r - mu) / sigma`
 * both constant, and the reward `r_v = 1{q_v > p_v}` (the target gives v more mass). The
 * expectation is exact: a sum over the vocabulary *weighted by p*. A plain mean over the vocabulary
 * is another direction altogether (it pushes up the tail).
 *
 * In the exact form mu changes no gradient, and a sigma common to all rows is a factor that Adam
 * does not see. A sigma per row, `sqrt(S (1 - S))` with `S = sum_v p_v r_v`, weights the rows by
 * `1 / sigma`. It is kept from falling below a floor, or rows that are nearly settled would lead.
 *
 * @module
 */
import { cast, div, exp, less, maximum, mul, neg, sqrt } from "../core/elementwise_ops.ts";
import { stopGradient, sub } from "../core/elementwise_ops.ts";
import { sumKeeping } from "../core/linear_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { countedPair, logProbabilities, meanOverRows } from "./rows.ts";

/** What sigma does not fall below, by default. */
export const SIGMA_FLOOR = 0.1;

/** The parts of the policy gradient, all but `logP` constant. */
export interface PolicyTerms {
  /** log p `[rows, vocab]`, differentiable. */
  readonly logP: Tensor;
  /** p `[rows, vocab]`. */
  readonly weight: Tensor;
  /** r `[rows, vocab]`, 1 where the target gives a token more mass than the draft. */
  readonly reward: Tensor;
  /** S `[rows, 1]`, the mean of r under p. */
  readonly meanReward: Tensor;
}

/** The parts that the three forms of TVD++ share. */
export function policyTerms(
  name: string,
  draftLogits: Tensor,
  targetLogits: Tensor,
  mask: Tensor,
): PolicyTerms {
  const { draft, target } = countedPair(name, draftLogits, targetLogits, mask);
  const logP = logProbabilities(draft);
  const weight = stopGradient(exp(logP));
  const reward = cast(less(weight, exp(logProbabilities(target))), "f32");
  return { logP, weight, reward, meanReward: sumKeeping(mul(weight, reward), [1]) };
}

/** The standard deviation of a reward of 0 or 1 with the given mean, at least `floor`. */
export function rewardDeviation(mean: Tensor, floor: number): Tensor {
  return sqrt(maximum(mul(mean, sub(1, mean)), floor * floor));
}

/** `-sum_v p_v A_v log p_v`, `[rows, 1]`. */
export function exactPolicyLoss(terms: PolicyTerms, mean: Tensor, deviation: Tensor): Tensor {
  const advantage = div(sub(terms.reward, mean), deviation);
  return neg(sumKeeping(mul(mul(terms.weight, advantage), terms.logP), [1]));
}

/**
 * TVD++ with the exact expectation and a sigma for each row: the default form.
 *
 * Its value is a surrogate whose gradient counts; watch {@link acceptance} instead.
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
 * import { tvdPlusPlus } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const [slope] = evaluateGraph([grad(tvdPlusPlus)(draft, target, mask)], new Map());
 * assertAlmostEquals(slope[0], -0.5, 1e-6); // the target wants more of the first token
 * assertAlmostEquals(slope[1], 0.5, 1e-6);
 * ```
 */
export function tvdPlusPlus(
  draftLogits: Tensor,
  targetLogits: Tensor,
  mask: Tensor,
  sigmaFloor: number = SIGMA_FLOOR,
): Tensor {
  const terms = policyTerms("tvdPlusPlus", draftLogits, targetLogits, mask);
  const deviation = rewardDeviation(terms.meanReward, sigmaFloor);
  return meanOverRows(exactPolicyLoss(terms, terms.meanReward, deviation), mask);
}
