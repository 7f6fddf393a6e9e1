/**
 * What all losses share: which rows count, probabilities of rows, and the mean over rows.
 *
 * @module
 */
import { div, exp, full, less, log, maximum, mul, stopGradient } from "../core/elementwise_ops.ts";
import { sub, where } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import { maxKeeping, sum, sumKeeping } from "../core/linear_ops.ts";
import { reshape } from "../core/movement_ops.ts";
import { sameShape, shapeText } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";

/**
 * A loss that draws a draft model's next-token distribution towards the target's.
 *
 * @param draftLogits f32 `[rows, vocab]`, what is trained
 * @param targetLogits f32 `[rows, vocab]`, the teacher's; no gradient flows into it
 * @param mask f32 `[rows]`, 1 where a row counts (a response token) and 0 where it does not
 * @returns the mean over the rows that count, a scalar; 0 where none counts
 */
export type DistillationLoss = (
  draftLogits: Tensor,
  targetLogits: Tensor,
  mask: Tensor,
) => Tensor;

/**
 * A loss that judges each row by this row alone and gives the mean over rows, so that rows can be
 * scored in chunks. Not so where a row's weight follows from the others, as in TVD++ with one sigma
 * for the batch, in the LK hybrid, or in losses of drafts of several rows.
 */
export interface RowwiseLoss {
  /** The loss. */
  readonly rowwise: DistillationLoss;
}

/**
 * Logits below this are raised to it, so that a token which truncation has removed (-Infinity) has
 * probability 0 and a finite logarithm.
 */
const LOWEST_LOGIT = -1e30;

/** Checks the shapes of logits `[rows, vocab]` and of a mask `[rows]`. */
export function checkRows(name: string, logits: readonly Tensor[], mask: Tensor): void {
  const [first] = logits;
  const fits = first.shape.length === 2 && sameShape(mask.shape, [first.shape[0]]) &&
    logits.every((t) => sameShape(t.shape, first.shape));
  if (fits) return;
  throw new OutriderError(
    `${name} of logits [rows, vocab] and a mask [rows]`,
    [...logits, mask].map((t) => shapeText(t.shape)).join(", "),
    "flatten batch and positions into rows, and give both models one vocabulary",
  );
}

/**
 * Logits `[rows, vocab]` with zeros in the rows that do not count, so that nothing in them, be it
 * not a number, reaches the value or the gradient.
 */
export function countedLogits(logits: Tensor, mask: Tensor): Tensor {
  const counts = reshape(less(0, mask), [mask.shape[0], 1]);
  return maximum(where(counts, logits, 0), LOWEST_LOGIT);
}

/** Draft and teacher logits `[rows, vocab]`, checked and cleaned; the teacher is a constant. */
export interface CountedPair {
  /** The draft's logits. */
  readonly draft: Tensor;
  /** The teacher's logits, gradient stopped. */
  readonly target: Tensor;
}

/** The checked and cleaned operands of a {@link DistillationLoss}. */
export function countedPair(
  name: string,
  draftLogits: Tensor,
  targetLogits: Tensor,
  mask: Tensor,
): CountedPair {
  checkRows(name, [draftLogits, targetLogits], mask);
  return {
    draft: countedLogits(draftLogits, mask),
    target: stopGradient(countedLogits(targetLogits, mask)),
  };
}

/**
 * log softmax over the vocabulary. The largest logit is taken off first, not put back after, so
 * logits of any size lose no accuracy.
 */
export function logProbabilities(logits: Tensor): Tensor {
  const shifted = sub(logits, stopGradient(maxKeeping(logits, [-1])));
  return sub(shifted, log(sumKeeping(exp(shifted), [-1])));
}

/** The number of rows that count, at least 1, so that it can divide. */
export function countOf(mask: Tensor): Tensor {
  const total = sum(mask);
  return where(less(0, total), total, full([], 1));
}

/** The mean of one value per row, `[rows]` or `[rows, 1]`, over the rows that count; else 0. */
export function meanOverRows(values: Tensor, mask: Tensor): Tensor {
  return div(sum(mul(reshape(values, mask.shape), mask)), countOf(mask));
}
