/**
 * From tokens to text piece by piece, where a token may hold part of a character.
 *
 * @module
 */

import type { TokenId } from "./language_model.ts";

/** Text of a token sequence, such as a tokenizer's `decode`. */
export type TextOf = (tokens: readonly TokenId[]) => string;

/**
 * The tokens whose text depends on each other: `tokens[0..given)` have given their text already and
 * stay as left context, since tokenizers treat the first token of a text differently.
 */
export interface PieceState {
  /** Context tokens, then tokens whose text is still open. */
  readonly tokens: readonly TokenId[];
  /** How many of them are context. */
  readonly given: number;
}

/** The state before the first token. */
export const noPieces: PieceState = { tokens: [], given: 0 };

/**
 * The text that a token adds; empty while it ends in the middle of a character.
 *
 * @example
 * ```ts
 * import { nextPiece, noPieces } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const textOf = (tokens: readonly number[]) => new TextDecoder().decode(Uint8Array.from(tokens));
 * const first = nextPiece(noPieces, 0xc3, textOf);
 * const second = nextPiece(first.state, 0xa9, textOf);
 * assertEquals([first.text, second.text], ["", "é"]);
 * ```
 */
export function nextPiece(
  state: PieceState,
  token: TokenId,
  textOf: TextOf,
): { readonly state: PieceState; readonly text: string } {
  const tokens = [...state.tokens, token];
  const before = textOf(tokens.slice(0, state.given));
  const after = textOf(tokens);
  const open = after.endsWith("\ufffd") && tokens.length - state.given < LONGEST_OPEN;
  if (open || after.length <= before.length) return { state: { ...state, tokens }, text: "" };
  const context = tokens.slice(state.given);
  return { state: { tokens: context, given: context.length }, text: after.slice(before.length) };
}

/**
 * The text of tokens that never completed a character.
 *
 * @example
 * ```ts
 * import { lastPiece } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const textOf = (tokens: readonly number[]) => new TextDecoder().decode(Uint8Array.from(tokens));
 * assertEquals(lastPiece({ tokens: [0x61, 0xc3], given: 1 }, textOf), "\ufffd");
 * ```
 */
export function lastPiece(state: PieceState, textOf: TextOf): string {
  return textOf(state.tokens).slice(textOf(state.tokens.slice(0, state.given)).length);
}

/** A character has at most four bytes; beyond that the replacement character is meant. */
const LONGEST_OPEN = 4;
