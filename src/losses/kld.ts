/**
 * Forward Kullback-Leibler divergence: `KL(q || p) = sum_v q_v (log q_v - log p_v)`, q the target,
 * p the draft (Goel et al. 2024, arXiv 2403.00858; D_FKL in DistillSpec, arXiv 2310.08461).
 *
 * @module
 */
import { exp, mul, sub } from "../core/elementwise_ops.ts";
import { sumKeeping } from "../core/linear_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { countedPair, logProbabilities, meanOverRows } from "./rows.ts";

/**
 * The mean of `KL(q || p)`, target against draft; its gradient on the logits is `p - q`.
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
 * import { kld } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const [[divergence]] = evaluateGraph([kld(draft, target, mask)], new Map());
 * assertAlmostEquals(divergence, 0.75 * Math.log(1.5) + 0.25 * Math.log(0.5), 1e-6);
 * ```
 */
export function kld(draftLogits: Tensor, targetLogits: Tensor, mask: Tensor): Tensor {
  const { draft, target } = countedPair("kld", draftLogits, targetLogits, mask);
  const logQ = logProbabilities(target);
  const gap = sub(logQ, logProbabilities(draft));
  return meanOverRows(sumKeeping(mul(exp(logQ), gap), [1]), mask);
}
