/**
 * Drafts without replacement: a token that was drafted is taken out, and the others are renormalised.
 *
 * @module
 */
import type { Probs } from "../language_model.ts";
import { distinctWithin } from "./distinct_within.ts";
import { checkCount, excluding, type MultiDraftLaw, possibleTokens } from "./law.ts";

/** The law of distinct drafts. */
export interface DistinctDrafts extends MultiDraftLaw {
  /** How they are drawn. */
  readonly kind: "without replacement";
  /** The distribution of the first draft, `[vocabulary]`. */
  readonly probs: Probs;
}

/**
 * `count` distinct drafts from `probs`, or as many as it has tokens with a probability above 0.
 *
 * Throws an {@link OutriderError} for fewer than one draft.
 *
 * @example
 * ```ts
 * import { probsOf, withoutReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law = withoutReplacement(probsOf([0.5, 0.25, 0.25]), 2);
 * assertEquals([...law.after([0])], [0, 0.5, 0.5]);
 * assertEquals(withoutReplacement(probsOf([1, 0]), 2).count, 1);
 * ```
 */
export function withoutReplacement(probs: Probs, count: number): DistinctDrafts {
  checkCount(count);
  const possible = Math.min(count, possibleTokens(probs).length);
  return {
    kind: "without replacement",
    vocabulary: probs.length,
    count: possible,
    probs,
    weights: probs,
    after: (earlier) => earlier.length === 0 ? probs : excluding(probs, earlier),
    within: (order) => distinctWithin(probs, possible, order),
  };
}
