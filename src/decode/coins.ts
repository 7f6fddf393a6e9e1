/**
 * The coins of decoding: uniform numbers that belong to a key, a place in the text and a purpose.
 *
 * A coin never depends on how rows are batched or on when it is drawn. A token that ends a block is
 * drawn once per position, so its coin belongs to the position alone: plain decoding and speculation
 * that falls back to it draw the same tokens. A draft may be thrown away and drawn anew at the same
 * position, and the verdict on a whole block looks at all its tokens and coins, so those coins belong
 * to the block's start as well: reusing them would make later tokens depend on earlier verdicts.
 *
 * @module
 */

import { foldIn, type Key, uniform } from "../core/random.ts";

/** Coins in [0, 1) by absolute position in the text (0 is the first prompt token). */
export interface Coins {
  /** The coin that draws the token that ends a block, or any token without a draft. */
  sample(position: number): number;
  /** The coin that drafts the token at `position` in the block that starts at `start`. */
  draft(start: number, position: number): number;
  /** The coin that accepts or rejects that draft. */
  accept(start: number, position: number): number;
}

/**
 * The coins of a key.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { coinsOf } from "@outrider/outrider/decode";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * const coins = coinsOf(keyOf(1));
 * assertEquals(coins.sample(4), coinsOf(keyOf(1)).sample(4));
 * assertNotEquals(coins.draft(4, 5), coins.draft(5, 5));
 * ```
 */
export function coinsOf(key: Key): Coins {
  const [sampleKey, draftKey, acceptKey] = ["sample", "draft", "accept"].map((purpose) =>
    foldIn(key, purpose)
  );
  return {
    sample: (position) => uniform(foldIn(sampleKey, position)),
    draft: (start, position) => uniform(foldIn(foldIn(draftKey, start), position)),
    accept: (start, position) => uniform(foldIn(foldIn(acceptKey, start), position)),
  };
}
