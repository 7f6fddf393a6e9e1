/**
 * Sampling by inverse CDF as a graph: a coin and a row of weights give a token.
 *
 * The cumulative distribution of a row is looked at twice, over blocks of tokens and inside the block
 * that the coin falls into, so that nothing runs through the vocabulary one by one.
 *
 * @module
 */
import { add, cast, div, less, maximum, mul, sub, where } from "../../core/elementwise_ops.ts";
import { argmax, gather, matmul, sum } from "../../core/linear_ops.ts";
import { constant, iota, pad, reshape, sliceAxis } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";

/** Tokens of a block. */
const BLOCK = 64;

/**
 * Coins in [0, 1), f32 `[rows]` each: the largest f32 not above the coin, and what is left over. The
 * second part is what tells the tokens of an improbable block apart.
 */
export interface CoinParts<Leaf> {
  /** The coin, rounded down. */
  readonly high: Leaf;
  /** The coin less `high`. */
  readonly low: Leaf;
}

/** The last axis with zeros up to a multiple of the block, as f32 `[rows, blocks, 64]`. */
export function inBlocks(x: Tensor): Tensor {
  const [rows, width] = x.shape;
  const blocks = Math.max(1, Math.ceil(width / BLOCK));
  return reshape(pad(x, [0, 0], [0, blocks * BLOCK - width]), [rows, blocks, BLOCK]);
}

/** The sum of each row, f32 `[rows, 1]`, of weights f32 `[rows, width]`. */
export function totals(weights: Tensor): Tensor {
  return reshape(sum(sum(inBlocks(weights), [2]), [1]), [weights.shape[0], 1]);
}

/** Sums of the first 1, 2, ... elements of a row, f32 `[rows, width]`. */
export function runningSums(x: Tensor): Tensor {
  const [rows, width] = x.shape;
  if (width <= BLOCK) return matmul(x, upTo(width));
  const blocks = inBlocks(x);
  const count = blocks.shape[1];
  const inside = reshape(
    matmul(reshape(blocks, [rows * count, BLOCK]), upTo(BLOCK)),
    [rows, count, BLOCK],
  );
  const whole = runningSums(reshape(sliceAxis(inside, 2, BLOCK - 1, 1), [rows, count]));
  const before = reshape(shifted(whole), [rows, count, 1]);
  return sliceAxis(reshape(add(inside, before), [rows, count * BLOCK]), 1, 0, width);
}

/** The matrix `[width, width]` that sums up to and with each column. */
function upTo(width: number): Tensor {
  const ones = Float32Array.from(
    { length: width * width },
    (_, i) => Math.floor(i / width) <= i % width ? 1 : 0,
  );
  return constant(ones, [width, width]);
}

/** A zero, and all elements of a row but the last. */
function shifted(x: Tensor): Tensor {
  return sliceAxis(pad(x, [0, 1], [0, 0]), 1, 0, x.shape[1]);
}

/** Element `at`, i32 `[rows]`, of each row: `[rows]`. */
export function elementAt(x: Tensor, at: Tensor): Tensor {
  const [rows, width] = x.shape;
  const places = add(mul(iota([rows], 0), width), at);
  return reshape(gather(reshape(x, [rows * width, 1]), places), [rows]);
}

/**
 * The token of each row, i32 `[rows]`, that a coin draws from weights, f32 `[rows, vocabulary]`, which
 * need not sum to 1. A token of weight 0 is never drawn from a row that has others.
 *
 * Cumulative sums are f32: the probability of a token is its share to within about 2^-23 of 1, and
 * inside its block to within 2^-23 of the block's mass.
 *
 * @example
 * ```ts
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { constant } from "@outrider/outrider/core";
 * import { drawTokens } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const weights = constant(Float32Array.of(1, 0, 3, 1, 0, 3), [2, 3]);
 * const coin = { high: constant(Float32Array.of(0.2, 0.3)), low: constant(new Float32Array(2)) };
 * assertEquals(evaluateGraph([drawTokens(weights, coin)], new Map()), [Int32Array.of(0, 2)]);
 * ```
 */
export function drawTokens(weights: Tensor, coin: CoinParts<Tensor>): Tensor {
  const [rows] = weights.shape;
  const blocks = inBlocks(weights);
  const count = blocks.shape[1];
  const column = (x: Tensor): Tensor => reshape(x, [rows, 1]);
  const masses = sum(blocks, [2]);
  const shares = cumulativeShares(masses);
  const block = firstAbove(masses, sub(shares, column(coin.high)), column(coin.low));
  const [start, end] = [elementAt(shifted(shares), block), elementAt(shares, block)];
  // What the coin is inside the block, again a number in [0, 1).
  const inside = div(add(sub(coin.high, start), coin.low), sub(end, start));
  const table = reshape(blocks, [rows * count, BLOCK]);
  const members = gather(table, add(mul(iota([rows], 0), count), block));
  const above = sub(cumulativeShares(members), column(maximum(inside, 0)));
  return add(mul(block, BLOCK), firstAbove(members, above, 0));
}

/** Running sums of a row over its whole sum, so that the last is 1: f32 `[rows, width]`. */
function cumulativeShares(weights: Tensor): Tensor {
  const sums = runningSums(weights);
  return div(sums, sliceAxis(sums, 1, weights.shape[1] - 1, 1));
}

/**
 * The first place of a row with a weight above 0 where `excess` is above `least`, or the last with a
 * weight above 0 where there is none: i32 `[rows]`.
 */
function firstAbove(weights: Tensor, excess: Tensor, least: Tensor | number): Tensor {
  const [rows, width] = weights.shape;
  const place = cast(iota([rows, width], 1), "f32");
  const isPossible = less(0, weights);
  const score = where(less(least, excess), sub(2 * width, place), place);
  return argmax(where(isPossible, score, -1));
}
