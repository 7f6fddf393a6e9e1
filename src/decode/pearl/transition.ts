/**
 * PEARL (Liu et al. 2025, arXiv 2408.11850) as a pure state machine: what one iteration, in which the
 * draft runs ahead while the target judges, makes of a text.
 *
 * Between iterations there are tokens that stand and tokens that are drafted behind them and not
 * judged yet. The paper's two phases differ in these alone:
 *
 * - **pre-verify** (nothing is pending): while the draft writes a block, the target's one
 *   row judges the block's first token.
 * - **post-verify** (the rest of a block is pending): while the draft writes the next
 *   block, the target's rows judge what is pending and, by the row behind it, the first token of the
 *   new block. The paper judges that token an iteration later, by a row that it keeps; the row is
 *   there now, so a rejection is seen an iteration earlier, and no token is judged twice.
 *
 * Where all that is judged stands, the rest of the new block is pending, and there is no bonus token.
 * At the first rejection a token of the residual takes the place of the draft, and all drafts behind
 * it are dropped, unseen.
 *
 * @module
 */
import type { Probs, TokenId } from "../language_model.ts";
import { sample } from "../sample.ts";
import { residual, type RoundCoins } from "../verify.ts";
import { acceptProbability } from "../verify_token.ts";

/** A drafted token with what it was drawn from. */
export interface DraftedToken {
  /** The token. */
  readonly token: TokenId;
  /** The draft's processed distribution in its place, `[vocabulary]`. */
  readonly probs: Probs;
}

/** A text between two iterations. */
export interface AheadText {
  /** Tokens that stand, prompt included. */
  readonly text: readonly TokenId[];
  /** Drafted tokens behind them that the target has not judged. */
  readonly pending: readonly DraftedToken[];
}

/** The two phases of the paper. */
export type PearlPhase = "pre-verify" | "post-verify";

/** What the target says of the judged tokens. */
export interface AheadVerdict {
  /** How many of them stand. */
  readonly accepted: number;
  /**
   * The token that the target puts behind them: in the place of a rejected draft, or where there was
   * no draft; `undefined` where all stand.
   */
  readonly next: TokenId | undefined;
}

/** What an iteration makes of a text. */
export interface AheadStep {
  /** The text after it. */
  readonly state: AheadText;
  /** The tokens that stand now and did not before; at least one where a row was judged. */
  readonly emitted: readonly TokenId[];
  /**
   * What to roll back: the number of tokens, from the start of the text, whose rows both caches may
   * keep; `undefined` where nothing is to be dropped.
   */
  readonly keep: number | undefined;
}

/**
 * The phase that a text is in.
 *
 * @example
 * ```ts
 * import { oneHot, pearlPhase } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(pearlPhase({ text: [0], pending: [] }), "pre-verify");
 * const pending = [{ token: 1, probs: oneHot(2, 1) }];
 * assertEquals(pearlPhase({ text: [0], pending }), "post-verify");
 * ```
 */
export function pearlPhase({ pending }: AheadText): PearlPhase {
  return pending.length === 0 ? "pre-verify" : "post-verify";
}

/**
 * The drafted tokens that an iteration judges: all that is pending and the first of the new block, as
 * far as the target has `rows`.
 *
 * @example
 * ```ts
 * import { judgedTokens, oneHot } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b, c] = [0, 1, 2].map((token) => ({ token, probs: oneHot(3, token) }));
 * const judged = judgedTokens({ text: [0], pending: [a] }, [b, c], 2);
 * assertEquals(judged.map(({ token }) => token), [0, 1]);
 * ```
 */
export function judgedTokens(
  { pending }: AheadText,
  drafted: readonly DraftedToken[],
  rows: number,
): readonly DraftedToken[] {
  return [...pending, ...drafted.slice(0, 1)].slice(0, rows);
}

