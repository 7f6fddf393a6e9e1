/**
 * Windows: the rows that a draft of gamma tokens would cover, had it begun at a row.
 *
 * **Every row that counts begins a window**, since a draft may begin anywhere. So no row owes its
 * weight to where blocks happen to be laid, and a batch is worth what random blocks are worth on
 * average. A window ends before the first row that does not count, and at the end of the batch: there
 * it is shorter, as a draft is at the end of a text, and what is missing is no term of any sum.
 *
 * In packed batches a row that does not count stands between documents wherever the prompt has two
 * tokens or more. Where none does (a document cut in two, a prompt of one token), a few windows lead
 * from one document into the next.
 *
 * @module
 */
import { add, full, less, mul, where } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import { pad, reshape, sliceAxis } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";

/** Rows of a window by default: the draft length that the recipe is judged at first. */
export const WINDOW_ROWS = 3;

/** Checks the number of rows of a window. */
export function checkWindow(name: string, gamma: number): void {
  if (Number.isInteger(gamma) && gamma >= 1) return;
  throw new OutriderError(
    `${name} over windows of 1 row or more`,
    `${gamma}`,
    "give the number of tokens that the draft proposes at a time",
  );
}

/** `[rows]` whose element t is x[t + by], 0 where x has no such element. */
function moved(x: Tensor, by: number): Tensor {
  const [rows] = x.shape;
  const distance = Math.abs(by);
  return by < 0
    ? pad(sliceAxis(x, 0, 0, rows - distance), [distance], [0])
    : pad(sliceAxis(x, 0, distance, rows - distance), [0], [distance]);
}

/** The sum of tensors of one shape. */
function total(parts: readonly Tensor[]): Tensor {
  return parts.reduce((sum, part) => add(sum, part));
}

/**
 * For each step j of a window, f32 `[rows]`: the products of the factors of steps 1 to j of the
 * window that begins at a row, times the weight of that row; 0 where the window is shorter.
 */
function windowProducts(factors: Tensor, mask: Tensor, gamma: number): readonly Tensor[] {
  const [rows] = mask.shape;
  const counted = where(less(0, mask), reshape(factors, [rows]), 0);
  const products = [mul(mask, counted)];
  for (let step = 1; step < Math.min(gamma, rows); step++) {
    products.push(mul(products[step - 1], moved(counted, step)));
  }
  return products;
}

/**
 * f32 `[rows]`: for the window that begins at a row, `sum_j prod_{i<=j} s_i`, times the row's weight.
 * Of acceptance rates it is the expected number of tokens that stand; of ones it is the number of
 * tokens drafted.
 *
 * @param factors f32 `[rows]` or `[rows, 1]`
 * @param mask f32 `[rows]`, above 0 where a row counts
 */
export function windowSums(factors: Tensor, mask: Tensor, gamma: number): Tensor {
  return total(windowProducts(factors, mask, gamma));
}

/** f32 `[rows]`: the number of rows of the window that begins at a row, times the row's weight. */
export function windowLengths(mask: Tensor, gamma: number): Tensor {
  return windowSums(full(mask.shape, 1), mask, gamma);
}

/**
 * f32 `[rows]`: what a row weighs as step k of the windows that hold it, `sum_{j>=k} prod_{i<=j} s_i`
 * each, added up over these windows. It is the derivative of the sum of {@link windowSums} with
 * respect to `log s` of the row.
 */
export function windowWeights(factors: Tensor, mask: Tensor, gamma: number): Tensor {
  const products = windowProducts(factors, mask, gamma);
  return total(products.map((_, step) => moved(total(products.slice(step)), -step)));
}
