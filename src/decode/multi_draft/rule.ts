/**
 * Multi-draft verification: a rule gives two laws, coins turn them into a verdict.
 *
 * @module
 */
import { normalise, type Probs, type TokenId } from "../language_model.ts";
import { sample } from "../sample.ts";
import { checkVocabulary, draftOutcomes, type MultiDraftLaw, total } from "./law.ts";

/** What a rule says of drafted tokens. */
export interface MultiDraftDecision {
  /** The probability that the draft at each place is the token, `[count]`. */
  readonly accept: readonly number[];
  /** The distribution of the token where none of them is, `[vocabulary]`. */
  readonly residual: Probs;
}

/**
 * A verification rule: from the target's distribution `[vocabulary]`, the law of the drafts and the
 * drafted tokens `[count]` to a decision. It is exact where the decisions on all drafts, weighted by
 * the law, add up to the target's distribution.
 *
 * @example
 * ```ts
 * import { type MultiDraftRule, probsOf, verifyDrafts, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * // Exact, and of no use: no draft ever stands, and the target draws the token.
 * const drawAnew: MultiDraftRule = (target, _law, tokens) => ({
 *   accept: tokens.map(() => 0),
 *   residual: target,
 * });
 * const target = probsOf([0.5, 0.5]);
 * const round = { target, law: withReplacement(target, 2), tokens: [0, 0] };
 * assertEquals(verifyDrafts(drawAnew, round, { accept: 0, sample: 0.5 }), { token: 1 });
 * ```
 */
export type MultiDraftRule<Law extends MultiDraftLaw = MultiDraftLaw> = (
  target: Probs,
  law: Law,
  tokens: readonly TokenId[],
) => MultiDraftDecision;

/** What a rule has to judge. */
export interface MultiDraftRound<Law extends MultiDraftLaw = MultiDraftLaw> {
  /** The target's processed distribution at the drafts' place, `[vocabulary]`. */
  readonly target: Probs;
  /** How the drafts were drawn. */
  readonly law: Law;
  /** The drafted tokens, `[count]`. */
  readonly tokens: readonly TokenId[];
}

/** The chance in a verdict, in [0, 1). */
export interface MultiDraftCoins {
  /** Decides which draft is the token, or none. */
  readonly accept: number;
  /** Draws the token where none is. */
  readonly sample: number;
}

/** What follows from a decision and coins. */
export interface MultiDraftVerdict {
  /** The token of this place; over drafts and coins it has the target's distribution. */
  readonly token: TokenId;
  /** The place of the draft that it is; left out where the token came from the residual. */
  readonly accepted?: number;
}

/**
 * The token of a place with several drafts.
 *
 * Throws an {@link OutriderError} where target and drafts are not of one vocabulary.
 *
 * @example
 * ```ts
 * import { probsOf, recursiveRejection, verifyDrafts, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law = withReplacement(probsOf([0.5, 0.5]), 2);
 * const round = { target: probsOf([0.25, 0.75]), law, tokens: [0, 1] };
 * const verdict = verifyDrafts(recursiveRejection, round, { accept: 0.5, sample: 0 });
 * assertEquals(verdict, { token: 1, accepted: 1 });
 * ```
 */
export function verifyDrafts<Law extends MultiDraftLaw>(
  rule: MultiDraftRule<Law>,
  { target, law, tokens }: MultiDraftRound<Law>,
  coins: MultiDraftCoins,
): MultiDraftVerdict {
  checkVocabulary(target, law);
  const { accept, residual } = rule(target, law, tokens);
  let cumulative = 0;
  for (const [place, probability] of accept.entries()) {
    cumulative += probability;
    if (coins.accept < cumulative) return { token: tokens[place], accepted: place };
  }
  return { token: sample(residual, coins.sample) };
}

/**
 * The probability that a rule's token is one of the drafts, by enumeration of all drafts: for small
 * vocabularies.
 *
 * Throws an {@link OutriderError} where target and drafts are not of one vocabulary.
 *
 * @example
 * ```ts
 * import { multiDraftAcceptance, probsOf, recursiveRejection, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law = withReplacement(probsOf([0.5, 0.5]), 2);
 * assertEquals(multiDraftAcceptance(recursiveRejection, probsOf([0.25, 0.75]), law), 0.875);
 * ```
 */
export function multiDraftAcceptance<Law extends MultiDraftLaw>(
  rule: MultiDraftRule<Law>,
  target: Probs,
  law: Law,
): number {
  checkVocabulary(target, law);
  let acceptance = 0;
  for (const { tokens, probability } of draftOutcomes(law)) {
    const { accept } = rule(target, law, tokens);
    acceptance += probability * accept.reduce((sum, value) => sum + value, 0);
  }
  return acceptance;
}

/** What a rule leaves of the target, as a distribution; the target where that is nothing. */
export function distributionOf(left: Float64Array, target: Probs): Probs {
  const sum = total(left);
  return sum === 0 ? target : normalise(left, sum);
}
