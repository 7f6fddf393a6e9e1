/**
 * The token after a text, where no draft has to be judged.
 *
 * @module
 */
import type { Logits, TokenId } from "./language_model.ts";
import { sample } from "./sample.ts";
import { probabilities, type Warp } from "./warp.ts";

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
