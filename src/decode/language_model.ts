/**
 * What a decoder needs of a language model: rows of tokens in, rows of logits out, and a cache whose
 * rollback is a smaller length.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";

/** The index of a token in the vocabulary. */
export type TokenId = number;

/**
 * Unnormalised log-probabilities of the next token, `[vocabulary]`, in f32; `-Infinity` marks a
 * token that cannot come. Made by {@link logitsOf}.
 */
export type Logits = Float32Array & { readonly "~kind": "logits" };

/** Probabilities of the next token, `[vocabulary]`, in f64, with sum 1. Made by `softmax`. */
export type Probs = Float64Array & { readonly "~kind": "probs" };

/** What a pass gives. */
export interface Pass<Cache> {
  /** The successor of the cache that went in. */
  readonly cache: Cache;
  /** The logits of the wanted rows, oldest first. */
  readonly logits: readonly Logits[];
  /**
   * The token with the largest logit of each of these rows, the lowest id among equals, where the
   * model knows it; left out as well where a row has logits that are not numbers.
   */
  readonly likeliest?: readonly TokenId[];
  /**
   * `exp((logit - largest) / temperature)` in f32 of each of these rows, `[vocabulary]`, where the model
   * has a device compute it; readable until it is asked at another temperature.
   */
  readonly weights?: (temperature: number) => readonly Float32Array[];
}

/**
 * A causal language model behind a use-once cache.
 *
 * A step is a list of rows, each with a token, a position and a parent. Here every row's parent is
 * the row before it (a chain), so the list is written as the tokens alone and positions follow from
 * the cache's length; a `TreeLanguageModel` takes rows with parents as well.
 *
 * A row's logits must not depend, to the bit, on how many rows run together: that is what makes
 * speculative text equal plain text exactly.
 *
 * `Cache` is the handle's type. `forward` and `truncate` take the handle that they are given and
 * return its successor; a dead handle makes them throw.
 *
 * @example
 * ```ts
 * import { functionModel, type LanguageModel } from "@outrider/outrider/decode";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const twice = async <Cache>(model: LanguageModel<Cache>): Promise<number> => {
 *   const first = await model.forward(model.open(), [0, 1], 0);
 *   const second = await model.forward(model.truncate(first.cache, 1), [1], 1);
 *   await assertRejects(() => model.forward(first.cache, [1], 1));
 *   model.close(second.cache);
 *   return second.logits[0][1];
 * };
 * const logits = (prefix: readonly number[]) => [0, prefix.length];
 * assertEquals(await twice(functionModel({ vocabulary: 2, contextLength: 4, logits })), 2);
 * ```
 */
export interface LanguageModel<Cache> {
  /** How many tokens there are; the length of every logits row. */
  readonly vocabulary: number;
  /** How many rows a cache can hold. */
  readonly contextLength: number;
  /** A new, empty cache. */
  open(): Cache;
  /** How many rows a live cache holds. */
  lengthOf(cache: Cache): number;
  /**
   * Appends `tokens` (at least one) as rows and gives the logits of the last `wanted` of them
   * (0 to `tokens.length`), oldest first. The rows stay readable until the next `forward` or `close`.
   * When it rejects, either the given handle is still alive or all that it held has been released.
   */
  forward(
    cache: Cache,
    tokens: readonly TokenId[],
    wanted: number,
  ): Promise<Pass<Cache>>;
  /** Keeps the first `length` rows: nothing is copied. */
  truncate(cache: Cache, length: number): Cache;
  /** Releases the cache; a dead handle is let through silently, so that cleaning up is simple. */
  close(cache: Cache): void;
}

/**
 * Whether `row` can be a logits row at all: it is not empty.
 *
 * @example
 * ```ts
 * import { isLogits } from "@outrider/outrider/decode";
 * import { assert } from "@std/assert";
 *
 * assert(isLogits(new Float32Array(2)) && !isLogits(new Float32Array(0)));
 * ```
 */
export function isLogits(row: Float32Array): row is Logits {
  return row.length > 0;
}

/**
 * Marks numbers as a logits row, `[vocabulary]`; an f32 array is taken as it is, without a copy.
 *
 * Throws an {@link OutriderError} for an empty row.
 *
 * @example
 * ```ts
 * import { logitsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(logitsOf([0, 1.5]).length, 2);
 * ```
 */
export function logitsOf(row: Float32Array | readonly number[]): Logits {
  const values = row instanceof Float32Array ? row : Float32Array.from(row);
  if (isLogits(values)) return values;
  throw new OutriderError("logits of at least one token", "an empty row", "check the vocabulary");
}

