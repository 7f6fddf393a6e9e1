/**
 * Rows cut down to their most probable tokens on a device, without sorting: thresholds are found by
 * halving.
 *
 * Rows here are `below`, f32 `[rows, vocabulary]`: logits at a temperature less the row's largest, so
 * 0 for the likeliest token; what is dropped is put so far below that its weight is 0.
 *
 * @module
 */
import { add, and, cast, div, equal, exp, floor, full, less } from "../../core/elementwise_ops.ts";
import { maximum, minimum, mul, neg, or, sub, where } from "../../core/elementwise_ops.ts";
import { maxKeeping } from "../../core/linear_ops.ts";
import { iota, reshape } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import { drawTokens, inBlocks, totals } from "./draw.ts";
import type { SamplingNumbers } from "./sampling.ts";

/** Less likely than any token that a float can tell from impossible. */
export const NOWHERE = -1e30;
/** Tokens so far below the likeliest have weight 0 in f32. */
const WEIGHTLESS = 128;
/** Thresholds that are tried at once, which makes intervals so many and one more times narrower. */
const TRIALS = 3;
/** The width of an interval, in nats, at which the search ends. */
const NARROW = 2 ** -17;
/** Different values inside an interval of that width that are told apart. */
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

/** What tokens count for, by their place below the likeliest. */
type Measure = (below: Tensor) => Tensor | number;

/** The summed measure of the tokens at thresholds and above, f32 `[rows, thresholds]`. */
function sumFrom(below: Tensor, measure: Measure, thresholds: Tensor): Tensor {
  const [rows, width] = below.shape;
  const trials = thresholds.shape[1];
  const isCounted = notLess(
    reshape(below, [rows, 1, width]),
    reshape(thresholds, [rows, trials, 1]),
  );
  const measured = measure(below);
  const each = typeof measured === "number" ? measured : reshape(measured, [rows, 1, width]);
  const counted = where(isCounted, each, 0);
  return reshape(totals(reshape(counted, [rows * trials, width])), [rows, trials]);
}

/**
 * The tokens that stay, bool `[rows, vocabulary]`, if tokens go from the most probable on, the lower
 * id first among equals, until their summed measure reaches `goal`, f32 `[rows or 1, 1]`.
 *
 * Three different values within 7e-6 nats of the cut are told apart; where there are more, some of
 * them may stay that need not. All stay where all do not reach the goal.
 */
function mostProbable(below: Tensor, measure: Measure, goal: Tensor): Tensor {
  const [rows] = below.shape;
  const reaches = (thresholds: Tensor): Tensor =>
    notLess(sumFrom(below, measure, thresholds), goal);
  // The goal is reached from `low` on, if at all, and not from `low + width` on.
  let low = full([rows, 1], -WEIGHTLESS);
  let width = WEIGHTLESS;
  while (width > NARROW) {
    width /= TRIALS + 1;
    const steps = mul(add(cast(iota([1, TRIALS], 1), "f32"), 1), width);
    const thresholds = add(low, steps);
    low = maxKeeping(where(reaches(thresholds), thresholds, low), [1]);
  }
  let high = add(low, 1.5 * width);
  for (let i = 0; i < NEIGHBOURS; i++) {
    const next = largest(where(less(below, high), below, NOWHERE));
    const isEnough = reaches(next);
    low = where(isEnough, next, low);
    high = where(isEnough, high, next);
  }
  const isAbove = less(low, below);
  const isTie = equal(below, low);
  const missing = sub(goal, totals(where(isAbove, measure(below), 0)));
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
