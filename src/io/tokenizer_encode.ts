/**
 * From text to token ids: added tokens first, then splits, then merges.
 *
 * @module
 */

import type { AddedToken, TextPlace, TokenizerSpec } from "./tokenizer_spec.ts";
import { mergeSymbols } from "./tokenizer_merges.ts";
import { splitText } from "./tokenizer_splits.ts";
import { BYTE_CHARACTERS, byteOfToken, type TokenId } from "./tokenizer_vocabulary.ts";

/** A stretch of text, or an added token found between two. */
type Segment = { readonly text: string } | { readonly id: TokenId };

/** Finds the longest added token at a place in a text. */
type LongestAt = (text: string, at: number) => AddedToken | undefined;

/**
 * Looks tokens up by the lengths that occur for their first character; unlike one large regular
 * expression, that stays fast for any number of tokens.
 */
function longestAdded(added: readonly AddedToken[]): LongestAt {
  const byText = new Map(added.map((token) => [token.text, token]));
  const lengths = new Map<number, Set<number>>();
  for (const text of byText.keys()) {
    const known = lengths.get(text.charCodeAt(0)) ?? new Set();
    lengths.set(text.charCodeAt(0), known.add(text.length));
  }
  const longestFirst = new Map(
    Array.from(lengths, ([first, known]) => [first, [...known].sort((a, b) => b - a)]),
  );
  return (text, at) => {
    for (const length of longestFirst.get(text.charCodeAt(at)) ?? []) {
      const token = byText.get(text.slice(at, at + length));
      if (token !== undefined) return token;
    }
  };
}

/** The place after the white space that begins at a place. */
function skipSpace(text: string, at: number): number {
  const space = /\s*/y;
  space.lastIndex = at;
  space.test(text);
  return space.lastIndex;
}

/** Makes the function that finds added tokens in text: the leftmost, and of those the longest. */
export function addedTokenFinder(
  added: readonly AddedToken[],
): (text: string) => Generator<Segment> {
  const longestAt = longestAdded(added);
  return function* (text) {
    let done = 0;
    let at = 0;
    while (at < text.length) {
      const token = longestAt(text, at);
      if (token === undefined) {
        at++;
        continue;
      }
      const before = text.slice(done, at);
      yield { text: token.strip.left ? before.trimEnd() : before };
      yield { id: token.id };
      done = at + token.text.length;
      if (token.strip.right) done = skipSpace(text, done);
      at = done;
    }
    yield { text: text.slice(done) };
  };
}

/** Turns a piece into the symbols from which merging starts. */
type SymbolsOf = (piece: string) => number[];

/** One symbol per byte; a byte without a token is unknown, or dropped. */
function byteLevelSymbols({ ids, unknown }: TokenizerSpec): SymbolsOf {
  const encoder = new TextEncoder();
  const symbolOfByte = BYTE_CHARACTERS.map((character) => ids.get(character) ?? unknown);
  return (piece) => {
    const symbols: number[] = [];
    for (const byte of encoder.encode(piece)) {
      const symbol = symbolOfByte[byte];
      if (symbol !== undefined) symbols.push(symbol);
    }
    return symbols;
  };
}

/** One symbol per character, or per byte of a character that is no token. */
function sentencePieceSymbols({ ids, unknown, tokens, kinds }: TokenizerSpec): SymbolsOf {
  const encoder = new TextEncoder();
  const symbolOfByte = new Map<number, TokenId>();
  tokens.forEach((text, id) => {
    const byte = kinds[id] === "byte" ? byteOfToken(text) : undefined;
    if (byte !== undefined) symbolOfByte.set(byte, id);
  });
  const unspelled = unknown === undefined ? [] : [unknown];
  return (piece) => {
    const symbols: number[] = [];
    for (const character of piece) {
      const symbol = ids.get(character);
      if (symbol !== undefined) {
        symbols.push(symbol);
        continue;
      }
      const bytes = Array.from(encoder.encode(character), (byte) => symbolOfByte.get(byte));
      const spelled = bytes.filter((id) => id !== undefined);
      symbols.push(...(spelled.length === bytes.length ? spelled : unspelled));
    }
    return symbols;
  };
}

/** The text under which a piece would be a token as a whole. */
function wholePiece(piece: string, spec: TokenizerSpec): string {
  if (spec.spelling === "sentencePiece") return piece;
  const bytes = new TextEncoder().encode(piece);
  return Array.from(bytes, (byte) => BYTE_CHARACTERS[byte]).join("");
}

/** Longer pieces seldom come again. */
const LONGEST_REMEMBERED = 32;
/** Text has few different pieces; beyond so many the memory starts anew. */
const MOST_REMEMBERED = 2 ** 17;

/** Remembers what pieces become: most words of a text have been there before. */
function remembered(
  encodePiece: (piece: string) => readonly TokenId[],
): (piece: string) => readonly TokenId[] {
  const known = new Map<string, readonly TokenId[]>();
  return (piece) => {
    if (piece.length > LONGEST_REMEMBERED) return encodePiece(piece);
    const found = known.get(piece);
    if (found !== undefined) return found;
    const ids = encodePiece(piece);
    if (known.size >= MOST_REMEMBERED) known.clear();
    // A copy: a piece can be a view of the text that it was cut from, and would keep all of it alive.
    known.set(Array.from(piece).join(""), ids);
    return ids;
  };
}

/** Makes the function that encodes a stretch of text without added tokens. */
export function plainEncoder(
  spec: TokenizerSpec,
): (text: string, place: TextPlace) => TokenId[] {
  const symbolsOf = spec.spelling === "byteLevel"
    ? byteLevelSymbols(spec)
    : sentencePieceSymbols(spec);
  const encodePiece = remembered((piece) => {
    if (spec.wholePieces === "token") {
      const whole = spec.ids.get(wholePiece(piece, spec));
      if (whole !== undefined) return [whole];
    }
    return mergeSymbols(symbolsOf(piece), spec.merges);
  });
  return (text, place) => {
    if (text === "") return [];
    const ids: TokenId[] = [];
    for (const piece of splitText(spec.normalize(text, place), spec.splits)) {
      for (const id of encodePiece(piece)) ids.push(id);
    }
    return ids;
  };
}
