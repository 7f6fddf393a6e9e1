/**
 * "Greedy" drafts: the likeliest tokens, and one more that is drawn from the others.
 *
 * @module
 */
import { oneHot, type Probs, type TokenId } from "../language_model.ts";
import {
  checkCount,
  excluding,
  likeliestTokens,
  type MultiDraftLaw,
  possibleTokens,
  valuesOf,
} from "./law.ts";

/** The law of greedy drafts. */
export interface GreedyDrafts extends MultiDraftLaw {
  /** How they are drawn. */
  readonly kind: "greedy";
  /** The likeliest tokens, drafted always, `[count - 1]`; the lower id wins a tie. */
  readonly top: readonly TokenId[];
  /** The distribution of the last draft, `[vocabulary]`: the draft's without `top`, renormalised. */
  readonly last: Probs;
}

/**
 * The `count - 1` likeliest tokens of `probs` and one drawn from the others, or as many as it has
 * tokens with a probability above 0 (Hu, Zheng et al. 2025, "greedy draft").
 *
 * Throws an {@link OutriderError} for fewer than one draft.
 *
 * @example
 * ```ts
 * import { greedyDrafts, probsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const { top, last } = greedyDrafts(probsOf([0.25, 0.5, 0.25]), 2);
 * assertEquals([top, [...last]], [[1], [0.5, 0, 0.5]]);
 * ```
 */
export function greedyDrafts(probs: Probs, count: number): GreedyDrafts {
  checkCount(count);
  const vocabulary = probs.length;
  const possible = Math.min(count, possibleTokens(probs).length);
  const top = likeliestTokens(probs, possible - 1);
  const last = top.length === 0 ? probs : excluding(probs, top);
  const weights = new Float64Array(last);
  for (const token of top) weights[token] = Infinity;
  return {
    kind: "greedy",
    vocabulary,
    count: possible,
    top,
    last,
    weights,
    after: (earlier) =>
      earlier.length < top.length ? oneHot(vocabulary, top[earlier.length]) : last,
    within: (order) => {
      let [missing, mass] = [top.length, 0];
      return valuesOf(weights, order).map((weight) => {
        if (weight === Infinity) missing--;
        else mass += weight;
        return missing === 0 ? mass : 0;
      });
    },
  };
}
