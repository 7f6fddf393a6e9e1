/**
 * Where to cut a logits row so that its most probable tokens stay, without sorting the row.
 *
 * Tokens near the maximum (all tokens, where those do not suffice) are spread over buckets by their
 * distance from it; only the bucket that the cut falls into is sorted. Ties go to the lower token, as
 * everywhere in decoding.
 *
 * @module
 */

import { decay } from "./decay.ts";
import { type Logits, logitsOf, normalise, type Probs, type TokenId } from "./language_model.ts";

/** How far below the maximum a token is near, in nats: few are, and they hold most of the mass. */
const NEAR = 12;
const BUCKETS = 1024;

/** The last token that stays, in the order of falling logits and, among equals, rising ids. */
export interface Cut {
  /** The logit of the last token that stays. */
  readonly logit: number;
  /** The id of the last token that stays. */
  readonly token: TokenId;
}

/** The cut after every token that can come at all. */
export const ALL: Cut = { logit: -Number.MAX_VALUE, token: Infinity };

/** Whether a token stays. */
function survives(cut: Cut, logit: number, token: TokenId): boolean {
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

/** The softmax of the tokens up to the cut alone, `[vocabulary]`; `maximum` is the largest logit. */
export function softmaxUntil(cut: Cut, logits: Logits, maximum: number): Probs {
  const out = new Float64Array(logits.length);
  let sum = 0;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token];
    if (!survives(cut, logit, token)) continue;
    const weight = decay(maximum - logit);
    out[token] = weight;
    sum += weight;
  }
  return normalise(out, sum);
}

/**
 * The cut at which the summed measure of the tokens that stay first reaches `goal`, or `undefined`
 * when all together do not reach it; at least the most probable token stays. `maximum` is the row's largest logit.
 */
export function findCut(
  logits: Logits,
  maximum: number,
  goal: number,
  measure: (logit: number) => number,
): Cut | undefined {
  return cutWithin(NEAR, logits, maximum, goal, measure) ??
    cutWithin(maximum - least(logits), logits, maximum, goal, measure);
}

/** The cut, if the tokens within `radius` nats of the maximum reach the goal. */
function cutWithin(
  radius: number,
  logits: Logits,
  maximum: number,
  goal: number,
  measure: (logit: number) => number,
): Cut | undefined {
  const threshold = maximum - radius;
  const scale = (BUCKETS - 1) / Math.max(radius, 1e-30);
  const histogram = new Float64Array(BUCKETS);
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token];
    if (logit >= threshold) histogram[((maximum - logit) * scale) | 0] += measure(logit);
  }
  let reached = 0;
  let bucket = 0;
  while (bucket < BUCKETS && reached + histogram[bucket] < goal) reached += histogram[bucket++];
  if (bucket === BUCKETS) return undefined;
  const candidates: TokenId[] = [];
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token];
    if (logit >= threshold && (((maximum - logit) * scale) | 0) === bucket) candidates.push(token);
  }
  return cutAmong(logits, candidates, goal - reached, measure);
}

/** The cut among the candidates, by rising ids, at which their measure reaches `goal`. */
function cutAmong(
  logits: Logits,
  candidates: readonly TokenId[],
  goal: number,
  measure: (logit: number) => number,
): Cut {
  const sorted = new Float32Array(candidates.map((token) => logits[token])).sort();
  let last = sorted.length - 1;
  let reached = measure(sorted[last]);
  while (last > 0 && reached < goal) reached += measure(sorted[--last]);
  const logit = sorted[last];
  let kept = 0;
  while (sorted[last + kept] === logit) kept++;
  return { logit, token: candidates.filter((token) => logits[token] === logit)[kept - 1] };
}

/** The smallest finite logit. */
function least(logits: Logits): number {
  let smallest = Infinity;
  for (const logit of logits) if (logit < smallest && logit > -Infinity) smallest = logit;
  return smallest;
}
