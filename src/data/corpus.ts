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
import { conversation, document, type Message } from "./language.ts";
import type { Corpus } from "./packing.ts";
import { type CorpusRecord, readRecords } from "./records.ts";

/** The name of the built-in corpus. */
export const LANGUAGE_CORPUS = "language";

/** How corpora are read. */
export interface CorpusOptions {
  /** What the built-in language's documents are drawn from (default 0). */
  readonly seed?: number;
  /** The weight of tokens that the assistant did not say, in conversations (default 0). */
  readonly promptWeight?: number;
  /** Reading of files stops after this many tokens (default 32 million). */
  readonly maximumTokens?: number;
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

/**
 * Opens a corpus: `language`, or files separated by commas (text or JSONL, plain or gzip), which
 * are read into memory as tokens.
 *
 * @throws OutriderError where a file cannot be read or nothing is in it
 */
export async function openCorpus(
  name: string,
  codec: DocumentCodec,
  options: CorpusOptions = {},
): Promise<Corpus> {
  if (name === LANGUAGE_CORPUS) return languageCorpus(codec, options);
  const { promptWeight = 0, maximumTokens = DEFAULT_MAXIMUM_TOKENS } = options;
  const documents: TokenDocument[] = [];
  let tokens = 0;
  for (const path of pathsOf(name)) {
    for await (const { record } of readRecords(path)) {
      const made = documentOf(record, codec, promptWeight);
      if (made.tokens.length < 2) continue;
      documents.push(made);
      tokens += made.tokens.length;
      if (tokens >= maximumTokens) break;
    }
    if (tokens >= maximumTokens) break;
  }
  return corpusOf(documents, name);
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
