/**
 * How many of a block stand, and elements at a place that only the device knows.
 *
 * @module
 */
import { and, full, less, where } from "../../core/elementwise_ops.ts";
import { argmax, gather } from "../../core/linear_ops.ts";
import { concat, iota, reshape } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";

/** How many of the first `limit`, i32 `[1]`, of some conditions hold before one does not: `[1]`. */
export function leading(conditions: Tensor, limit: Tensor): Tensor {
  const [count] = conditions.shape;
  const stands = and(conditions, less(iota([count], 0), limit));
  const ends = concat([where(stands, full([count], 0), 1), full([1], 1)], 0);
  return reshape(argmax(ends), [1]);
}

/** The elements of `[n]` at places, i32 `[count]`; 0 outside. */
export function pick(x: Tensor, places: Tensor): Tensor {
  return reshape(gather(reshape(x, [x.shape[0], 1]), places), places.shape);
}
