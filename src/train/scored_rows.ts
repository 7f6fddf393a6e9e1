/**
 * Which rows of a batch are scored: the head and the losses see these alone, and not the rows of
 * prompts or the unused ones.
 *
 * @module
 */
import { gather } from "../core/linear_ops.ts";
import { reshape } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";

/** The rows of a batch that are scored, i32; -1 is a row of zeros that does not count. */
export interface ScoredRows<Leaf> {
  /** `[n]`: the rows that are scored against the target model's distribution, in order. */
  readonly distillation: Leaf;
  /** `[m]`: the rows that are scored on the token that follows; left out where there are none. */
  readonly text?: Leaf;
}

/** Lists have this many lengths at most, as each length is a plan of its own. */
const LENGTHS = 16;

/**
 * The rows that a mask counts, in order, with -1 between rows that are not neighbours, so that
 * losses of several rows in a row end where they ended before. Filled up with -1 to a multiple of a
 * sixteenth of the rows: a run compiles few plans, and which one a batch needs follows from the batch.
 *
 * @param mask `[rows]`, not 0 where a row counts
 * @param first the number of the mask's first row in the batch
 * @returns `[n]`
 *
 * @example
 * ```ts
 * import { rowsThatCount } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const mask = Float32Array.of(0, 0, 1, 1, 0, 0, 1, 0);
 * assertEquals([...rowsThatCount(mask)], [2, 3, -1, 6]);
 * assertEquals([...rowsThatCount(Float32Array.of(1, 1), 8)], [8, 9]);
 * ```
 */
export function rowsThatCount(mask: Float32Array, first = 0): Int32Array {
  const unit = Math.max(1, Math.ceil(mask.length / LENGTHS));
  const rows: number[] = [];
  mask.forEach((weight, row) => {
    if (weight === 0) return;
    if (rows.length > 0 && mask[row - 1] === 0) rows.push(-1);
    rows.push(first + row);
  });
  const length = Math.max(1, Math.ceil(rows.length / unit)) * unit;
  const filled = new Int32Array(length).fill(-1);
  filled.set(rows);
  return filled;
}

/**
 * The named rows `[n, ...]` of an array `[rows, ...]` of a batch, zeros for -1; all rows where none
 * are named.
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { pickRows } from "@outrider/outrider/train";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const mask = constant(Float32Array.of(0, 1, 0.5));
 * const picked = pickRows(constant(Int32Array.of(2, -1)))(mask);
 * assertEquals(evaluateGraph([picked], new Map()), [Float32Array.of(0.5, 0)]);
 * ```
 */
export function pickRows(rows: Tensor | undefined): (whole: Tensor) => Tensor {
  if (rows === undefined) return (whole) => whole;
  return (whole) => {
    const [count, ...rest] = whole.shape;
    const table = reshape(whole, [count, rest.reduce((product, size) => product * size, 1)]);
    return reshape(gather(table, rows), [...rows.shape, ...rest]);
  };
}
