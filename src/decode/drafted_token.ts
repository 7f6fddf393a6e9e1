/**
 * One drafted token: drawn from a draft's logits by the coin of its place.
 *
 * @module
 */
import type { DraftRequest } from "./draft.ts";
import type { DraftClasses } from "./draft_classes.ts";
import { type Logits, oneHot, type Probs } from "./language_model.ts";
import { sample } from "./sample.ts";
import { probabilities } from "./warp.ts";

/** Draws the class after a text of classes; its distribution is over the target's tokens. */
export function draftOne(
  { warp, coin, vocabulary }: DraftRequest,
  row: Logits,
  text: readonly number[],
  classes: DraftClasses,
): { readonly drawn: number; readonly probs: () => Probs } {
  if (warp.only) {
    const drawn = warp.only(row, text);
    return { drawn, probs: () => oneHot(vocabulary, classes.tokenOf(drawn)) };
  }
  const probs = probabilities(warp, row, text);
  return { drawn: sample(probs, coin(text.length)), probs: () => classes.spread(probs) };
}
