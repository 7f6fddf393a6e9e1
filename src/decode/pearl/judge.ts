/**
 * The verdict on drafted tokens by a target's logits.
 *
 * @module
 */
import type { Logits, TokenId } from "../language_model.ts";
import { lazyRows } from "../lazy_rows.ts";
import type { TextState } from "../text_state.ts";
import { probabilities, type Warp } from "../warp.ts";
import { type AheadVerdict, type DraftedToken, verifyAhead } from "./transition.ts";

/** Applies the warp to the target's rows and asks the rule, with the coins of these positions. */
export function judgeAhead(
  { warp }: { readonly warp: Warp },
  { text, coins }: Pick<TextState<unknown>, "text" | "coins">,
  judged: readonly DraftedToken[],
  logits: readonly Logits[],
): AheadVerdict {
  const before = (place: number): readonly TokenId[] => [
    ...text,
    ...judged.slice(0, place).map(({ token }) => token),
  ];
  if (warp.only !== undefined) return judgeCertain(warp.only, before, judged, logits);
  const target = lazyRows(
    logits.length,
    (place) => probabilities(warp, logits[place], before(place)),
  );
  const positions = logits.map((_, place) => text.length + place);
  return verifyAhead(judged, target, {
    accept: positions.map((position) => coins.accept(position, position)),
    sample: positions.map((position) => coins.sample(position)),
  });
}

/** The verdict where the target's next token is certain. */
function judgeCertain(
  only: NonNullable<Warp["only"]>,
  before: (place: number) => readonly TokenId[],
  judged: readonly DraftedToken[],
  logits: readonly Logits[],
): AheadVerdict {
  for (let place = 0; place < logits.length; place++) {
    const next = only(logits[place], before(place));
    if (judged.at(place)?.token !== next) return { accepted: place, next };
  }
  return { accepted: logits.length, next: undefined };
}
