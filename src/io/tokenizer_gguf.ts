/**
 * The tokenizer that a GGUF file carries in its metadata.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import {
  ggufBoolean,
  ggufNumber,
  ggufNumbers,
  ggufString,
  ggufStrings,
  required,
} from "./gguf_fields.ts";
import type { GgufMetadata } from "./gguf_types.ts";
import { quote } from "./quote.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";
import { mergesFromPairs, mergesFromScores } from "./tokenizer_merges.ts";
import { type AddedToken, endOfTurnIds, plainIds, type TokenizerSpec } from "./tokenizer_spec.ts";
import { namedSplits } from "./tokenizer_splits.ts";
import { type TokenId, type TokenKind, VISIBLE_SPACE } from "./tokenizer_vocabulary.ts";

/** What the keys of the tokenizer begin with. */
export const TOKENIZER_PREFIX = "tokenizer.ggml.";

/** What `tokenizer.ggml.token_type` numbers mean, from 1. */
const KINDS: readonly TokenKind[] = [
  "normal",
  "unknown",
  "control",
  "userDefined",
  "unused",
  "byte",
];

/** Pre-tokenizers whose models begin every text with `bos` unless they say otherwise. */
const BOS_BY_DEFAULT: ReadonlySet<string> = new Set(["llama-bpe", "llama3", "llama-v3"]);

/** Whether models with a pre-tokenizer begin every text with `bos` unless they say otherwise. */
export function beginsWithBosByDefault(preTokenizer: string): boolean {
  return BOS_BY_DEFAULT.has(preTokenizer);
}

/** What each token is for. */
export function readKinds(metadata: GgufMetadata, count: number): TokenKind[] {
  const key = `${TOKENIZER_PREFIX}token_type`;
  const types = ggufNumbers(metadata, key);
  if (types === undefined) return new Array<TokenKind>(count).fill("normal");
  if (types.length !== count) {
    throw new OutriderError(`${count} entries in "${key}"`, `${types.length}`, "convert it again");
  }
  return Array.from(types, (type) => {
    const kind = KINDS[type - 1];
    if (kind !== undefined) return kind;
    throw new OutriderError(`token types from 1 to 6 in "${key}"`, `${type}`, "convert it again");
  });
}

/** A token id by its role; an id beyond the vocabulary (such as 2^32 - 1) means there is none. */
export function roleId(metadata: GgufMetadata, role: string, count: number): TokenId | undefined {
  const id = ggufNumber(metadata, `${TOKENIZER_PREFIX}${role}_token_id`);
  return id !== undefined && Number.isInteger(id) && id >= 0 && id < count ? id : undefined;
}

function addedTokens(tokens: readonly string[], kinds: readonly TokenKind[]): AddedToken[] {
  const added: AddedToken[] = [];
  tokens.forEach((text, id) => {
    const isAdded = kinds[id] === "control" || kinds[id] === "userDefined";
    if (isAdded && text !== "") added.push({ text, id, strip: { left: false, right: false } });
  });
  return added;
}

function splitMerge(merge: string, index: number): readonly [string, string] {
  const cut = merge.indexOf(" ", 1);
  if (cut > 0 && cut < merge.length - 1) return [merge.slice(0, cut), merge.slice(cut + 1)];
  throw new OutriderError(
    `two tokens with a space between as merge ${index}`,
    quote(merge),
    "convert the model again",
  );
}

/** What differs between the two kinds of vocabulary. */
type Family = Pick<
  TokenizerSpec,
  "spelling" | "merges" | "normalize" | "splits" | "wholePieces" | "unknown" | "leadingSpace"
>;

function byteLevelFamily(metadata: GgufMetadata, ids: ReadonlyMap<string, TokenId>): Family {
  const merges = required(
    ggufStrings(metadata, `${TOKENIZER_PREFIX}merges`),
    `${TOKENIZER_PREFIX}merges`,
  );
  const count =
    required(ggufStrings(metadata, `${TOKENIZER_PREFIX}tokens`), `${TOKENIZER_PREFIX}tokens`)
      .length;
  const pre = ggufString(metadata, `${TOKENIZER_PREFIX}pre`) ?? "default";
  return {
    spelling: "byteLevel",
    merges: mergesFromPairs(ids, count, merges.map(splitMerge)),
    normalize: pre === "qwen2" ? (text) => text.normalize("NFC") : (text) => text,
    splits: namedSplits(pre),
    wholePieces: beginsWithBosByDefault(pre) ? "token" : "merges",
    // Bytes without a token are dropped: the file's unknown token is not meant for them.
    unknown: undefined,
    leadingSpace: "keep",
  };
}

