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
 * import { input } from "@outrider/outrider/core";
 * import { kld } from "@outrider/outrider/losses";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(kld(input([8, 100]), input([8, 100]), input([8])).shape, []);
 * ```
 */
export function kld(draftLogits: Tensor, targetLogits: Tensor, mask: Tensor): Tensor {
  const { draft, target } = countedPair("kld", draftLogits, targetLogits, mask);
  const logQ = logProbabilities(target);
  const gap = sub(logQ, logProbabilities(draft));
  return meanOverRows(sumKeeping(mul(exp(logQ), gap), [1]), mask);
}
