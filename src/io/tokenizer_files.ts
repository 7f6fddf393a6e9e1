/**
 * The tokenizer of a GGUF file as the files that a Hugging Face folder has.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { ggufString, ggufStrings, required } from "./gguf_fields.ts";
import type { GgufMetadata } from "./gguf_types.ts";
import type { Json, JsonObject } from "./json_fields.ts";
import { quote } from "./quote.ts";
import {
  beginsWithBosByDefault,
  readKinds,
  roleId,
  surroundingIds,
  TOKENIZER_PREFIX,
} from "./tokenizer_gguf.ts";
import { namedPatterns } from "./tokenizer_splits.ts";
import type { TokenId, TokenKind } from "./tokenizer_vocabulary.ts";

/** What the files are written from. */
interface Parts {
  readonly tokens: readonly string[];
  readonly kinds: readonly TokenKind[];
  readonly merges: readonly string[];
  /** The pre-tokenizer's name. */
  readonly pre: string;
  readonly bos?: TokenId;
  readonly eos?: TokenId;
  readonly padding?: TokenId;
  /** Ids put before and after every text. */
  readonly prefix: readonly TokenId[];
  readonly suffix: readonly TokenId[];
  readonly chatTemplate?: string;
}

function partsOf(metadata: GgufMetadata): Parts {
  const key = (name: string): string => `${TOKENIZER_PREFIX}${name}`;
  const model = required(ggufString(metadata, key("model")), key("model"));
  if (model !== "gpt2") {
    throw new OutriderError(
      `a byte-level tokenizer ("gpt2" as ${key("model")})`,
      quote(model),
      "name the target's Hugging Face folder, whose tokenizer files can be copied",
    );
  }
  const tokens = required(ggufStrings(metadata, key("tokens")), key("tokens"));
  const [bos, eos, padding] = ["bos", "eos", "padding"]
    .map((role) => roleId(metadata, role, tokens.length));
  return {
    tokens,
    kinds: readKinds(metadata, tokens.length),
    merges: required(ggufStrings(metadata, key("merges")), key("merges")),
    pre: ggufString(metadata, key("pre")) ?? "default",
    bos,
    eos,
    padding,
    ...surroundingIds(metadata, model, bos, eos),
    chatTemplate: ggufString(metadata, "tokenizer.chat_template"),
  };
}

function vocabularyOf({ tokens }: Parts): JsonObject {
  const ids = new Map(tokens.map((text, id) => [text, id]));
  if (ids.size === tokens.length) return Object.fromEntries(ids);
  const twice = tokens.find((text, id) => ids.get(text) !== id) ?? "";
  throw new OutriderError("every token's text once", `${quote(twice)} twice`, "use a GGUF file");
}

function addedTokens({ tokens, kinds }: Parts): Json[] {
  const added = (content: string, id: number): Json[] => {
    const kind = kinds[id];
    if (content === "" || (kind !== "control" && kind !== "userDefined")) return [];
    const exact = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    return [{ id, content, ...exact, special: kind === "control" }];
  };
  return tokens.flatMap(added);
}

/** The splits of a named pre-tokenizer, each on its own, and bytes as printable characters. */
function preTokenizer(pre: string): Json {
  const splits = namedPatterns(pre).map((pattern) => ({
    type: "Split",
    pattern: { Regex: pattern },
    behavior: "Isolated",
    invert: false,
  }));
  return { type: "Sequence", pretokenizers: [...splits, byteLevel(false)] };
}

const byteLevel = (usesPattern: boolean): JsonObject => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: usesPattern,
});

/** Puts the tokens that the model wants around every text. */
function postProcessor({ tokens, prefix, suffix }: Parts): Json {
  if (prefix.length + suffix.length === 0) return null;
  const special = (type: number) => (id: TokenId): Json => ({
    SpecialToken: { id: tokens[id], type_id: type },
  });
  const around = (name: string, type: number): Json[] => [
    ...prefix.map(special(type)),
    { Sequence: { id: name, type_id: type } },
    ...suffix.map(special(type)),
  ];
  const used = [...new Set([...prefix, ...suffix])];
  return {
    type: "TemplateProcessing",
    single: around("A", 0),
    pair: [...around("A", 0), ...around("B", 1)],
    special_tokens: Object.fromEntries(
      used.map((id) => [tokens[id], { id: tokens[id], ids: [id], tokens: [tokens[id]] }]),
    ),
  };
}

function tokenizerJson(parts: Parts): JsonObject {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(parts),
    normalizer: parts.pre === "qwen2" ? { type: "NFC" } : null,
    pre_tokenizer: preTokenizer(parts.pre),
    post_processor: postProcessor(parts),
    decoder: byteLevel(true),
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: beginsWithBosByDefault(parts.pre),
      vocab: vocabularyOf(parts),
      merges: parts.merges,
    },
  };
}

/** Leaves out what is not there. */
function defined(fields: Readonly<Record<string, Json | undefined>>): JsonObject {
  const found: Record<string, Json> = {};
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) found[name] = value;
  return found;
}

function settingsJson({ tokens, bos, eos, padding, chatTemplate }: Parts): JsonObject {
  const text = (id: TokenId | undefined) => id === undefined ? undefined : tokens[id];
  return defined({
    // The class that takes tokenizer.json as it stands; named ones build their own splits.
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: text(bos),
    eos_token: text(eos),
    pad_token: text(padding),
    clean_up_tokenization_spaces: false,
    chat_template: chatTemplate,
  });
}

/** What the metadata of a GGUF file come to in a Hugging Face folder. */
export interface TokenizerFiles {
  /** Contents by file name: tokenizer.json, tokenizer_config.json, generation_config.json. */
  readonly files: ReadonlyMap<string, JsonObject>;
  /** The ids that config.json names. */
  readonly config: JsonObject;
}

/**
 * The tokenizer files for the tokenizer of a GGUF file.
 *
 * @throws {OutriderError} when it is not byte-level, or a token comes twice: SentencePiece files have
 * rules that GGUF metadata do not tell
 */
export function tokenizerFiles(metadata: GgufMetadata): TokenizerFiles {
  const parts = partsOf(metadata);
  const config = defined({
    bos_token_id: parts.bos,
    eos_token_id: parts.eos,
    pad_token_id: parts.padding,
  });
  const files = new Map([
    ["tokenizer.json", tokenizerJson(parts)],
    ["tokenizer_config.json", settingsJson(parts)],
    ["generation_config.json", config],
  ]);
  return { files, config };
}
