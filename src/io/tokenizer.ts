/**
 * Text to token ids and back, for byte-level and SentencePiece byte-pair vocabularies.
 *
 * The encoder is our own rather than a library's, for three things that chat decoding needs: GGUF
 * files hold scores instead of merges, user text must be encodable with control tokens switched
 * off, and a vocabulary of 50,000 tokens must be ready in a fraction of a second.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { sha256OfText } from "./sha256.ts";
import { type DecodeOptions, type StreamDecoder, streamDecoderOf } from "./tokenizer_decode.ts";
import { addedTokenFinder, plainEncoder } from "./tokenizer_encode.ts";
import type { TokenizerSpec } from "./tokenizer_spec.ts";
import { bytesOfToken, type TokenId } from "./tokenizer_vocabulary.ts";

/** Choices of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Whether to add the tokens that the model wants around a text (default true). */
  readonly addSpecial?: boolean;
  /** Whether the names of control tokens in the text become these tokens (default true). */
  readonly parseSpecial?: boolean;
  /** The mark that {@link Tokenizer.guard} put into parts of the text, to be dropped again. */
  readonly guardMark?: string;
}

/** Turns text into token ids and back. */
export interface Tokenizer {
  /** Number of token ids. */
  readonly vocabularySize: number;
  /** Begins a text, if the model has such a token. */
  readonly bos?: TokenId;
  /** Ends a text, if the model has such a token. */
  readonly eos?: TokenId;
  /** All ids that end an answer. */
  readonly endOfTurn: ReadonlySet<TokenId>;
  /** Jinja source of the chat template, if the model has one. */
  readonly chatTemplate?: string;
  /** SHA-256 of the vocabulary: models with equal hashes can draft for each other. */
  readonly hash: string;
  /** The ids of a text; any string will do, lone surrogates become U+FFFD. */
  encode(text: string, options?: EncodeOptions): TokenId[];
  /**
   * Puts `mark` into every name of a control token in the text, so that encoding with that mark as
   * `guardMark` makes plain text of it. The mark is one character that the text does not contain.
   */
  guard(text: string, mark: string): string;
  /** The text of ids; control tokens are left out unless asked for. */
  decode(ids: readonly TokenId[], options?: DecodeOptions): string;
  /** Decodes ids as they come, after those in `preceding`; never emits a broken character. */
  streamDecoder(preceding?: readonly TokenId[], options?: DecodeOptions): StreamDecoder;
  /** The text of one token by itself, control tokens by name. */
  tokenText(id: TokenId): string;
}

/** Builds the tokenizer that a specification describes. */
export function createTokenizer(spec: TokenizerSpec): Tokenizer {
  const { tokens, kinds, spelling } = spec;
  const encodePlain = plainEncoder(spec);
  const findAll = addedTokenFinder(spec.added);
  const findInPlainText = addedTokenFinder(spec.added.filter(({ id }) => kinds[id] !== "control"));
  const findControl = addedTokenFinder(
    spec.added.filter(({ id }) => kinds[id] === "control")
      .map(({ text, id }) => ({ text, id, strip: { left: false, right: false } })),
  );
  const startStream = streamDecoderOf(spec);
  return {
    vocabularySize: tokens.length,
    bos: spec.bos,
    eos: spec.eos,
    endOfTurn: spec.endOfTurn,
    chatTemplate: spec.chatTemplate,
    hash: sha256OfText(JSON.stringify(tokens)),
    encode(text, { addSpecial = true, parseSpecial = true, guardMark = "" } = {}) {
      const find = parseSpecial ? findAll : findInPlainText;
      const ids: TokenId[] = addSpecial ? [...spec.prefix] : [];
      let isFirst = true;
      for (const segment of find(text.toWellFormed())) {
        if ("id" in segment) {
          ids.push(segment.id);
        } else {
          const plain = guardMark === "" ? segment.text : segment.text.replaceAll(guardMark, "");
          for (const id of encodePlain(plain, isFirst ? "first" : "later")) ids.push(id);
        }
        isFirst = false;
      }
      if (addSpecial) ids.push(...spec.suffix);
      return ids;
    },
    guard(text, mark) {
      let guarded = "";
      for (const segment of findControl(text)) {
        if ("text" in segment) guarded += segment.text;
        else guarded += [...tokens[segment.id]].map((character) => character + mark).join("");
      }
      return guarded;
    },
    decode(ids, options = {}) {
      const stream = startStream([], options);
      return ids.map((id) => stream.push(id)).join("") + stream.flush();
    },
    streamDecoder: (preceding = [], options = {}) => startStream(preceding, options),
    tokenText(id) {
      if (tokens[id] === undefined) {
        throw new OutriderError(`a token id below ${tokens.length}`, String(id), "check the id");
      }
      return new TextDecoder("utf-8", { ignoreBOM: true })
        .decode(bytesOfToken(tokens[id], kinds[id], spelling));
    },
  };
}