/**
 * Judges drafted tokens from left to right by the target's processed distributions `[rows][vocabulary]`
 * in their places: accepts with `min(1, target / draft)`, draws from the residual at the first
 * rejection (Leviathan et al. 2023, algorithm 1), and from the target in a place without a draft.
 *
 * @example
 * ```ts
 * import { oneHot, probsOf, verifyAhead } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const judged = [{ token: 0, probs: oneHot(2, 0) }];
 * const target = [probsOf([0.5, 0.5])];
 * const verdict = (coin: number) => verifyAhead(judged, target, { accept: [coin], sample: [0] });
 * assertEquals(verdict(0.4), { accepted: 1, next: undefined });
 * assertEquals(verdict(0.6), { accepted: 0, next: 1 });
 * ```
 */
export function verifyAhead(
  judged: readonly DraftedToken[],
  target: ArrayLike<Probs>,
  coins: RoundCoins,
): AheadVerdict {
  for (let place = 0; place < target.length; place++) {
    const drafted = judged.at(place);
    if (drafted === undefined) {
      return { accepted: place, next: sample(target[place], coins.sample[place]) };
    }
    const { token, probs } = drafted;
    if (coins.accept[place] < acceptProbability(target[place], probs, token)) continue;
    return {
      accepted: place,
      next: sample(residual(target[place], probs), coins.sample[place]),
    };
  }
  return { accepted: target.length, next: undefined };
}

/**
 * The text after a verdict on its {@link judgedTokens}.
 *
 * @example
 * ```ts
 * import { oneHot, settleAhead } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const drafted = [1, 2].map((token) => ({ token, probs: oneHot(3, token) }));
 * const accepted = settleAhead({ text: [0], pending: [] }, drafted, { accepted: 1, next: undefined });
 * assertEquals([accepted.emitted, accepted.keep, accepted.state.pending.length], [[1], undefined, 1]);
 * const rejected = settleAhead({ text: [0], pending: [] }, drafted, { accepted: 0, next: 2 });
 * assertEquals([rejected.emitted, rejected.keep, rejected.state.pending.length], [[2], 1, 0]);
 * ```
 */
export function settleAhead(
  { text, pending }: AheadText,
  drafted: readonly DraftedToken[],
  { accepted, next }: AheadVerdict,
): AheadStep {
  const ahead = [...pending, ...drafted];
  const standing = ahead.slice(0, accepted).map(({ token }) => token);
  if (next === undefined) {
    const state = { text: [...text, ...standing], pending: ahead.slice(accepted) };
    return { state, emitted: standing, keep: undefined };
  }
  const emitted = [...standing, next];
  const state = { text: [...text, ...emitted], pending: [] };
  return { state, emitted, keep: text.length + accepted };
}

/**
 * One iteration: the text after the draft has written a block and the target's rows have judged what
 * was pending and the block's first token.
 *
 * The target has a row `[vocabulary]` for every pending token and one for the first new token, which
 * may be left out where the context has no room for it; place `i` has the coins `accept[i]`, `sample[i]`.
 * Every token is judged once, so coins that belong to absolute positions repeat for no other verdict.
 *
 * @example
 * ```ts
 * import { pearlTransition, probsOf } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const half = probsOf([0.5, 0.5]);
 * const drafted = [0, 1, 1].map((token) => ({ token, probs: half }));
 * const coins = { accept: [0.9, 0.9, 0.9], sample: [0, 0, 0] };
 * const first = pearlTransition({ text: [0], pending: [] }, drafted, [half], coins);
 * const second = pearlTransition(first.state, drafted, [half, half, half], coins);
 * assertEquals([first.emitted, second.emitted], [[0], [1, 1, 0]]);
 * ```
 */
export function pearlTransition(
  state: AheadText,
  drafted: readonly DraftedToken[],
  target: ArrayLike<Probs>,
  coins: RoundCoins,
): AheadStep {
  const judged = judgedTokens(state, drafted, target.length);
  return settleAhead(state, drafted, verifyAhead(judged, target, coins));
}
