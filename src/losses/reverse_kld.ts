/**
 * Reverse Kullback-Leibler divergence: `KL(p || q) = sum_v p_v (log p_v - log q_v)`, p the draft,
 * q the target (D_RKL in DistillSpec, arXiv 2310.08461).
 *
 * @module
 */
import { exp, mul, sub } from "../core/elementwise_ops.ts";
import { sumKeeping } from "../core/linear_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { countedPair, logProbabilities, meanOverRows } from "./rows.ts";

/**
 * The mean of `KL(p || q)`, draft against target: it keeps the draft off what the target would not
 * say. Where truncation gives the target a probability of 0 it is very large, but finite.
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
 * import { reverseKld } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const [[divergence]] = evaluateGraph([reverseKld(draft, target, mask)], new Map());
 * assertAlmostEquals(divergence, 0.5 * Math.log(2 / 3) + 0.5 * Math.log(2), 1e-6);
 * ```
 */
export function reverseKld(draftLogits: Tensor, targetLogits: Tensor, mask: Tensor): Tensor {
  const { draft, target } = countedPair("reverseKld", draftLogits, targetLogits, mask);
  const logP = logProbabilities(draft);
  const gap = sub(logP, logProbabilities(target));
  return meanOverRows(sumKeeping(mul(exp(logP), gap), [1]), mask);
}
