/**
 * Ends a text before a stop string, wherever token borders fall.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { Decoder, Finish, Step } from "./decoder.ts";
import type { TokenId } from "./language_model.ts";
import { lastPiece, nextPiece, noPieces, type PieceState, type TextOf } from "./text_pieces.ts";
import { refuseAfterEnd } from "./until.ts";

/** A step that also carries text. */
export interface TextStep<State> extends Step<State> {
  /** The text that is safe to show: no stop string can begin inside it any more. */
  readonly text: string;
}

/** A decoder whose steps carry text. */
export interface TextDecoder<State> extends Decoder<State> {
  /** Runs one target pass and gives out tokens and text. */
  step(state: State): Promise<TextStep<State>>;
}

/** The parts of {@link untilText}. */
export interface UntilTextOptions {
  /** The text of tokens, such as a tokenizer's `decode`. */
  readonly textOf: TextOf;
  /** Strings that end the text; none of them is given out. None at all if left out. */
  readonly stops?: readonly string[];
}

/** The state of {@link untilText}. */
export interface UntilTextState<State> {
  /** The wrapped decoder's state. */
  readonly inner: State;
  /** Tokens whose text is not complete yet. */
  readonly pieces: PieceState;
  /** Text that is held back, since a stop string may begin in it. */
  readonly held: Held;
  /** Why the text has ended, if it has. */
  readonly finish: Finish | undefined;
}

/** Text held back, and the tokens that it comes from. */
export interface Held {
  /** The text held back. */
  readonly text: string;
  /** The tokens held back, in order. */
  readonly tokens: readonly HeldToken[];
}

/** A token held back: tokens that make one character together share their place. */
export interface HeldToken {
  /** The token. */
  readonly token: TokenId;
  /** Where its text begins in the text held back; negative if part of it is out already. */
  readonly start: number;
  /** Where its text ends; infinite while its character is not complete. */
  readonly end: number;
}

/**
 * Adds text to a decoder's steps and ends it before the first stop string. Text and tokens are held
 * back while a stop string may begin in them; a token that a stop string cuts in two is the last one
 * given out. Wrap this around all other combinators: they know nothing of text held back.
 *
 * Throws an {@link OutriderError} for an empty stop string.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import * as decode from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [0, 1, 2].map((id) => id === prefix.length % 3 ? 9 : 0);
 * const target = decode.functionModel({ vocabulary: 3, contextLength: 8, logits });
 * const plain = decode.autoregressive({ target, warp: decode.temperature(0) });
 * const textOf = (tokens: readonly number[]) => tokens.map((token) => ["so ", "far", "!"][token]).join("");
 * const decoder = decode.untilText(plain, { textOf, stops: ["r!so"] });
 * const pieces = await Array.fromAsync(decode.streamText(decoder, [0], { key: keyOf(1) }));
 * assertEquals(pieces.join(""), "fa");
 * ```
 */
export function untilText<State>(
  decoder: Decoder<State>,
  options: UntilTextOptions,
): TextDecoder<UntilTextState<State>> {
  const { textOf, stops = [] } = options;
  if (stops.includes("")) {
    throw new OutriderError("stop strings", "an empty string", "leave it out");
  }
  const nothing = { text: "", tokens: [] };
  return {
    init: async (prompt, key) => ({
      inner: await decoder.init(prompt, key),
      pieces: noPieces,
      held: nothing,
      finish: undefined,
    }),
    step: async (state) => {
      refuseAfterEnd(state.finish);
      const step = await decoder.step(state.inner);
      const added = addTokens(state, step, textOf);
      const settled = settle(added.held, stops, step.finish);
      const { finish, text, tokens, held } = settled;
      const report = { ...step.report, emitted: tokens.length };
      const next = { inner: step.state, pieces: added.pieces, held, finish };
      return { state: next, tokens, text, report, finish };
    },
    close: (state) => decoder.close(state.inner),
  };
}

/** Appends a step's tokens and their text to what is held back. */
function addTokens<State>(
  state: UntilTextState<State>,
  step: Step<State>,
  textOf: TextOf,
): { readonly pieces: PieceState; readonly held: Held } {
  let { pieces } = state;
  let { text, tokens } = state.held;
  for (const token of step.tokens) {
    const piece = nextPiece(pieces, token, textOf);
    pieces = piece.state;
    tokens = [...tokens, { token, start: text.length, end: Infinity }];
    text += piece.text;
    if (piece.text !== "") tokens = tokens.map((held) => complete(held, text.length));
  }
  if (step.finish !== undefined) text += lastPiece(pieces, textOf);
  return { pieces, held: { text, tokens } };
}

function complete(held: HeldToken, end: number): HeldToken {
  return held.end === Infinity ? { ...held, end } : held;
}

/** Splits what is held back into what may go out and what stays. */
function settle(
  { text, tokens }: Held,
  stops: readonly string[],
  innerFinish: Finish | undefined,
): { text: string; tokens: readonly TokenId[]; held: Held; finish: Finish | undefined } {
  const stop = firstStop(text, stops);
  const safe = stop ?? (innerFinish ? text.length : text.length - possibleStart(text, stops));
  const goesOut = ({ start, end }: HeldToken): boolean => {
    if (stop !== undefined) return start < stop;
    return innerFinish !== undefined || end <= safe;
  };
  const stays = tokens.filter((held) => !goesOut(held));
  return {
    text: text.slice(0, safe),
    tokens: tokens.filter(goesOut).map(({ token }) => token),
    held: {
      text: text.slice(safe),
      tokens: stays.map((held) => ({ ...held, start: held.start - safe, end: held.end - safe })),
    },
    finish: stop === undefined ? innerFinish : "stopText",
  };
}

/**
 * Where the stop string that is complete first begins; of those that end together, the longest.
 * So the verdict does not depend on how many tokens come at a time.
 */
function firstStop(text: string, stops: readonly string[]): number | undefined {
  let first = Infinity;
  let start: number | undefined;
  for (const stop of stops) {
    const place = text.indexOf(stop);
    const end = place + stop.length;
    if (place < 0 || end > first) continue;
    start = end === first && start !== undefined ? Math.min(start, place) : place;
    first = end;
  }
  return start;
}

/** How many last characters of the text may be the beginning of a stop string. */
function possibleStart(text: string, stops: readonly string[]): number {
  const longest = Math.max(0, ...stops.map((stop) => stop.length - 1));
  for (let count = Math.min(longest, text.length); count > 0; count--) {
    const tail = text.slice(text.length - count);
    if (stops.some((stop) => stop.startsWith(tail))) return count;
  }
  return 0;
}
