/**
 * Token verification: every drafted token is judged by itself, from left to right.
 *
 * @module
 */

import type { Probs, TokenId } from "./language_model.ts";
import { sample } from "./sample.ts";
import { residual, type Round, type RoundCoins, sampleResidual, type Verdict } from "./verify.ts";

/**
 * The probability with which a drafted token is accepted: `min(1, target / draft)`.
 *
 * @example
 * ```ts
 * import { acceptProbability, probsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const [target, draft] = [probsOf([0.25, 0.75]), probsOf([0.5, 0.5])];
 * assertEquals([0, 1].map((token) => acceptProbability(target, draft, token)), [0.5, 1]);
 * ```
 */
export function acceptProbability(target: Probs, draft: Probs, token: TokenId): number {
  return target[token] >= draft[token] ? 1 : target[token] / draft[token];
}

/**
 * The distribution of the next token after `accepted` tokens of a block stand, `[vocabulary]`.
 *
 * @example
 * ```ts
 * import { nextAfterTokens, oneHot, probsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const round = { tokens: [0], draft: [oneHot(2, 0)], target: [probsOf([0.5, 0.5]), oneHot(2, 0)] };
 * assertEquals([0, 1].map((accepted) => [...nextAfterTokens(round, accepted)]), [[0, 1], [1, 0]]);
 * ```
 */
export function nextAfterTokens(round: Round, accepted: number): Probs {
  return accepted === round.tokens.length
    ? round.target[accepted]
    : residual(round.target[accepted], round.draft[accepted]);
}

/**
 * Speculative sampling (Leviathan et al. 2023, algorithm 1; Chen et al. 2023, algorithm 2): accept
 * with `min(1, target / draft)`; at the first rejection draw from the residual; after the last
 * acceptance draw a bonus token from the target.
 *
 * @example
 * ```ts
 * import { oneHot, probsOf, verifyToken } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const round = { tokens: [0], draft: [oneHot(2, 0)], target: [probsOf([0.5, 0.5]), oneHot(2, 1)] };
 * const coins = { accept: [0.4], sample: [0, 0] };
 * assertEquals(verifyToken(round, coins), { accepted: 1, next: 1 });
 * ```
 */
export function verifyToken(round: Round, coins: RoundCoins): Verdict {
  const { tokens, draft, target } = round;
  let accepted = 0;
  while (
    accepted < tokens.length &&
    coins.accept[accepted] <
      acceptProbability(target[accepted], draft[accepted], tokens[accepted])
  ) accepted++;
  const coin = coins.sample[accepted];
  const next = accepted === tokens.length
    ? sample(target[accepted], coin)
    : sampleResidual(target[accepted], draft[accepted], 1, coin);
  return { accepted, next };
}
