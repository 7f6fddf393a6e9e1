/**
 * Cross-entropy of the next token: `-log p(y)` (maximum likelihood).
 *
 * @module
 */
import {
  and,
  cast,
  equal,
  exp,
  less,
  log,
  mul,
  stopGradient,
  sub,
  where,
} from "../core/elementwise_ops.ts";
import { maxKeeping, sumKeeping } from "../core/linear_ops.ts";
import { iota, reshape } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { checkRows, countedLogits, meanOverRows } from "./rows.ts";

/**
 * The mask f32 `[rows]` without the rows whose target, i32 `[rows]`, is no token: the rows that
 * {@link crossEntropy} is a mean over.
 */
export function rowsWithTarget(targets: Tensor, mask: Tensor, vocabulary: number): Tensor {
  const isToken = and(less(-1, targets), less(targets, vocabulary));
  return mul(mask, cast(isToken, "f32"));
}

/**
 * The mean of `-log p(y)` over the rows that count: the loss of pretraining.
 *
 * @param logits f32 `[rows, vocab]`
 * @param targets i32 `[rows]`, the tokens that follow; a row whose target is no token of the
 *   vocabulary (-1, say) does not count
 * @param mask f32 `[rows]`, 1 where a row counts
 * @returns a scalar, in nats per token; 0 where no row counts
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { crossEntropy } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const logits = constant(Float32Array.of(0, 0, 0, 9, 9, 9), [2, 3]);
 * const loss = crossEntropy(logits, constant(Int32Array.of(2, -1)), constant(Float32Array.of(1, 1)));
 * assertAlmostEquals(evaluateGraph([loss], new Map())[0][0], Math.log(3), 1e-6);
 * ```
 */
export function crossEntropy(logits: Tensor, targets: Tensor, mask: Tensor): Tensor {
  checkRows("crossEntropy", [logits], mask);
  const [rows, vocabulary] = logits.shape;
  const counted = rowsWithTarget(targets, mask, vocabulary);
  const cleaned = countedLogits(logits, counted);
  const largest = stopGradient(maxKeeping(cleaned, [-1]));
  // Compared, not gathered: the comparison fuses into the sum, and its gradient needs no scatter.
  const isTarget = equal(iota(logits.shape, 1), reshape(targets, [rows, 1]));
  // -log p(y) = log sum_v e^(x_v - m) - (x_y - m), in numbers per row: no log p is stored.
  const total = log(sumKeeping(exp(sub(cleaned, largest)), [1]));
  const own = sub(sumKeeping(where(isTarget, cleaned, 0), [1]), largest);
  return meanOverRows(sub(total, own), counted);
}
