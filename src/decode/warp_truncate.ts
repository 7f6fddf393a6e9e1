/**
 * Warps that leave only a row's most probable tokens: top-k, top-p and min-p.
 *
 * Each keeps at least the most probable token, breaks ties by the lower id, and costs a few linear
 * passes; nothing sorts the vocabulary.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { ALL, type Cut, findCut, maskAfter, softmaxUntil } from "./cut.ts";
import { decay } from "./decay.ts";
import type { Logits, Probs, TokenId } from "./language_model.ts";
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
  return truncation((logits, maximum) =>
    count < logits.length ? findCut(logits, maximum, count, () => 1) : undefined
  );
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
  return truncation((logits, maximum) => {
    if (mass === 1) return undefined;
    let total = 0;
    for (let token = 0; token < logits.length; token++) total += decay(maximum - logits[token]);
    return findCut(logits, maximum, mass * total, (logit) => decay(maximum - logit));
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
  return truncation((_logits, maximum) =>
    fraction === 0 ? undefined : { logit: maximum + Math.log(fraction), token: Infinity }
  );
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

/** A warp that keeps the tokens up to a cut, or all where there is none. */
function truncation(cutOf: (logits: Logits, maximum: number) => Cut | undefined): Warp {
  const warp = (logits: Logits, previous: readonly TokenId[]): Logits => {
    const cut = cutOf(logits, logits[argmax(logits, previous)]);
    return cut ? maskAfter(cut, logits) : logits;
  };
  return Object.assign(warp, {
    probs: (logits: Logits, previous: readonly TokenId[]): Probs => {
      const maximum = logits[argmax(logits, previous)];
      return softmaxUntil(cutOf(logits, maximum) ?? ALL, logits, maximum);
    },
  });
}
