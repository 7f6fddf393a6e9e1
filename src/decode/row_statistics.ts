/**
 * What a device sums up of logits, so that a host finds a row's most probable tokens, and draws one,
 * without going through the vocabulary.
 *
 * @module
 */
import { div, exp, mul, sub } from "../core/elementwise_ops.ts";
import { maxKeeping, sum } from "../core/linear_ops.ts";
import { reshape } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { decay } from "./decay.ts";
import type { Logits, TokenId } from "./language_model.ts";
import type { TopTokens } from "./top_tokens.ts";
import type { Nucleus } from "./warp.ts";

/** Tokens of a block. */
const BLOCK = 64;

/** Whether rows of so many logits come in whole blocks, and enough of them to be worth it. */
export function hasStatistics(vocabulary: number): boolean {
  return vocabulary % BLOCK === 0 && vocabulary >= 16 * BLOCK;
}

/** The statistics of some rows. */
export interface LogitStatistics<Leaf> {
  /** f32 `[rows, vocabulary / 64]`: the largest logit of each block. */
  readonly maxima: Leaf;
  /** f32 `[rows]`: the sum of `exp((logit - largest) / temperature)`. */
  readonly sums: Leaf;
  /** f32 `[rows]`: the same at temperature 1. */
  readonly plainSums: Leaf;
}

/** The largest logit of each block, f32 `[rows, vocabulary / 64]`; NaN where one is not a number. */
export function blockMaxima(logits: Tensor): Tensor {
  const [rows, vocabulary] = logits.shape;
  const blocks = reshape(logits, [rows, vocabulary / BLOCK, BLOCK]);
  return reshape(maxKeeping(blocks, [2]), [rows, vocabulary / BLOCK]);
}

/**
 * The token with the largest logit, the lowest id among equals, from a row and its block maxima;
 * undefined where the row has logits that no distribution can be made of.
 */
export function likeliestToken(logits: Logits, maxima: Float32Array): TokenId | undefined {
  let [best, block] = [-Infinity, -1];
  for (let i = 0; i < maxima.length; i++) {
    if (maxima[i] <= best) continue;
    if (!(maxima[i] < Infinity)) return undefined;
    [best, block] = [maxima[i], i];
  }
  if (block < 0) return undefined;
  const first = block * BLOCK;
  return first + logits.subarray(first, first + BLOCK).indexOf(best);
}

/** What `Pass.weights` are: f32 `[rows, vocabulary]`, at a temperature, f32 `[1, 1]`. */
export function weightsAt(logits: Tensor, temperature: Tensor): Tensor {
  return exp(div(sub(logits, maxKeeping(logits, [1])), temperature));
}

/** Sums up logits, f32 `[rows, vocabulary]`, at the temperature of each row, f32 `[rows, 1]`. */
export function logitStatistics(logits: Tensor, temperature: Tensor): LogitStatistics<Tensor> {
  const maxima = blockMaxima(logits);
  const below = sub(logits, maxKeeping(maxima, [1]));
  return {
    maxima,
    sums: sum(exp(mul(below, div(1, temperature))), [1]),
    plainSums: sum(exp(below), [1]),
  };
}

/** One row on the host. */
export interface RowStatistics {
  /** `[vocabulary]` */
  readonly logits: Logits;
  /** `[vocabulary / 64]` */
  readonly maxima: Float32Array;
  /** See {@link LogitStatistics.sums}. */
  readonly sum: number;
  /** See {@link LogitStatistics.plainSums}. */
  readonly plainSum: number;
}

/** Whether all logits of a row are numbers that a distribution can be made of. */
export function isSound({ sum, plainSum }: RowStatistics): boolean {
  return sum >= 1 && sum < Infinity && plainSum >= 1 && plainSum < Infinity;
}

/**
 * At least the `count` tokens with the largest logits, in falling order, ties by the lower id: the
 * `count` blocks with the largest maxima hold them.
 */
function headOf({ logits, maxima }: RowStatistics, count: number): TokenId[] {
  const threshold = count >= maxima.length
    ? -Infinity
    : Float32Array.from(maxima).sort()[maxima.length - count];
  const head: TokenId[] = [];
  for (let block = 0; block < maxima.length; block++) {
    if (maxima[block] < threshold) continue;
    for (let token = block * BLOCK; token < (block + 1) * BLOCK; token++) {
      if (logits[token] >= threshold) head.push(token);
    }
  }
  return head.sort((a, b) => logits[b] - logits[a] || a - b);
}

/** The `count` most probable tokens at temperature 1. */
export function topOfRow(row: RowStatistics, count: number): TopTokens {
  const head = headOf(row, count).slice(0, count);
  const base = row.logits[head[0]] + Math.log(row.plainSum);
  return {
    tokens: Int32Array.from(head),
    logProbs: Float32Array.from(head, (token) => row.logits[token] - base),
  };
}

/** A nucleus of more tokens than this is drawn from by way of the whole row. */
const MOST_HEAD = 512;

/**
 * The token of a nucleus that a coin in [0, 1) draws, or `undefined` where the nucleus is so large
 * that the whole row has to be gone through.
 */
export function drawFromNucleus(
  row: RowStatistics,
  { temperature, mass }: Nucleus,
  coin: number,
): TokenId | undefined {
  const scaled = (token: TokenId): number => Math.fround(row.logits[token] / temperature);
  for (let count = 32; count <= MOST_HEAD; count *= 4) {
    const head = headOf(row, Math.min(count, row.maxima.length));
    const largest = scaled(head[0]);
    const weights = head.map((token) => decay(largest - scaled(token)));
    let [reached, kept] = [0, 0];
    while (kept < head.length && reached < mass * row.sum) reached += weights[kept++];
    if (reached < mass * row.sum) continue;
    return pick(head, weights, kept, coin * reached);
  }
}

/** The token, by rising ids of the first `kept`, at which the sum of weights goes beyond `goal`. */
function pick(
  head: readonly TokenId[],
  weights: readonly number[],
  kept: number,
  goal: number,
): TokenId {
  const places = Array.from({ length: kept }, (_, i) => i).sort((a, b) => head[a] - head[b]);
  let sum = 0;
  for (const place of places) {
    sum += weights[place];
    if (goal < sum) return head[place];
  }
  return head[places[kept - 1]];
}
