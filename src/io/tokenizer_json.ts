/**
 * The tokenizer of a Hugging Face `tokenizer.json` (byte-pair models).
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import {
  asArray,
  asBoolean,
  asCount,
  asObject,
  asString,
  field,
  type Json,
  type JsonObject,
  shortJson,
} from "./json_fields.ts";
import { quote } from "./quote.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";
import {
  readDecoder,
  readNormalizer,
  readPreTokenizer,
  readSurroundings,
} from "./tokenizer_json_steps.ts";
import { mergesFromPairs } from "./tokenizer_merges.ts";
import { type AddedToken, endOfTurnIds, plainIds } from "./tokenizer_spec.ts";
import { byteOfToken, type TokenId, type TokenKind } from "./tokenizer_vocabulary.ts";

/** What other files of a model folder say about its tokenizer. */
export interface TokenizerSettings {
  /** The text of the token that begins a text. */
  readonly bosToken?: string;
  /** The text of the token that ends a text. */
  readonly eosToken?: string;
  /** Further ids that end an answer. */
  readonly eosIds?: readonly TokenId[];
  /** Jinja source of the chat template. */
  readonly chatTemplate?: string;
}

const WHAT = "tokenizer.json";

/** The `model` part, checked to be a byte-pair model without what is not supported. */
function readModel(root: JsonObject): JsonObject {
  const model = asObject(field(root, "model"), `model in ${WHAT}`);
  const type = field(model, "type") ?? "BPE";
  const unusual = ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]
    .filter((key) => ![undefined, "", 0].includes(plainField(model, key)));
  if (type === "BPE" && unusual.length === 0) return model;
  throw new OutriderError(
    `a plain byte-pair (BPE) model in ${WHAT}`,
    type === "BPE" ? `the option ${unusual[0]}` : shortJson(type),
    "use a model with such a tokenizer",
  );
}

function plainField(object: JsonObject, key: string): string | number | undefined {
  const value = field(object, key);
  return typeof value === "string" || typeof value === "number" || value === undefined
    ? value
    : shortJson(value);
}

/** One entry of `added_tokens`. */
interface AddedEntry extends AddedToken {
  readonly kind: "control" | "userDefined";
}

function readAddedTokens(root: JsonObject): AddedEntry[] {
  const list = field(root, "added_tokens");
  return (list === undefined ? [] : asArray(list, `added_tokens in ${WHAT}`)).map((value) => {
    const entry = asObject(value, `an added token in ${WHAT}`);
    const text = asString(field(entry, "content"), `the text of an added token in ${WHAT}`);
    const flag = (key: string): boolean =>
      asBoolean(field(entry, key) ?? false, `${key} of ${text}`);
    if (text === "" || flag("single_word")) {
      throw new OutriderError(
        `added tokens in ${WHAT} with a text and without single_word`,
        quote(text),
        "use the model's GGUF file",
      );
    }
    return {
      text,
      id: asCount(field(entry, "id"), `the id of ${quote(text)} in ${WHAT}`),
      strip: { left: flag("lstrip"), right: flag("rstrip") },
      kind: flag("special") ? "control" : "userDefined",
    };
  });
}

/** Token texts and kinds by id. Few ids may be left out; those are unused. */
function readVocabulary(
  model: JsonObject,
  added: readonly AddedEntry[],
): { tokens: string[]; kinds: TokenKind[] } {
  const vocabulary = Object.entries(asObject(field(model, "vocab"), `model.vocab in ${WHAT}`));
  const hasByteTokens = field(model, "byte_fallback") === true;
  const most = 2 * (vocabulary.length + added.length) + 1024;
  const tokens: string[] = [];
  const kinds: TokenKind[] = [];
  const place = (text: string, id: number, kind: TokenKind): void => {
    const isFree = [undefined, "unused"].includes(kinds[id]) || tokens[id] === text;
    if (id >= most || !isFree) {
      throw new OutriderError(
        `token ids in ${WHAT} below ${most}, each once`,
        `${id} for ${quote(text)}`,
        "the file is damaged; get it again",
      );
    }
    while (tokens.length <= id) {
      tokens.push("");
      kinds.push("unused");
    }
    tokens[id] = text;
    kinds[id] = kind;
  };
  for (const [text, value] of vocabulary) {
    const id = asCount(value, `the id of ${quote(text)} in ${WHAT}`);
    const isByte = hasByteTokens && byteOfToken(text) !== undefined;
    place(text, id, isByte ? "byte" : "normal");
  }
  for (const { text, id, kind } of added) place(text, id, kind);
  return { tokens, kinds };
}

