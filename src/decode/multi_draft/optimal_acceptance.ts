/**
 * The acceptance that no verification rule can exceed.
 *
 * @module
 */
import type { Probs } from "../language_model.ts";
import { checkVocabulary, type MultiDraftLaw, possibleTokens, valuesOf } from "./law.ts";

/**
 * The largest probability that a token of the target's distribution is one of the drafts:
 * `1 + min over sets H of target(H) - Q(H)`, the dual of the optimal transport from drafts to target
 * (Hu, Zheng et al. 2025). For the laws of this library the best `H` holds the tokens of
 * the smallest `target / weights`, so that sorting and one scan find it: O(V log V).
 *
 * Throws an {@link OutriderError} where target and drafts are not of one vocabulary.
 *
 * @example
 * ```ts
 * import { optimalAcceptance, probsOf, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * // Drafts are (0, 0) one time in four, and the target gives token 0 no more than one eighth.
 * const law = withReplacement(probsOf([0.5, 0.5]), 2);
 * assertEquals(optimalAcceptance(probsOf([0.125, 0.875]), law), 0.875);
 * ```
 */
export function optimalAcceptance(target: Probs, law: MultiDraftLaw): number {
  checkVocabulary(target, law);
  const order = byRatio(target, law.weights);
  const within = law.within(order);
  let [mass, least] = [0, 0];
  order.forEach((token, i) => {
    mass += target[token];
    least = Math.min(least, mass - within[i]);
  });
  return 1 + least;
}

/** The tokens of weights above 0, those of the smallest `target / weights` first. */
export function byRatio(target: Probs, weights: Float64Array): Int32Array {
  const tokens = possibleTokens(weights);
  const ratios = valuesOf(target, tokens);
  for (let i = 0; i < tokens.length; i++) ratios[i] /= weights[tokens[i]];
  // Numbers alone sort several times as fast as tokens by a comparison; each then finds its place.
  const sorted = ratios.toSorted();
  const taken = new Int32Array(tokens.length);
  const order = new Int32Array(tokens.length);
  tokens.forEach((token, i) => {
    const first = firstWhere(sorted.length, (place) => sorted[place] >= ratios[i]);
    order[first + taken[first]++] = token;
  });
  return order;
}

/** The first of `count` places for which a rising condition holds; `count` where there is none. */
export function firstWhere(count: number, holds: (place: number) => boolean): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
