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

const escapeForPattern = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** Finds added tokens in text: the leftmost, and of those the longest. */
export function addedTokenFinder(
  added: readonly AddedToken[],
): (text: string) => Generator<Segment> {
  const byText = new Map(added.map((token) => [token.text, token]));
  const longestFirst = [...byText.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escapeForPattern).join("|"), "gu");
  return function* (text) {
    if (added.length === 0) return yield { text };
    let done = 0;
    for (const match of text.matchAll(pattern)) {
      const token = byText.get(match[0]);
      if (token === undefined) continue;
      const before = text.slice(done, match.index);
      yield { text: token.strip.left ? before.trimEnd() : before };
      yield { id: token.id };
      done = match.index + match[0].length;
      if (token.strip.right) done += text.length - done - text.slice(done).trimStart().length;
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

/** Makes the function that encodes a stretch of text without added tokens. */
export function plainEncoder(
  spec: TokenizerSpec,
): (text: string, place: TextPlace) => TokenId[] {
  const symbolsOf = spec.spelling === "byteLevel"
    ? byteLevelSymbols(spec)
    : sentencePieceSymbols(spec);
  const encodePiece = (piece: string): TokenId[] => {
    if (spec.wholePieces === "token") {
      const whole = spec.ids.get(wholePiece(piece, spec));
      if (whole !== undefined) return [whole];
    }
    return mergeSymbols(symbolsOf(piece), spec.merges);
  };
  return (text, place) => {
    if (text === "") return [];
    const ids: TokenId[] = [];
    for (const piece of splitText(spec.normalize(text, place), spec.splits)) {
      for (const id of encodePiece(piece)) ids.push(id);
    }
    return ids;
  };
}