/** Merges are pairs, or in older files both texts with a space between. */
function readMerges(model: JsonObject): (readonly [string, string])[] {
  return asArray(field(model, "merges"), `model.merges in ${WHAT}`).map((value, index) => {
    const parts = typeof value === "string" ? value.split(" ") : value;
    if (Array.isArray(parts) && parts.length === 2) {
      const [left, right] = parts;
      if (typeof left === "string" && typeof right === "string") return [left, right];
    }
    throw new OutriderError(
      `a pair of tokens as merge ${index} in ${WHAT}`,
      shortJson(value),
      "the file is damaged; get it again",
    );
  });
}

/**
 * Builds the tokenizer that a parsed tokenizer.json describes.
 *
 * @throws {OutriderError} when the file is damaged or uses a step that is not supported.
 * @example
 * ```ts
 * import { tokenizerFromJson } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const tokenizer = tokenizerFromJson({
 *   added_tokens: [{ id: 3, content: "<end>", special: true }],
 *   pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
 *   model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: [["a", "b"]] },
 * });
 * assertEquals(tokenizer.encode("aab<end>"), [0, 2, 3]);
 * ```
 */
export function tokenizerFromJson(json: Json, settings: TokenizerSettings = {}): Tokenizer {
  const root = asObject(json, WHAT);
  const model = readModel(root);
  const added = readAddedTokens(root);
  const { tokens, kinds } = readVocabulary(model, added);
  const ids = plainIds(tokens, kinds);
  const allIds = new Map(tokens.map((text, id) => [text, id]));
  const idOf = (text: string): TokenId => {
    const id = allIds.get(text);
    if (id !== undefined) return id;
    throw new OutriderError(`the token ${quote(text)} in ${WHAT}`, "none", "get it again");
  };
  const optionalId = (text: string | undefined): TokenId | undefined =>
    text === undefined ? undefined : idOf(text);
  const before = readPreTokenizer(field(root, "pre_tokenizer"));
  const decoder = readDecoder(field(root, "decoder"));
  const isByteLevel = before.byteLevel || decoder.byteLevel;
  const steps = [...readNormalizer(field(root, "normalizer")), ...before.normalize];
  const surroundings = readSurroundings(field(root, "post_processor"));
  const unknown = field(model, "unk_token");
  const eos = optionalId(settings.eosToken);
  return createTokenizer({
    tokens,
    kinds,
    ids,
    spelling: isByteLevel ? "byteLevel" : "sentencePiece",
    merges: mergesFromPairs(ids, tokens.length, readMerges(model)),
    normalize: (text, place) => steps.reduce((changed, step) => step(changed, place), text),
    splits: before.splits,
    wholePieces: field(model, "ignore_merges") === true ? "token" : "merges",
    added,
    unknown: unknown === undefined ? undefined : idOf(asString(unknown, `unk_token in ${WHAT}`)),
    prefix: surroundings.before.map(idOf),
    suffix: surroundings.after.map(idOf),
    leadingSpace: decoder.leadingSpace,
    bos: optionalId(settings.bosToken),
    eos,
    endOfTurn: endOfTurnIds(tokens, kinds, [eos, ...settings.eosIds ?? []]),
    chatTemplate: settings.chatTemplate,
  });
}
