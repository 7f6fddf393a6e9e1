/**
 * Sampling by inverse CDF: chance comes in as an argument.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { Probs, TokenId } from "./language_model.ts";

/**
 * The token whose interval of the cumulative distribution holds `coin`, a number in [0, 1).
 *
 * A token of probability 0 is never chosen, not even by the coins 0 and 1 - 2^-53.
 *
 * @example
 * ```ts
 * import { probsOf, sample } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const probs = probsOf([0, 0.25, 0.75]);
 * assertEquals([0, 0.24, 0.25, 1 - 2 ** -53].map((coin) => sample(probs, coin)), [1, 1, 2, 2]);
 * ```
 */
export function sample(probs: Probs, coin: number): TokenId {
  checkCoin(coin);
  let cumulative = 0;
  let lastPossible = -1;
  for (let token = 0; token < probs.length; token++) {
    if (probs[token] === 0) continue;
    cumulative += probs[token];
    if (coin < cumulative) return token;
    lastPossible = token;
  }
  if (lastPossible >= 0) return lastPossible;
  throw new OutriderError("a token with a probability above 0", "none", "check the warp");
}

/**
 * The token that {@link sample} draws where probabilities are the weights above 0 of so many tokens,
 * divided by their sum, which is above 0.
 */
export function sampleScaled(
  tokens: number,
  sum: number,
  weightOf: (token: TokenId) => number,
  coin: number,
): TokenId {
  checkCoin(coin);
  const scale = 1 / sum;
  let cumulative = 0;
  let lastPossible = -1;
  for (let token = 0; token < tokens; token++) {
    const weight = weightOf(token);
    if (!(weight > 0)) continue;
    // A sum so small that its inverse overflows has to be divided by.
    cumulative += scale === Infinity ? weight / sum : weight * scale;
    if (coin < cumulative) return token;
    lastPossible = token;
  }
  return lastPossible;
}

function checkCoin(coin: number): void {
  if (coin >= 0 && coin < 1) return;
  throw new OutriderError("a coin in [0, 1)", `${coin}`, "draw it with uniform");
}
