/**
 * Block verification: the drafted tokens are judged together, which accepts at least as many of them
 * on average as token verification does and keeps the target's distribution just as exactly.
 *
 * Sun et al. 2024, "Block verification accelerates speculative decoding", algorithm 2. A block's
 * weight `w_i` says how much of the drafted prefix's probability the target can still use; a prefix
 * stands with the probability that makes what is emitted after it come out right.
 *
 * @module
 */

import type { Probs } from "./language_model.ts";
import { sample } from "./sample.ts";
import {
  residual,
  residualMass,
  type Round,
  type RoundCoins,
  sampleResidual,
  type Verdict,
} from "./verify.ts";

/**
 * The weights `w_0..w_gamma` of a block's prefixes, `[gamma + 1]`: `w_0 = 1` and
 * `w_i = min(1, w_{i-1} * target_i / draft_i)` at the drafted token.
 *
 * @example
 * ```ts
 * import { blockWeights, oneHot, probsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const target = probsOf([0.25, 0.75]);
 * const round = { tokens: [0], draft: [probsOf([0.5, 0.5])], target: [target, target] };
 * assertEquals(blockWeights(round), [1, 0.5]);
 * ```
 */
export function blockWeights(round: Round): number[] {
  const weights = [1];
  for (const [i, token] of round.tokens.entries()) {
    weights.push(Math.min(1, weights[i] * round.target[i][token] / round.draft[i][token]));
  }
  return weights;
}

/**
 * The probability `h_i` with which the prefix of `length` (1 to gamma) tokens stands if no longer
 * one does. For the whole block it is its weight; before that it is `s / (s + 1 - w)`, with `s` the
 * mass that the next draft leaves over from the weighted target (equation 4 of the paper).
 *
 * @example
 * ```ts
 * import { blockAcceptProbability, blockWeights, probsOf } from "@outrider/outrider/decode";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const [draft, target] = [probsOf([0.5, 0.5]), probsOf([0.25, 0.75])];
 * const round = { tokens: [0], draft: [draft], target: [target, target] };
 * assertAlmostEquals(blockAcceptProbability(round, blockWeights(round), 1), 0.5);
 * ```
 */
export function blockAcceptProbability(
  round: Round,
  weights: readonly number[],
  length: number,
): number {
  const weight = weights[length];
  if (length === round.tokens.length) return weight;
  const missing = 1 - weight;
  // A full weight stands, even where nothing is left over: then a longer prefix stands as well.
  if (missing === 0) return 1;
  const left = residualMass(round.target[length], round.draft[length], weight);
  return left / (left + missing);
}

/**
 * The distribution of the next token after `accepted` tokens of a block stand, `[vocabulary]`.
 *
 * @example
 * ```ts
 * import { blockWeights, nextAfterBlock, oneHot, probsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const round = { tokens: [0], draft: [oneHot(2, 0)], target: [probsOf([0.5, 0.5]), oneHot(2, 0)] };
 * assertEquals([...nextAfterBlock(round, blockWeights(round), 0)], [0, 1]);
 * ```
 */
export function nextAfterBlock(
  round: Round,
  weights: readonly number[],
  accepted: number,
): Probs {
  return accepted === round.tokens.length
    ? round.target[accepted]
    : residual(round.target[accepted], round.draft[accepted], weights[accepted]);
}

/**
 * Block verification: the longest prefix that stands, then a draw from its residual, or a bonus
 * token from the target if the whole block stands.
 *
 * The paper goes through the prefixes from the shortest and keeps the last one that stands; this
 * starts from the longest and stops at the first, which is the same verdict for less work.
 *
 * @example
 * ```ts
 * import { oneHot, probsOf, verifyBlock } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const round = { tokens: [0], draft: [oneHot(2, 0)], target: [probsOf([0.5, 0.5]), oneHot(2, 1)] };
 * const coins = { accept: [0.6], sample: [0, 0] };
 * assertEquals(verifyBlock(round, coins), { accepted: 0, next: 1 });
 * ```
 */
export function verifyBlock(round: Round, coins: RoundCoins): Verdict {
  const weights = blockWeights(round);
  let accepted = round.tokens.length;
  while (
    accepted > 0 &&
    !(coins.accept[accepted - 1] < blockAcceptProbability(round, weights, accepted))
  ) accepted--;
  const { tokens, draft, target } = round;
  const coin = coins.sample[accepted];
  const next = accepted === tokens.length
    ? sample(target[accepted], coin)
    : sampleResidual(target[accepted], draft[accepted], weights[accepted], coin);
  return { accepted, next };
}
