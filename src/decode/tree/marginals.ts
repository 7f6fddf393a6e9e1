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
 * A drafter that does not know all tokens gives the others a probability as well. A path ends at such
 * a token whatever was drafted, so it counts: without it, places where it is likely would seem sure.
 *
 * @param others `[places]`: the logit of all tokens that the rows leave out; none where left out
 * Throws an {@link OutriderError} where a row has a logit that is not a number, or none that can come.
 *
 * @example
 * ```ts
 * import { logitsOf, marginalsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const [place] = marginalsOf([logitsOf([0, 2, -Infinity, 1])], 8);
 * assertEquals([...place.tokens], [1, 3, 0]);
 * const [half] = marginalsOf([logitsOf([1, -Infinity])], 8, [1]);
 * assertEquals(Math.exp(half.logProbs[0]).toFixed(4), "0.5000");
 * ```
 */
export function marginalsOf(
  rows: readonly Logits[],
  most: number,
  others: readonly number[] = [],
): TopTokens[] {
  return rows.map((row, place) => {
    let possible = 0;
    for (let token = 0; token < row.length; token++) if (row[token] !== -Infinity) possible++;
    // A row without any is refused there, as one with a NaN is.
    const top = topTokens(row, Math.max(1, Math.min(most, possible)));
    const other = others[place] ?? -Infinity;
    return other === -Infinity ? top : besides(top, row, other);
  });
}

/** The same tokens with what they are worth beside something of another logit. */
function besides({ tokens, logProbs }: TopTokens, row: Logits, other: number): TopTokens {
  const all = row[tokens[0]] - logProbs[0];
  const over = other - all;
  const kept = over > 0 ? -over - Math.log1p(Math.exp(-over)) : -Math.log1p(Math.exp(over));
  return { tokens, logProbs: logProbs.map((logProb) => logProb + kept) };
}
