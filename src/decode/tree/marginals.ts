/**
 * The likeliest tokens of each place of a draft.
 *
 * @module
 */
import type { Logits } from "../language_model.ts";
import { type TopTokens, topTokens } from "../top_tokens.ts";

/**
 * The likeliest tokens of rows of logits `[places][vocabulary]`: `most` of each row, or as many as it
 * has that can come. More than a tree has nodes are never looked at.
 *
 * Throws an {@link OutriderError} where a row has a logit that is not a number, or none that can come.
 *
 * @example
 * ```ts
 * import { logitsOf, marginalsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const [place] = marginalsOf([logitsOf([0, 2, -Infinity, 1])], 8);
 * assertEquals([...place.tokens], [1, 3, 0]);
 * ```
 */
export function marginalsOf(rows: readonly Logits[], most: number): TopTokens[] {
  return rows.map((row) => {
    let possible = 0;
    for (let token = 0; token < row.length; token++) if (row[token] !== -Infinity) possible++;
    // A row without any is refused there, as one with a NaN is.
    return topTokens(row, Math.max(1, Math.min(most, possible)));
  });
}