/**
 * Whether `row` holds probabilities: nothing negative, sum 1 to within 1e-9.
 *
 * @example
 * ```ts
 * import { isProbs } from "@outrider/outrider/decode";
 * import { assert } from "@std/assert";
 *
 * assert(isProbs(new Float64Array([0.5, 0.5])) && !isProbs(new Float64Array([0.5, 0.4])));
 * ```
 */
export function isProbs(row: Float64Array): row is Probs {
  let sum = 0;
  for (const value of row) {
    if (!(value >= 0)) return false;
    sum += value;
  }
  return Math.abs(sum - 1) <= 1e-9;
}

/**
 * Checks and marks numbers as probabilities, `[vocabulary]`; an f64 array is not copied.
 *
 * Throws an {@link OutriderError} for negative numbers or a sum that is not 1.
 *
 * @example
 * ```ts
 * import { probsOf } from "@outrider/outrider/decode";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * assertEquals(probsOf([0.25, 0.75])[1], 0.75);
 * assertThrows(() => probsOf([0.25, 0.25]));
 * ```
 */
export function probsOf(row: Float64Array | readonly number[]): Probs {
  const values = row instanceof Float64Array ? row : Float64Array.from(row);
  if (isProbs(values)) return values;
  throw new OutriderError(
    "probabilities: no number below 0 and a sum of 1",
    `${values.length} numbers that are not`,
    "divide them by their sum, or use softmax",
  );
}

/**
 * Probabilities that put everything on one token, `[vocabulary]`.
 *
 * @example
 * ```ts
 * import { oneHot } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...oneHot(3, 1)], [0, 1, 0]);
 * ```
 */
export function oneHot(vocabulary: number, token: TokenId): Probs {
  const values = new Float64Array(vocabulary);
  if (!(token in values)) {
    throw new OutriderError(
      `a token below ${vocabulary}`,
      `token ${token}`,
      "use the model's own tokenizer",
    );
  }
  values[token] = 1;
  return marked(values);
}

/**
 * Divides weights of 0 or more by their sum (above 0), in place; for the functions of this module
 * that have just summed them.
 */
export function normalise(weights: Float64Array, sum: number): Probs {
  const scale = 1 / sum;
  // A sum so small that its inverse overflows has to be divided by.
  const divides = scale === Infinity;
  for (let token = 0; token < weights.length; token++) {
    const weight = weights[token];
    if (weight !== 0) weights[token] = divides ? weight / sum : weight * scale;
  }
  return marked(weights);
}

/**
 * Probabilities of weights, `[vocabulary]`, `without` one of them that gets 0; undefined where they are
 * not numbers, or so small that they may have lost digits.
 */
export function sharesOf(weights: Float32Array, without: TokenId = -1): Probs | undefined {
  const sum = wholeOf(weights, without);
  if (sum === undefined) return undefined;
  const scale = 1 / sum;
  const shares = new Float64Array(weights.length);
  for (let token = 0; token < weights.length; token++) shares[token] = weights[token] * scale;
  if (without >= 0) shares[without] = 0;
  return marked(shares);
}

/** The sum that {@link sharesOf} divides by. */
export function wholeOf(weights: Float32Array, without: TokenId = -1): number | undefined {
  const sum = sumOf(weights, 0, without) + sumOf(weights, without + 1, weights.length);
  return sum > 1e-30 && sum < Infinity ? sum : undefined;
}

/** The sum of weights from a place up to another, in f64; four chains, since each waits for itself. */
function sumOf(weights: Float32Array, from: number, to: number): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let i = from;
  for (; i + 4 <= to; i += 4) {
    a += weights[i];
    b += weights[i + 1];
    c += weights[i + 2];
    d += weights[i + 3];
  }
  for (; i < to; i++) a += weights[i];
  return a + b + (c + d);
}

/**
 * Probabilities `[tokenIds.length]`, or with one more that is 0, as probabilities of `[vocabulary]`
 * tokens: entry `i` goes to token `tokenIds[i]`, all other tokens get 0. The ids are distinct and
 * below `vocabulary`, which is not checked here.
 */
export function spreadProbs(probs: Probs, tokenIds: Int32Array, vocabulary: number): Probs {
  const values = new Float64Array(vocabulary);
  for (let i = 0; i < tokenIds.length; i++) values[tokenIds[i]] = probs[i];
  return marked(values);
}

function marked(values: Float64Array): Probs {
  if (isMarked(values)) return values;
  throw new OutriderError("probabilities", "an empty array", "check the vocabulary");
}

function isMarked(values: Float64Array): values is Probs {
  return values.length > 0;
}
