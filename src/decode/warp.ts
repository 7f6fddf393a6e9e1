/**
 * Warps: pure functions from logits to logits that shape what is sampled.
 *
 * Target and draft go through the same warp, and verification sees the processed distributions, so
 * the emitted text follows the target's processed distribution exactly.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { ALL, softmaxUntil } from "./cut.ts";
import { type Logits, logitsOf, oneHot, type Probs, type TokenId } from "./language_model.ts";

/** What is kept of a distribution. */
export interface Nucleus {
  /** Above 0. */
  readonly temperature: number;
  /** Probability mass that is kept, of the most probable tokens. */
  readonly mass: number;
}

/**
 * A function from a logits row `[vocabulary]` and all tokens before the one to be chosen to a logits
 * row `[vocabulary]`. Any plain function of this type will do.
 *
 * @example
 * ```ts
 * import { logitsOf, probabilities, type Warp } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const never = (token: number): Warp => (logits) =>
 *   logitsOf(logits.map((logit, id) => id === token ? -Infinity : logit));
 * assertEquals([...probabilities(never(0), logitsOf([9, 1, 1]), [])], [0, 0.5, 0.5]);
 * ```
 */
export interface Warp {
  (logits: Logits, previous: readonly TokenId[]): Logits;
  /** A shorter way to `softmax(warp(logits))`, where the warp knows one; the result is the same. */
  readonly probs?: (logits: Logits, previous: readonly TokenId[]) => Probs;
  /** The one token that the warp leaves, where it leaves one: what every coin would choose. */
  readonly only?: (logits: Logits, previous: readonly TokenId[]) => TokenId;
  /** What the warp keeps, where that is a nucleus at a temperature and nothing else. */
  readonly nucleus?: Nucleus;
  /** The temperature, where the warp is that and nothing else. */
  readonly temperature?: number;
}

/**
 * The probabilities of the next token, `[vocabulary]`, after a warp.
 *
 * Throws an {@link OutriderError} that names the row if a logit is not a number or no token is left.
 *
 * @example
 * ```ts
 * import { logitsOf, probabilities, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...probabilities(temperature(0), logitsOf([1, 3, 3]), [])], [0, 1, 0]);
 * ```
 */
export function probabilities(
  warp: Warp,
  logits: Logits,
  previous: readonly TokenId[],
): Probs {
  return warp.probs ? warp.probs(logits, previous) : softmax(warp(logits, previous), previous);
}

/**
 * Softmax in f64, `[vocabulary]`; a logit of `-Infinity` gets probability 0.
 *
 * `previous` (the tokens before) only serves to name the row in an error.
 *
 * @example
 * ```ts
 * import { logitsOf, softmax } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...softmax(logitsOf([5, 5, -Infinity]), [])], [0.5, 0.5, 0]);
 * ```
 */
export function softmax(logits: Logits, previous: readonly TokenId[] = []): Probs {
  return softmaxUntil(ALL, logits, logits[argmax(logits, previous)]);
}

/**
 * The token with the largest logit; the lowest id wins a tie.
 *
 * Throws an {@link OutriderError} that names the row (by `previous`, the tokens before) if a logit is
 * NaN or infinite, or if every one is `-Infinity`.
 *
 * @example
 * ```ts
 * import { argmax, logitsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(argmax(logitsOf([0, 2, 2]), []), 1);
 * ```
 */
export function argmax(logits: Logits, previous: readonly TokenId[] = []): TokenId {
  let best = -Infinity;
  let token = -1;
  // Four at a time, since most are no better than the best so far; NaN is not at most anything.
  for (let candidate = 0; candidate < logits.length; candidate += 4) {
    const end = Math.min(candidate + 4, logits.length);
    if (
      end === candidate + 4 && logits[candidate] <= best && logits[candidate + 1] <= best &&
      logits[candidate + 2] <= best && logits[candidate + 3] <= best
    ) continue;
    for (let id = candidate; id < end; id++) {
      if (logits[id] <= best) continue;
      if (!(logits[id] < Infinity)) throw badLogit(logits[id], id, previous);
      best = logits[id];
      token = id;
    }
  }
  if (token < 0) throw nothingLeft(logits, previous);
  return token;
}

function rowName(previous: readonly TokenId[]): string {
  return `the logits row for position ${previous.length}`;
}

