/**
 * The most probable tokens of a row with their log probabilities.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { findCut } from "./cut.ts";
import { decay } from "./decay.ts";
import type { Logits, TokenId } from "./language_model.ts";
import { argmax } from "./warp.ts";

/** Some tokens of a row, the most probable first. */
export interface TopTokens {
  /** `[count]` */
  readonly tokens: Int32Array;
  /** `[count]`: natural log probabilities among all tokens of the row. */
  readonly logProbs: Float32Array;
}

/**
 * The `count` most probable tokens of a row; ties go to the lower id.
 *
 * @throws OutriderError where the row has fewer tokens, or one of them is not a finite number
 * @example
 * ```ts
 * import { logitsOf, topTokens } from "@outrider/outrider/decode";
 * import { assertAlmostEquals, assertEquals } from "@std/assert";
 *
 * const { tokens, logProbs } = topTokens(logitsOf([0, Math.log(2), 0]), 2);
 * assertEquals([...tokens], [1, 0]);
 * assertAlmostEquals(logProbs[0], Math.log(0.5), 1e-6);
 * ```
 */
export function topTokens(logits: Logits, count: number): TopTokens {
  const maximum = logits[argmax(logits)];
  let total = 0;
  for (let token = 0; token < logits.length; token++) total += decay(maximum - logits[token]);
  const base = maximum + Math.log(total);
  const order = heads(logits, maximum, count);
  return {
    tokens: Int32Array.from(order),
    logProbs: Float32Array.from(order, (token) => logits[token] - base),
  };
}

/** The tokens with the largest logits, in falling order. */
function heads(logits: Logits, maximum: number, count: number): readonly TokenId[] {
  const cut = findCut(logits, maximum, count, () => 1);
  if (cut === undefined) {
    throw new OutriderError(`a row of ${count} tokens`, `${logits.length}`, "ask for fewer");
  }
  const found: TokenId[] = [];
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token];
    if (logit > cut.logit || (logit === cut.logit && token <= cut.token)) found.push(token);
  }
  return found.sort((a, b) => logits[b] - logits[a] || a - b);
}
