/**
 * Rows cut down to their most probable tokens on a device, without sorting: thresholds are found by
 * halving.
 *
 * Rows here are `below`, f32 `[rows, vocabulary]`: logits at a temperature less the row's largest, so
 * 0 for the likeliest token; what is dropped is put so far below that its weight is 0.
 *
 * @module
 */
import { add, and, cast, div, equal, exp, floor, less } from "../../core/elementwise_ops.ts";
import { maximum, minimum, mul, neg, or, sub, where } from "../../core/elementwise_ops.ts";
import { maxKeeping } from "../../core/linear_ops.ts";
import { iota, reshape } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import { drawTokens, inBlocks, totals } from "./draw.ts";
import type { SamplingNumbers } from "./sampling.ts";

/** Less likely than any token that a float can tell from impossible. */
export const NOWHERE = -1e30;
/** A token so far below the likeliest has weight 0 in f32. */
const WEIGHTLESS = 104;
/** Halvings, after which a threshold is known to within 7e-6 nats. */
const HALVINGS = 24;
/** Different values inside that width that are told apart. */
const NEIGHBOURS = 3;

/** The largest element of each row, f32 `[rows, 1]`. */
export function largest(x: Tensor): Tensor {
  const [rows, width] = x.shape;
  const blocks = inBlocks(x);
  // Blocks share a row's work; in one that is filled up with zeros these would count as elements.
  if (blocks.shape[1] * blocks.shape[2] !== width) return maxKeeping(x, [1]);
  return reshape(maxKeeping(maxKeeping(blocks, [2]), [1]), [rows, 1]);
}

/** What a sampling leaves of rows; the rest is {@link NOWHERE}. */
export function truncated(below: Tensor, { topK, topP, minP }: SamplingNumbers<Tensor>): Tensor {
  let rows = below;
  const drop = (isKept: Tensor): void => {
    rows = where(isKept, rows, NOWHERE);
  };
  if (topK) drop(mostProbable(rows, () => 1, topK));
  if (topP) drop(mostProbable(rows, exp, mul(topP, totals(exp(rows)))));
  if (minP) drop(notLess(rows, minP));
  return rows;
}

function notLess(x: Tensor, bound: Tensor): Tensor {
  return or(less(bound, x), equal(x, bound));
}

/**
 * The tokens that stay, bool `[rows, vocabulary]`, if tokens go from the most probable on, the lower
 * id first among equals, until their summed measure reaches `goal`, f32 `[rows or 1, 1]`.
 *
 * Three different values within 7e-6 nats of the cut are told apart; where there are more, some of
 * them may stay that need not. All stay where all do not reach the goal.
 */
function mostProbable(
  below: Tensor,
  measure: (below: Tensor) => Tensor | number,
  goal: Tensor,
): Tensor {
  const sumWhere = (isCounted: Tensor): Tensor => totals(where(isCounted, measure(below), 0));
  const reaches = (bound: Tensor): Tensor => notLess(sumWhere(notLess(below, bound)), goal);
  const most = largest(below);
  // From `low` on the goal is reached, if at all; from `high` on it is not.
  let low = sub(most, WEIGHTLESS);
  let high = add(most, 1);
  for (let i = 0; i < HALVINGS; i++) {
    const middle = mul(add(low, high), 0.5);
    const isEnough = reaches(middle);
    low = where(isEnough, middle, low);
    high = where(isEnough, high, middle);
  }
  for (let i = 0; i < NEIGHBOURS; i++) {
    const next = largest(where(less(below, high), below, NOWHERE));
    const isEnough = reaches(next);
    low = where(isEnough, next, low);
    high = where(isEnough, high, next);
  }
  const isAbove = less(low, below);
  const isTie = equal(below, low);
  const missing = sub(goal, sumWhere(isAbove));
  const last = lastTie(isTie, div(missing, measure(low)));
  return or(isAbove, and(isTie, less(iota(below.shape, 1), add(last, 1))));
}

/** The id, i32 `[rows, 1]`, of the tie with which `wanted` ties, f32 `[rows, 1]`, are complete. */
function lastTie(isTie: Tensor, wanted: Tensor): Tensor {
  const ties = cast(isTie, "f32");
  const count = totals(ties);
  const rank = minimum(count, maximum(1, neg(floor(neg(wanted)))));
  const share = reshape(div(sub(rank, 0.5), count), [ties.shape[0]]);
  return reshape(drawTokens(ties, { high: share, low: mul(share, 0) }), [ties.shape[0], 1]);
}
