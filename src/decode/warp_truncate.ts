/**
 * Warps that leave only a row's most probable tokens: top-k, top-p and min-p.
 *
 * Each keeps at least the most probable token, breaks ties by the lower id, and costs a few linear
 * passes; nothing sorts the vocabulary.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { bucketOf, BUCKETS, type Cut, findCut, maskAfter, survives } from "./cut.ts";
import { type Logits, logitsOf, type Probs, type TokenId, trusted } from "./language_model.ts";
import { argmax, type Warp } from "./warp.ts";

/**
 * Keeps the `count` tokens with the largest logits (Fan et al. 2018, section 5).
 *
 * Throws an {@link OutriderError} for a count that is not a whole number from 1 on.
 *
 * @example
 * ```ts
 * import { logitsOf, topK } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...topK(1)(logitsOf([2, 3, 3]), [])], [-Infinity, 3, -Infinity]);
 * ```
 */
export function topK(count: number): Warp {
  if (!(Number.isInteger(count) && count >= 1)) {
    throw new OutriderError(
      "a top-k of 1 or more",
      `${count}`,
      "leave top-k out to keep all tokens",
    );
  }
  return (logits, previous) => {
    if (count >= logits.length) return logits;
    const maximum = logits[argmax(logits, previous)];
    const histogram = new Float64Array(BUCKETS);
    for (let token = 0; token < logits.length; token++) {
      histogram[bucketOf(maximum - logits[token])]++;
    }
    const cut = findCut(logits, maximum, histogram, count, () => 1);
    return cut ? maskAfter(cut, logits) : logits;
  };
}

/**
 * Keeps the smallest set of most probable tokens whose mass reaches `mass`: the nucleus (Holtzman et
 * al. 2020, section 3.1).
 *
 * Throws an {@link OutriderError} for a mass outside 0 to 1.
 *
 * @example
 * ```ts
 * import { logitsOf, probabilities, topP } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...probabilities(topP(0.6), logitsOf([0, 0, -9]), [])], [0.5, 0.5, 0]);
 * ```
 */
export function topP(mass: number): Warp {
  checkFraction(mass, "top-p");
  const warp = (logits: Logits, previous: readonly TokenId[]): Logits => {
    if (mass === 1) return logits;
    const { cut } = nucleus(logits, previous, mass);
    return cut ? maskAfter(cut, logits) : logits;
  };
  return Object.assign(warp, {
    probs: (logits: Logits, previous: readonly TokenId[]): Probs => {
      const { cut, weights, total } = nucleus(logits, previous, mass);
      return cut ? renormalise(weights, logits, cut) : divide(weights, total);
    },
  });
}

/**
 * Keeps the tokens whose probability is at least `fraction` of the largest (Nguyen et al. 2024).
 *
 * Throws an {@link OutriderError} for a fraction outside 0 to 1.
 *
 * @example
 * ```ts
 * import { logitsOf, minP } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...minP(0.5)(logitsOf([0, -0.6, -0.7]), [])], [0, Math.fround(-0.6), -Infinity]);
 * ```
 */
export function minP(fraction: number): Warp {
  checkFraction(fraction, "min-p");
  return (logits, previous) => {
    if (fraction === 0) return logits;
    const least = logits[argmax(logits, previous)] + Math.log(fraction);
    return logitsOf(logits.map((logit) => logit < least ? -Infinity : logit));
  };
}

function checkFraction(value: number, name: string): void {
  if (!(value >= 0 && value <= 1)) {
    throw new OutriderError(
      `a ${name} from 0 to 1`,
      `${value}`,
      "0.9 is a usual top-p, 0.05 a min-p",
    );
  }
}

interface Nucleus {
  /** `exp(logit - maximum)` of every token, `[vocabulary]`. */
  readonly weights: Float64Array;
  readonly total: number;
  readonly cut: Cut | undefined;
}

function nucleus(logits: Logits, previous: readonly TokenId[], mass: number): Nucleus {
  const maximum = logits[argmax(logits, previous)];
  const weights = new Float64Array(logits.length);
  const histogram = new Float64Array(BUCKETS);
  let total = 0;
  for (let token = 0; token < logits.length; token++) {
    const distance = maximum - logits[token];
    const weight = Math.exp(-distance);
    weights[token] = weight;
    histogram[bucketOf(distance)] += weight;
    total += weight;
  }
  const measure = (logit: number): number => Math.exp(logit - maximum);
  const cut = mass === 1
    ? undefined
    : findCut(logits, maximum, histogram, Math.max(mass * total, Number.MIN_VALUE), measure);
  return { weights, total, cut };
}

/** Divides the weights by the sum of those that survive and clears the others, in place. */
function renormalise(weights: Float64Array, logits: Logits, cut: Cut): Probs {
  let kept = 0;
  for (let token = 0; token < weights.length; token++) {
    if (survives(cut, logits[token], token)) kept += weights[token];
    else weights[token] = 0;
  }
  return divide(weights, kept);
}

function divide(weights: Float64Array, sum: number): Probs {
  for (let token = 0; token < weights.length; token++) weights[token] /= sum;
  return trusted(weights);
}
