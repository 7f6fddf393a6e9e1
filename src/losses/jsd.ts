/**
 * Jensen-Shannon divergence: `(KL(p || m) + KL(q || m)) / 2` with `m = (p + q) / 2`
 * (D_JSD at beta 1/2 in DistillSpec, arXiv 2310.08461).
 *
 * @module
 */
import { add, exp, log, maximum, mul, sub } from "../core/elementwise_ops.ts";
import { sumKeeping } from "../core/linear_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { countedPair, logProbabilities, meanOverRows } from "./rows.ts";

/** Below it both probabilities vanish, and the logarithm is taken of this instead of 0. */
const SMALLEST_MIXTURE = 1e-36;

/**
 * The mean Jensen-Shannon divergence of draft and target; symmetric, between 0 and log 2.
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
 * import { jsd } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]); // p = 1/2, 1/2
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]); // q = 3/4, 1/4
 * const mask = constant(Float32Array.of(1));
 * const [[divergence]] = evaluateGraph([jsd(draft, target, mask)], new Map());
 * assertAlmostEquals(divergence, 0.0338221, 1e-6);
 * ```
 */
export function jsd(draftLogits: Tensor, targetLogits: Tensor, mask: Tensor): Tensor {
  const pair = countedPair("jsd", draftLogits, targetLogits, mask);
  const [logP, logQ] = [logProbabilities(pair.draft), logProbabilities(pair.target)];
  const [p, q] = [exp(logP), exp(logQ)];
  const logM = log(maximum(mul(add(p, q), 0.5), SMALLEST_MIXTURE));
  const both = add(mul(p, sub(logP, logM)), mul(q, sub(logQ, logM)));
  return meanOverRows(mul(sumKeeping(both, [1]), 0.5), mask);
}
