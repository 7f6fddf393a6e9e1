/**
 * Drafts with replacement: each is drawn from the same distribution, whatever came before.
 *
 * @module
 */
import type { Probs } from "../language_model.ts";
import { checkCount, type MultiDraftLaw, valuesOf } from "./law.ts";

/** The law of independent drafts. */
export interface IndependentDrafts extends MultiDraftLaw {
  /** How they are drawn. */
  readonly kind: "with replacement";
  /** The draft's distribution, `[vocabulary]`. */
  readonly probs: Probs;
}

/**
 * `count` independent drafts from `probs`; `Q(H) = p(H)^count`.
 *
 * Throws an {@link OutriderError} for fewer than one draft.
 *
 * @example
 * ```ts
 * import { probsOf, withReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const law = withReplacement(probsOf([0.25, 0.75]), 2);
 * assertEquals([...law.within(Int32Array.of(1, 0))], [0.5625, 1]);
 * ```
 */
export function withReplacement(probs: Probs, count: number): IndependentDrafts {
  checkCount(count);
  return {
    kind: "with replacement",
    vocabulary: probs.length,
    count,
    probs,
    weights: probs,
    after: () => probs,
    within: (order) => {
      let mass = 0;
      return valuesOf(probs, order).map((value) => Math.pow(mass += value, count));
    },
  };
}
