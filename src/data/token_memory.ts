/**
 * A corpus of tokens in memory: two or four bytes a token and about thirty a document.
 *
 * @module
 */
import { indexBuilder, indexedDocument } from "./document_index.ts";
import type { TokenDocument } from "./documents.ts";
import { growingArray, type NumberBlock } from "./growing_array.ts";
import type { Corpus } from "./packing.ts";

/** A corpus of a known number of tokens. */
export interface TokenCorpus extends Corpus {
  /** Tokens of all documents. */
  readonly tokens: number;
}

/** The smallest kind of array for the ids of a vocabulary; four bytes where its size is unknown. */
export function tokenBlock(vocabularySize = Infinity): (length: number) => NumberBlock {
  return vocabularySize <= 2 ** 16
    ? (length) => new Uint16Array(length)
    : (length) => new Int32Array(length);
}

/**
 * Gathers documents in memory, up to a number of tokens.
 *
 * @example
 * ```ts
 * import { gatherDocuments, responseDocument } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const documents = [responseDocument([1], [2]), responseDocument([3, 4], [5])];
 * const corpus = await gatherDocuments(documents, { vocabularySize: 8 });
 * assertEquals([corpus.length, corpus.tokens], [2, 5]);
 * assertEquals(corpus.document(1), documents[1]);
 * ```
 *
 * @param documents the documents; no more are asked for than are taken
 * @param options.vocabularySize ids are below it; up to 65,536, a token takes two bytes
 * @param options.maximumTokens the document that reaches it is the last
 */
export async function gatherDocuments(
  documents: Iterable<TokenDocument> | AsyncIterable<TokenDocument>,
  { vocabularySize, maximumTokens = Infinity }: {
    readonly vocabularySize?: number;
    readonly maximumTokens?: number;
  } = {},
): Promise<TokenCorpus> {
  const tokens = growingArray(tokenBlock(vocabularySize));
  const { index, add } = indexBuilder();
  for await (const document of documents) {
    tokens.append(document.tokens);
    add(document);
    if (tokens.length >= maximumTokens) break;
  }
  const readTokens = (start: number, end: number): Int32Array => {
    const copy = new Int32Array(end - start);
    tokens.copyTo(copy, start);
    return copy;
  };
  return {
    length: index.tokenEnds.length,
    tokens: tokens.length,
    document: (number) => indexedDocument(index, number, readTokens),
  };
}