function badLogit(logit: number, token: TokenId, previous: readonly TokenId[]): OutriderError {
  return new OutriderError(
    "finite logits",
    `${logit} for token ${token} in ${rowName(previous)}`,
    "check the model's weights and the warp",
  );
}

function nothingLeft(logits: Logits, previous: readonly TokenId[]): OutriderError {
  return new OutriderError(
    "at least one token with a finite logit",
    `-Infinity for all ${logits.length} tokens in ${rowName(previous)}`,
    "check the model's weights and the warp",
  );
}

/**
 * Warps from left to right as one warp; none at all leaves logits as they are.
 *
 * @example
 * ```ts
 * import { chainWarps, logitsOf, probabilities, temperature, topK } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const warp = chainWarps(temperature(0.5), topK(2));
 * assertEquals([...probabilities(warp, logitsOf([1, 1, 0]), [])], [0.5, 0.5, 0]);
 * ```
 */
export function chainWarps(...warps: readonly Warp[]): Warp {
  const last = warps.at(-1);
  const before = warps.slice(0, -1);
  const until = (some: readonly Warp[]): Warp => (logits, previous) =>
    some.reduce((row, warp) => warp(row, previous), logits);
  const chain = until(warps);
  if (last?.probs === undefined) return chain;
  const input = until(before);
  const { only } = last;
  return Object.assign(chain, {
    probs: (logits: Logits, previous: readonly TokenId[]): Probs =>
      probabilities(last, input(logits, previous), previous),
    ...(only && {
      only: (logits: Logits, previous: readonly TokenId[]): TokenId =>
        only(input(logits, previous), previous),
    }),
  });
}

/**
 * Divides logits by a temperature; 0 is {@link greedy}.
 *
 * Throws an {@link OutriderError} for a temperature that is neither 0 nor from 1e-6 to 1e6.
 *
 * @example
 * ```ts
 * import { logitsOf, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...temperature(2)(logitsOf([4, 2]), [])], [2, 1]);
 * ```
 */
export function temperature(value: number): Warp {
  if (value === 0) return greedy();
  if (!(value >= 1e-6 && value <= 1e6)) {
    throw new OutriderError("a temperature of 0, or from 1e-6 to 1e6", `${value}`, "choose 0 to 2");
  }
  const warp = (logits: Logits): Logits => {
    if (value === 1) return logits;
    const out = new Float32Array(logits.length);
    for (let token = 0; token < logits.length; token++) out[token] = logits[token] / value;
    return logitsOf(out);
  };
  return Object.assign(warp, { temperature: value });
}

/**
 * All mass on the largest logit, the lowest id among equals: temperature 0.
 *
 * @example
 * ```ts
 * import { greedy, logitsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...greedy()(logitsOf([1, 7, 7]), [])], [-Infinity, 0, -Infinity]);
 * ```
 */
export function greedy(): Warp {
  const warp = (logits: Logits, previous: readonly TokenId[]): Logits => {
    const out = new Float32Array(logits.length).fill(-Infinity);
    out[argmax(logits, previous)] = 0;
    return logitsOf(out);
  };
  return Object.assign(warp, {
    probs: (logits: Logits, previous: readonly TokenId[]): Probs =>
      oneHot(logits.length, argmax(logits, previous)),
    only: argmax,
  });
}

/**
 * Makes tokens that came before less likely: a positive logit is divided by `penalty`, a negative
 * one multiplied, once per distinct token (Keskar et al. 2019, CTRL, section 4.1).
 *
 * `window` bounds how many of the last tokens count. Throws an {@link OutriderError} for a penalty
 * that is not above 0 or a window below 0.
 *
 * @example
 * ```ts
 * import { logitsOf, repetitionPenalty } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...repetitionPenalty(2)(logitsOf([4, -1, 4]), [0, 1])], [2, -2, 4]);
 * ```
 */
export function repetitionPenalty(penalty: number, window: number = Infinity): Warp {
  if (!(penalty > 0 && penalty < Infinity)) {
    throw new OutriderError("a repetition penalty above 0", `${penalty}`, "1 is none, 1.1 is mild");
  }
  if (!(window >= 0)) {
    throw new OutriderError("a window of 0 tokens or more", `${window}`, "leave it out for all");
  }
  return (logits, previous) => {
    if (penalty === 1) return logits;
    const out = Float32Array.from(logits);
    for (const token of new Set(previous.slice(Math.max(0, previous.length - window)))) {
      if (!(token in out)) continue;
      out[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
    }
    return logitsOf(out);
  };
}
