/**
 * Corpora by name: the built-in language, text files and JSONL files.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, type Key, keyOf, permutation, uniform } from "../core/random.ts";
import {
  conversationDocument,
  type DocumentCodec,
  textDocument,
  type TokenDocument,
} from "./documents.ts";
import { joinCorpora } from "./join_corpora.ts";
import { conversation, document, type Message } from "./language.ts";
import type { Corpus } from "./packing.ts";
import { type CorpusRecord, readRecords } from "./records.ts";
import { cachedTokens } from "./token_cache.ts";
import { gatherDocuments, type TokenCorpus } from "./token_memory.ts";

/** The name of the built-in corpus. */
export const LANGUAGE_CORPUS = "language";

/** How corpora are read. */
export interface CorpusOptions {
  /** What the built-in language's documents are drawn from (default 0). */
  readonly seed?: number;
  /** The weight of tokens that the assistant did not say, in conversations (default 0). */
  readonly promptWeight?: number;
  /** Reading of files stops after this many tokens (default 32 million; all with a cache). */
  readonly maximumTokens?: number;
  /** Where the tokens of files are kept on the disk; in memory if left out. */
  readonly cache?: {
    /** The folder, which is made where there is none. */
    readonly folder: string;
    /** What tells the codec from others: a tokenizer's hash and a chat template, for instance. */
    readonly codec: string;
  };
}

const DEFAULT_MAXIMUM_TOKENS = 32_000_000;

/** One document of the built-in language in this many is plain text instead of a conversation. */
const PLAIN_SHARE = 0.1;

/**
 * The built-in language as a corpus without end: nine conversations to one plain text.
 *
 * @example
 * ```ts
 * import { bytePairCodec, languageCorpus, renderChatMl, trainBytePairs } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const { encode } = bytePairCodec(trainBytePairs(["a story"], { size: 260 }));
 * const renderChat = renderChatMl;
 * const corpus = languageCorpus({ encode, renderChat }, { seed: 3 });
 * assertEquals(corpus.document(8), corpus.document(8));
 * ```
 */
export function languageCorpus(codec: DocumentCodec, options: CorpusOptions = {}): Corpus {
  const { seed = 0, promptWeight = 0 } = options;
  return {
    length: Infinity,
    document: (index) => {
      const key: Key = foldIn(foldIn(keyOf(seed), "corpus"), index);
      return uniform(foldIn(key, "plain")) < PLAIN_SHARE
        ? textDocument(document(key), codec)
        : conversationDocument(conversation(key).messages, codec, promptWeight);
    },
  };
}

function documentOf(
  record: CorpusRecord,
  codec: DocumentCodec,
  promptWeight: number,
): TokenDocument {
  return record.kind === "text"
    ? textDocument(record.text, codec)
    : conversationDocument(record.messages, codec, promptWeight);
}

/** The documents of a file, in order, as they are read. */
async function* documentsIn(
  path: string,
  codec: DocumentCodec,
  promptWeight: number,
): AsyncGenerator<TokenDocument> {
  for await (const { record } of readRecords(path)) {
    const made = documentOf(record, codec, promptWeight);
    if (made.tokens.length >= 2) yield made;
  }
}

async function* documentsInAll(
  paths: readonly string[],
  codec: DocumentCodec,
  promptWeight: number,
): AsyncGenerator<TokenDocument> {
  for (const path of paths) yield* documentsIn(path, codec, promptWeight);
}

/**
 * Opens a corpus: `language`, or files separated by commas (text or JSONL, plain or gzip).
 *
 * Files are tokenised into memory, or, where a cache is named, once into a token file for each, from
 * which documents are read when they are asked for: such a corpus may be larger than memory.
 *
 * @throws OutriderError where a file cannot be read or nothing is in it
 */
export async function openCorpus(
  name: string,
  codec: DocumentCodec,
  options: CorpusOptions = {},
): Promise<Corpus> {
  if (name === LANGUAGE_CORPUS) return languageCorpus(codec, options);
  const { promptWeight = 0, cache } = options;
  const paths = pathsOf(name);
  const corpora: TokenCorpus[] = [];
  if (cache === undefined) {
    const { maximumTokens = DEFAULT_MAXIMUM_TOKENS } = options;
    const { vocabularySize } = codec;
    const documents = documentsInAll(paths, codec, promptWeight);
    corpora.push(await gatherDocuments(documents, { vocabularySize, maximumTokens }));
  } else {
    let left = options.maximumTokens ?? Infinity;
    for (const path of paths) {
      if (left <= 0) break;
      const documents = documentsIn(path, codec, promptWeight);
      const corpus = await cachedTokens(path, documents, {
        ...cache,
        codec: `${cache.codec} ${codec.endOfText} ${promptWeight}`,
        vocabularySize: codec.vocabularySize,
        maximumTokens: left,
      });
      corpora.push(corpus);
      left -= corpus.tokens;
    }
  }
  const filled = corpora.filter(({ length }) => length > 0);
  return filled.length > 0 ? joinCorpora(filled) : corpusOf([], name);
}

/** Documents in memory as a corpus; `name` is for the error where there are none. */
export function corpusOf(documents: readonly TokenDocument[], name = "the corpus"): Corpus {
  if (documents.length === 0) {
    throw new OutriderError(`documents in ${name}`, "none", "choose another corpus");
  }
  return { length: documents.length, document: (index) => documents[index] };
}

function pathsOf(name: string): string[] {
  const paths = name.split(",").map((path) => path.trim()).filter((path) => path !== "");
  if (paths.length > 0) return paths;
  throw new OutriderError(`"${LANGUAGE_CORPUS}" or file names`, `"${name}"`, "name a corpus");
}

/** The conversation up to the last thing the user says; empty where the user says nothing. */
function promptOf(messages: readonly Message[]): readonly Message[] {
  return messages.slice(0, messages.findLastIndex(({ role }) => role === "user") + 1);
}

/**
 * Prompts for a distillation set, in an order drawn from the seed: conversations that end with the
 * user. `language` makes as many as wanted; files give at most what they hold.
 *
 * @example
 * ```ts
 * import { openPrompts } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const prompts = await openPrompts("language", { seed: 1, count: 5 });
 * assertEquals(prompts.map((messages) => messages.at(-1)?.role), Array(5).fill("user"));
 * ```
 *
 * @throws OutriderError where a file cannot be read or holds no prompts
 */
export async function openPrompts(
  name: string,
  { seed = 0, count }: { readonly seed?: number; readonly count: number },
): Promise<(readonly Message[])[]> {
  const key = foldIn(keyOf(seed), "prompts");
  if (name === LANGUAGE_CORPUS) {
    return Array.from({ length: count }, (_, i) => promptOf(conversation(foldIn(key, i)).messages));
  }
  const prompts: (readonly Message[])[] = [];
  for (const path of pathsOf(name)) {
    for await (const { record } of readRecords(path)) {
      const prompt = record.kind === "text" ? [] : promptOf(record.messages);
      if (prompt.length > 0) prompts.push(prompt);
    }
  }
  if (prompts.length === 0) {
    throw new OutriderError(
      `instructions or conversations in ${name}`,
      "none",
      "choose another file",
    );
  }
  return Array.from(permutation(key, prompts.length).subarray(0, count), (i) => prompts[i]);
}