function sentencePieceFamily(metadata: GgufMetadata, ids: ReadonlyMap<string, TokenId>): Family {
  const key = `${TOKENIZER_PREFIX}scores`;
  const scores = required(ggufNumbers(metadata, key), key);
  const count =
    required(ggufStrings(metadata, `${TOKENIZER_PREFIX}tokens`), `${TOKENIZER_PREFIX}tokens`)
      .length;
  if (scores.length !== count) {
    throw new OutriderError(`${count} entries in "${key}"`, `${scores.length}`, "convert it again");
  }
  const addsSpace = ggufBoolean(metadata, `${TOKENIZER_PREFIX}add_space_prefix`) ?? true;
  const visible = (text: string): string => text.replaceAll(" ", VISIBLE_SPACE);
  return {
    spelling: "sentencePiece",
    merges: mergesFromScores(ids, count, Float32Array.from(scores)),
    normalize: addsSpace ? (text) => visible(` ${text}`) : visible,
    splits: [],
    wholePieces: "merges",
    unknown: roleId(metadata, "unknown", count),
    leadingSpace: addsSpace ? "strip" : "keep",
  };
}

/** The ids put around every text: `bos` and `eos` where the file asks for them. */
export function surroundingIds(
  metadata: GgufMetadata,
  model: string,
  bos: TokenId | undefined,
  eos: TokenId | undefined,
): { prefix: TokenId[]; suffix: TokenId[] } {
  const pre = ggufString(metadata, `${TOKENIZER_PREFIX}pre`) ?? "default";
  const byDefault = model === "llama" || beginsWithBosByDefault(pre);
  const addsBos = ggufBoolean(metadata, `${TOKENIZER_PREFIX}add_bos_token`) ?? byDefault;
  const addsEos = ggufBoolean(metadata, `${TOKENIZER_PREFIX}add_eos_token`) ?? false;
  return {
    prefix: addsBos && bos !== undefined ? [bos] : [],
    suffix: addsEos && eos !== undefined ? [eos] : [],
  };
}

/**
 * Builds the tokenizer of a GGUF file: `tokenizer.ggml.model` "gpt2" (byte-level) or "llama"
 * (SentencePiece).
 *
 * @throws {OutriderError} when the metadata lack a part, contradict each other, or name a model or
 * pre-tokenizer that is not supported.
 * @example
 * ```ts
 * import { type GgufValue, tokenizerFromGguf } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const strings = (...value: string[]): GgufValue => ({ type: "array", elementType: "string", value });
 * const tokenizer = tokenizerFromGguf(
 *   new Map<string, GgufValue>([
 *     ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
 *     ["tokenizer.ggml.tokens", strings("a", "b", "ab")],
 *     ["tokenizer.ggml.merges", strings("a b")],
 *   ]),
 * );
 * assertEquals(tokenizer.encode("aab"), [0, 2]);
 * assertEquals(tokenizer.decode([0, 2]), "aab");
 * ```
 */
export function tokenizerFromGguf(metadata: GgufMetadata): Tokenizer {
  const tokens = required(
    ggufStrings(metadata, `${TOKENIZER_PREFIX}tokens`),
    `${TOKENIZER_PREFIX}tokens`,
  );
  const kinds = readKinds(metadata, tokens.length);
  const ids = plainIds(tokens, kinds);
  const model = required(
    ggufString(metadata, `${TOKENIZER_PREFIX}model`),
    `${TOKENIZER_PREFIX}model`,
  );
  if (model !== "gpt2" && model !== "llama") {
    throw new OutriderError(
      `"gpt2" or "llama" as ${TOKENIZER_PREFIX}model`,
      quote(model),
      "use another file",
    );
  }
  const family = model === "gpt2"
    ? byteLevelFamily(metadata, ids)
    : sentencePieceFamily(metadata, ids);
  const bos = roleId(metadata, "bos", tokens.length);
  const eos = roleId(metadata, "eos", tokens.length);
  const eot = roleId(metadata, "eot", tokens.length);
  return createTokenizer({
    tokens,
    kinds,
    ids,
    ...family,
    added: addedTokens(tokens, kinds),
    ...surroundingIds(metadata, model, bos, eos),
    bos,
    eos,
    endOfTurn: endOfTurnIds(tokens, kinds, [eos, eot]),
    chatTemplate: ggufString(metadata, "tokenizer.chat_template"),
  });
}
