/**
 * Where to cut a logits row so that its most probable tokens stay, without sorting the row.
 *
 * The row is spread over buckets by distance from its maximum; only the bucket that the cut falls
 * into is sorted. Ties go to the lower token, as everywhere in decoding.
 *
 * @module
 */

import { type Logits, logitsOf, type TokenId } from "./language_model.ts";

/** How many buckets {@link bucketOf} knows. */
export const BUCKETS = 1024;
const BUCKETS_PER_NAT = 32;

/** The last token that stays, in the order of falling logits and, among equals, rising ids. */
export interface Cut {
  /** The logit of the last token that stays. */
  readonly logit: number;
  /** The id of the last token that stays. */
  readonly token: TokenId;
}

/** The bucket of a logit that lies `distance` (0 or more, maybe infinite) below the maximum. */
export function bucketOf(distance: number): number {
  return distance * BUCKETS_PER_NAT >= BUCKETS - 1 ? BUCKETS - 1 : (distance * BUCKETS_PER_NAT) | 0;
}

/** Whether a token stays. */
export function survives(cut: Cut, logit: number, token: TokenId): boolean {
  return logit > cut.logit || (logit === cut.logit && token <= cut.token);
}

/** The row with every token after the cut at `-Infinity`, `[vocabulary]`. */
export function maskAfter(cut: Cut, logits: Logits): Logits {
  const out = new Float32Array(logits.length);
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token];
    out[token] = survives(cut, logit, token) ? logit : -Infinity;
  }
  return logitsOf(out);
}

/**
 * The cut at which the summed measure of the tokens that stay first reaches `goal`, or `undefined`
 * when all together do not reach it.
 *
 * `histogram` holds the measure summed per bucket; `measure` gives it for one logit.
 */
export function findCut(
  logits: Logits,
  maximum: number,
  histogram: Float64Array,
  goal: number,
  measure: (logit: number) => number,
): Cut | undefined {
  let reached = 0;
  let bucket = 0;
  while (bucket < BUCKETS && reached + histogram[bucket] < goal) reached += histogram[bucket++];
  if (bucket === BUCKETS) return undefined;
  const candidates = tokensInBucket(logits, maximum, bucket);
  const sorted = Float32Array.from(candidates, (token) => logits[token]).sort();
  let last = sorted.length - 1;
  reached += measure(sorted[last]);
  while (last > 0 && reached < goal) reached += measure(sorted[--last]);
  const logit = sorted[last];
  let keptOfEqual = 0;
  for (let i = last; i < sorted.length && sorted[i] === logit; i++) keptOfEqual++;
  const equal = candidates.filter((token) => logits[token] === logit);
  return { logit, token: equal[keptOfEqual - 1] };
}

function tokensInBucket(logits: Logits, maximum: number, bucket: number): TokenId[] {
  const tokens: TokenId[] = [];
  for (let token = 0; token < logits.length; token++) {
    if (bucketOf(maximum - logits[token]) === bucket) tokens.push(token);
  }
  return tokens;
}
