/**
 * One drafted token: drawn from a draft's logits by the coin of its place.
 *
 * @module
 */
import type { DraftRequest } from "./draft.ts";
import type { DraftClasses } from "./draft_classes.ts";
import { type Logits, oneHot, type Probs, sharesOf } from "./language_model.ts";
import { type PassRows, weightsOf } from "./next_token.ts";
import { sample } from "./sample.ts";
import { probabilities } from "./warp.ts";

/** A class that was drawn; its distribution is over the target's tokens. */
export interface DraftedToken {
  readonly drawn: number;
  readonly probs: () => Probs;
}

/** Draws the class after a text of classes from the only row of a draft model's pass. */
export function draftFromPass(
  request: DraftRequest,
  pass: PassRows,
  text: readonly number[],
  classes: DraftClasses,
): DraftedToken {
  const weights = weightsOf(request.warp, pass)?.[0];
  const shares = weights && sharesOf(weights, classes.other);
  return shares === undefined
    ? draftOne(request, classes.possible(pass.logits[0]), text, classes)
    : drawnFrom(shares, request, text, classes);
}

/** Draws the class after a text of classes from logits of those that can come. */
export function draftOne(
  request: DraftRequest,
  row: Logits,
  text: readonly number[],
  classes: DraftClasses,
): DraftedToken {
  const { warp, vocabulary } = request;
  if (warp.only) {
    const drawn = warp.only(row, text);
    return { drawn, probs: () => oneHot(vocabulary, classes.tokenOf(drawn)) };
  }
  return drawnFrom(probabilities(warp, row, text), request, text, classes);
}

function drawnFrom(
  probs: Probs,
  { coin }: DraftRequest,
  text: readonly number[],
  classes: DraftClasses,
): DraftedToken {
  return { drawn: sample(probs, coin(text.length)), probs: () => classes.spread(probs) };
}
