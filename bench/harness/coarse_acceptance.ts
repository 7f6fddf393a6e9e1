/**
 * The acceptance rate of a draft against its target, and what is left of it to see when only the
 * target's likeliest tokens are known.
 *
 * @module
 */
import type { Probs } from "@outrider/outrider/decode";
import type { TrimmedVocabulary } from "@outrider/outrider/nn";

/** The target's probabilities over the draft's classes, `[classes]`, the class `other` last. */
export function classProbs(target: Probs, vocabulary: TrimmedVocabulary | undefined): Float64Array {
  if (vocabulary === undefined) return target;
  const classes = new Float64Array(vocabulary.classes);
  target.forEach((value, token) => classes[vocabulary.classOf(token)] += value);
  return classes;
}

/** The sum of `min(p, q)`. */
export function acceptanceOf(draft: Float64Array, target: Float64Array): number {
  return draft.reduce((sum, value, i) => sum + Math.min(value, target[i]), 0);
}

/** The likeliest tokens, in falling order, at least `count` of them. */
export function likeliest(target: Probs, count: number): readonly number[] {
  const threshold = Float64Array.from(target).sort()[Math.max(0, target.length - count)];
  return Array.from(target.keys()).filter((token) => target[token] >= threshold)
    .sort((a, b) => target[b] - target[a]);
}

/** What is cached of a distribution: the probabilities of some tokens, by class. */
export function cachedClasses(
  target: Probs,
  tokens: readonly number[],
  vocabulary: TrimmedVocabulary | undefined,
): ReadonlyMap<number, number> {
  const classes = new Map<number, number>();
  for (const token of tokens) {
    const place = vocabulary?.classOf(token) ?? token;
    classes.set(place, (classes.get(place) ?? 0) + target[token]);
  }
  return classes;
}

/** The target as training sees it: the mass of its tail in the proportions of the draft. */
export function completed(
  cached: ReadonlyMap<number, number>,
  draft: Float64Array,
  other: number | undefined,
): Float64Array {
  const known = new Float64Array(draft.length);
  let [listed, unlisted] = [0, 0];
  for (const [place, value] of cached) {
    known[place] = value;
    listed += value;
  }
  const inTail = (place: number): boolean => known[place] === 0 || place === other;
  draft.forEach((value, place) => unlisted += inTail(place) ? value : 0);
  const share = Math.max(0, 1 - listed) / Math.max(unlisted, 1e-30);
  return known.map((value, place) => value + (inTail(place) ? share * draft[place] : 0));
}
