/**
 * Several drafts for one place: how they are drawn, and what verification must know of that.
 *
 * Hu, Zheng et al. 2025, "Towards optimal multi-draft speculative decoding" (arXiv 2502.18779). There
 * `p` is the draft's distribution, `q` the target's, and `Q(H)` the probability that all drafts lie in
 * a set `H` of tokens.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import { normalise, type Probs, type TokenId } from "../language_model.ts";
import { sample } from "../sample.ts";

/**
 * The joint law of the tokens that are drafted for one place, one after the other.
 *
 * @example
 * ```ts
 * import { drawDrafts, type MultiDraftLaw, probsOf, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law: MultiDraftLaw = withReplacement(probsOf([0.25, 0.75]), 2);
 * assertEquals(drawDrafts(law, [0, 0.5]), [0, 1]);
 * ```
 */
export interface MultiDraftLaw {
  /** How many tokens there are. */
  readonly vocabulary: number;
  /** How many tokens are drafted, 1 or more. */
  readonly count: number;
  /**
   * `[vocabulary]`, 0 or more: the sets `H` that decide the optimum hold the tokens of the smallest
   * `target / weights`, and none of weight 0. `Infinity` marks a token that is always drafted.
   */
  readonly weights: Float64Array;
  /** The distribution `[vocabulary]` of the draft that follows `earlier`, fewer than `count`. */
  after(earlier: readonly TokenId[]): Probs;
  /** `Q(H)` for the sets of the first 1, 2, ... tokens of `order` (distinct), `[order.length]`. */
  within(order: Int32Array): Float64Array;
}

/**
 * The drafted tokens, `[count]`, one coin in [0, 1) each.
 *
 * @example
 * ```ts
 * import { drawDrafts, probsOf, withoutReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(drawDrafts(withoutReplacement(probsOf([0.25, 0.75]), 2), [0.5, 0.5]), [1, 0]);
 * ```
 */
export function drawDrafts(law: MultiDraftLaw, coins: readonly number[]): TokenId[] {
  const tokens: TokenId[] = [];
  while (tokens.length < law.count) {
    tokens.push(sample(law.after(tokens), coins[tokens.length]));
  }
  return tokens;
}

/** One way that the drafts can fall. */
export interface MultiDraftOutcome {
  /** The drafted tokens in order, `[count]`. */
  readonly tokens: readonly TokenId[];
  /** Above 0. */
  readonly probability: number;
}

/**
 * Every way that the drafts can fall, up to `vocabulary ** count` of them: for small vocabularies.
 *
 * @example
 * ```ts
 * import { draftOutcomes, greedyDrafts, probsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law = greedyDrafts(probsOf([0.25, 0.5, 0.25]), 2);
 * assertEquals([...draftOutcomes(law)], [
 *   { tokens: [1, 0], probability: 0.5 },
 *   { tokens: [1, 2], probability: 0.5 },
 * ]);
 * ```
 */
export function draftOutcomes(law: MultiDraftLaw): Iterable<MultiDraftOutcome> {
  return outcomesAfter(law, [], 1);
}

function* outcomesAfter(
  law: MultiDraftLaw,
  tokens: readonly TokenId[],
  probability: number,
): Generator<MultiDraftOutcome> {
  if (tokens.length === law.count) {
    yield { tokens, probability };
    return;
  }
  for (const [token, value] of law.after(tokens).entries()) {
    if (value > 0) yield* outcomesAfter(law, [...tokens, token], probability * value);
  }
}

/**
 * Probabilities without some of their tokens, renormalised by what is left, which is summed anew:
 * `1 - p` of a token that has nearly everything would lose what is left to rounding.
 */
export function excluding(probs: Probs, tokens: readonly TokenId[]): Probs {
  const left = new Float64Array(probs);
  for (const token of tokens) left[token] = 0;
  return normalise(left, total(left));
}

/** The sum of some numbers; a loop, as everything that passes over a vocabulary. */
export function total(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
}

/** The values of some tokens in their order, `[order.length]`. */
export function valuesOf(values: Float64Array, order: Int32Array): Float64Array {
  const found = new Float64Array(order.length);
  for (let i = 0; i < order.length; i++) found[i] = values[order[i]];
  return found;
}

/** The tokens with something above 0, ascending. */
export function possibleTokens(weights: Float64Array): Int32Array {
  const tokens = new Int32Array(weights.length);
  let count = 0;
  for (let token = 0; token < weights.length; token++) {
    if (weights[token] > 0) tokens[count++] = token;
  }
  return tokens.subarray(0, count);
}

/** The ids of the largest probabilities, in falling order, the lower id first among equals. */
export function likeliestTokens(probs: Probs, count: number): TokenId[] {
  const found: TokenId[] = [];
  for (let token = 0; token < probs.length; token++) {
    let place = found.length;
    while (place > 0 && probs[found[place - 1]] < probs[token]) place--;
    if (place === count) continue;
    found.splice(place, 0, token);
    if (found.length > count) found.pop();
  }
  return found;
}

/** Throws an {@link OutriderError} unless `count` is a number of drafts. */
export function checkCount(count: number): void {
  if (Number.isInteger(count) && count >= 1) return;
  throw new OutriderError("one draft or more", `${count}`, "ask for 1, 2, 3 or 4");
}

/** Throws an {@link OutriderError} unless target and drafts are of one vocabulary. */
export function checkVocabulary(target: Probs, { vocabulary }: MultiDraftLaw): void {
  if (target.length === vocabulary) return;
  throw new OutriderError(
    `drafts from the target's ${target.length} tokens`,
    `from ${vocabulary}`,
    "spread the draft's probabilities over the target's vocabulary",
  );
}
