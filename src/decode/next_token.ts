/**
 * The token after a text, where no draft has to be judged.
 *
 * @module
 */
import type { Logits, Pass, TokenId } from "./language_model.ts";
import { sample } from "./sample.ts";
import { argmax, probabilities, type Warp } from "./warp.ts";

/**
 * The token that a warp with `only` leaves of the row at a place of a pass; the likeliest one is looked
 * for only where the model does not say it.
 */
export function onlyToken(
  only: NonNullable<Warp["only"]>,
  { logits, likeliest }: Pick<Pass<unknown>, "logits" | "likeliest">,
  place: number,
  previous: () => readonly TokenId[],
): TokenId {
  const known = only === argmax ? likeliest?.[place] : undefined;
  return known ?? only(logits[place], previous());
}

/** {@link nextToken} after the first row of a pass. */
export function nextOfPass(
  warp: Warp,
  pass: Pick<Pass<unknown>, "logits" | "likeliest">,
  previous: readonly TokenId[],
  coin: () => number,
): TokenId {
  return warp.only
    ? onlyToken(warp.only, pass, 0, () => previous)
    : nextToken(warp, pass.logits[0], previous, coin);
}

/** Draws the next token; `coin` in [0, 1) is asked only where there is a choice. */
export function nextToken(
  warp: Warp,
  logits: Logits,
  previous: readonly TokenId[],
  coin: () => number,
): TokenId {
  if (warp.only) return warp.only(logits, previous);
  return sample(probabilities(warp, logits, previous), coin());
}
