/**
 * Verification: how many drafted tokens stand, and which token follows them, such that the emitted
 * text has the target's distribution whatever the draft proposes.
 *
 * A rule is two pure laws, the probability of acceptance and the distribution of the next token;
 * coins turn them into a verdict. So exactness is algebra on the laws, not a statistic.
 *
 * @module
 */

import { normalise, type Probs, type TokenId } from "./language_model.ts";
import { sample, sampleScaled } from "./sample.ts";

/** What a target pass over a block has to judge. `gamma` is the number of drafted tokens. */
export interface Round {
  /** The drafted tokens, `[gamma]`. */
  readonly tokens: readonly TokenId[];
  /** The processed distributions that they were drawn from, `[gamma][vocabulary]`. */
  readonly draft: ArrayLike<Probs>;
  /**
   * The target's processed distributions, `[gamma + 1][vocabulary]`: an array, or rows that are
   * computed when they are first read, so that a rule pays only for those that it looks at.
   */
  readonly target: ArrayLike<Probs>;
}

/** The chance in a verdict, all in [0, 1). */
export interface RoundCoins {
  /** One coin per drafted token, `[gamma]`. */
  readonly accept: readonly number[];
  /** The coin of the next token, should it come at this place, `[gamma + 1]`. */
  readonly sample: readonly number[];
}

/** What stands of a block. */
export interface Verdict {
  /** How many of the drafted tokens stand, 0 to gamma. */
  readonly accepted: number;
  /** The token that follows them: a bonus if all stand, else a draw from the residual. */
  readonly next: TokenId;
}

/**
 * A verification rule: a pure function of both models' distributions and of coins.
 *
 * @example
 * ```ts
 * import { oneHot, sample, type Verify } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * // Exact as well, but wasteful: the target draws, and a draft stands where it drew the same.
 * const sampleAndMatch: Verify = ({ tokens, target }, coins) => {
 *   const drawn = coins.sample.map((coin, place) => sample(target[place], coin));
 *   const differing = tokens.findIndex((token, place) => token !== drawn[place]);
 *   const accepted = differing < 0 ? tokens.length : differing;
 *   return { accepted, next: drawn[accepted] };
 * };
 * const round = { tokens: [1], draft: [oneHot(2, 1)], target: [oneHot(2, 1), oneHot(2, 0)] };
 * assertEquals(sampleAndMatch(round, { accept: [0], sample: [0, 0] }), { accepted: 1, next: 0 });
 * ```
 */
export type Verify = (round: Round, coins: RoundCoins) => Verdict;

/**
 * The mass that a draft leaves over: `(weight * target - draft)+`, normalised, `[vocabulary]`.
 *
 * With nothing left over (equal distributions, so that a rejection has probability 0 up to rounding)
 * it is the target itself. (Leviathan et al. 2023, section 2.3, has weight 1; Sun et al. 2024, block
 * verification, has the block's weight.)
 *
 * @example
 * ```ts
 * import { probsOf, residual } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...residual(probsOf([0.5, 0.5]), probsOf([0.75, 0.25]))], [0, 1]);
 * ```
 */
export function residual(target: Probs, draft: Probs, weight: number = 1): Probs {
  const out = new Float64Array(target.length);
  let sum = 0;
  for (let token = 0; token < target.length; token++) {
    const left = weight * target[token] - draft[token];
    if (left > 0) {
      out[token] = left;
      sum += left;
    }
  }
  if (sum === 0) return target;
  return normalise(out, sum);
}

/**
 * The token that a coin in [0, 1) draws from {@link residual}: to the bit that of `sample`, without an
 * array of the vocabulary's length, whose fresh memory takes longer than the sums.
 *
 * @example
 * ```ts
 * import { probsOf, sampleResidual } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sampleResidual(probsOf([0.5, 0.5]), probsOf([0.75, 0.25]), 1, 0), 1);
 * ```
 */
export function sampleResidual(
  target: Probs,
  draft: Probs,
  weight: number,
  coin: number,
): TokenId {
  const sum = residualMass(target, draft, weight);
  if (sum === 0) return sample(target, coin);
  return sampleScaled(target.length, sum, (token) => weight * target[token] - draft[token], coin);
}

/**
 * The summed mass of {@link residual} before it is normalised.
 *
 * @example
 * ```ts
 * import { probsOf, residualMass } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(residualMass(probsOf([0.5, 0.5]), probsOf([0.75, 0.25]), 1), 0.25);
 * ```
 */
export function residualMass(target: Probs, draft: Probs, weight: number): number {
  let sum = 0;
  for (let token = 0; token < target.length; token++) {
    const left = weight * target[token] - draft[token];
    if (left > 0) sum += left;
  }
  return sum;
}
