/**
 * A corpus of tokens in a file, for corpora larger than memory and for runs that should not tokenise
 * again: the tokens are read when a document is asked for, and only the index is kept in memory.
 *
 * The file is, little endian: all tokens; the four lists of the index; a JSON footer; the footer's
 * length as four bytes. It is written in one pass over documents of any number.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { writeFileAtomically } from "../io/atomic_write.ts";
import { type DocumentIndex, indexBuilder, indexedDocument } from "./document_index.ts";
import type { TokenDocument } from "./documents.ts";
import { readingError } from "./file_lines.ts";
import type { NumberBlock } from "./growing_array.ts";
import { tokenBlock, type TokenCorpus } from "./token_memory.ts";

/** What the end of the file says of it. */
interface Footer {
  /** What kind of file this is. */
  readonly format: typeof FORMAT;
  /** Bytes of a token, 2 or 4. */
  readonly tokenBytes: number;
  readonly tokens: number;
  readonly documents: number;
  readonly runs: number;
}

const FORMAT = "outrider tokens 1";
const FOOTER_LENGTH_BYTES = 4;
const LONGEST_FOOTER = 4096;
/** Tokens are written in pieces of so many bytes or more. */
const PIECE_BYTES = 2 ** 18;

function bytesOf({ buffer, byteOffset, byteLength }: NumberBlock | Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The bytes of a token file. */
async function* fileBytes(
  documents: AsyncIterable<TokenDocument>,
  vocabularySize: number | undefined,
  maximumTokens: number,
): AsyncGenerator<Uint8Array> {
  const make = tokenBlock(vocabularySize);
  const { index, add } = indexBuilder();
  let [pending, pendingBytes, tokens]: [Uint8Array[], number, number] = [[], 0, 0];
  const joined = (): Uint8Array => {
    const bytes = new Uint8Array(pendingBytes);
    let at = 0;
    for (const part of pending) {
      bytes.set(part, at);
      at += part.length;
    }
    [pending, pendingBytes] = [[], 0];
    return bytes;
  };
  for await (const document of documents) {
    const block = make(document.tokens.length);
    block.set(document.tokens);
    pending.push(bytesOf(block));
    pendingBytes += block.byteLength;
    add(document);
    tokens += document.tokens.length;
    if (pendingBytes >= PIECE_BYTES) yield joined();
    if (tokens >= maximumTokens) break;
  }
  yield joined();
  const { tokenEnds, runEnds, runLengths, runWeights } = index;
  for (const list of [tokenEnds, runEnds, runLengths, runWeights]) {
    for (const part of list.parts()) yield bytesOf(part);
  }
  const footer: Footer = {
    format: FORMAT,
    tokenBytes: make(0).BYTES_PER_ELEMENT,
    tokens,
    documents: tokenEnds.length,
    runs: runLengths.length,
  };
  const text = new TextEncoder().encode(JSON.stringify(footer));
  yield text;
  yield bytesOf(Uint32Array.of(text.length));
}

/**
 * Writes documents into a token file, which is there whole or not at all.
 *
 * @param path the file
 * @param documents the documents, which need not fit into memory
 * @param options.vocabularySize ids are below it; up to 65,536, a token takes two bytes
 * @param options.maximumTokens the document that reaches it is the last
 */
export async function writeTokenFile(
  path: string,
  documents: AsyncIterable<TokenDocument>,
  { vocabularySize, maximumTokens = Infinity }: {
    readonly vocabularySize?: number;
    readonly maximumTokens?: number;
  } = {},
): Promise<void> {
  await writeFileAtomically(path, fileBytes(documents, vocabularySize, maximumTokens));
}

function isFooter(value: unknown): value is Footer {
  if (typeof value !== "object" || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const isCount = (name: string): boolean =>
    Number.isSafeInteger(fields[name]) && Number(fields[name]) >= 0;
  return fields.format === FORMAT && (fields.tokenBytes === 2 || fields.tokenBytes === 4) &&
    ["tokens", "documents", "runs"].every(isCount);
}

/** Reads a part of a file in one turn. */
function readPart(path: string, offset: number, bytes: Uint8Array): void {
  try {
    using file = Deno.openSync(path, { read: true });
    file.seekSync(offset, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) {
      const count = file.readSync(bytes.subarray(at));
      if (count === null) throw damaged(path, "its end in the middle");
      at += count;
    }
  } catch (error) {
    throw readingError(path, error);
  }
}

function damaged(path: string, found: string): OutriderError {
  return new OutriderError(`a whole token file in ${path}`, found, "remove it to tokenise again");
}

/** The footer of a file and where it begins. */
function readFooter(path: string): { readonly footer: Footer; readonly at: number } {
  const { size } = Deno.statSync(path);
  const length = new Uint32Array(1);
  if (size < FOOTER_LENGTH_BYTES) throw damaged(path, `${size} bytes`);
  readPart(path, size - FOOTER_LENGTH_BYTES, bytesOf(length));
  const at = size - FOOTER_LENGTH_BYTES - length[0];
  if (at < 0 || length[0] > LONGEST_FOOTER) throw damaged(path, "no footer");
  const text = new Uint8Array(length[0]);
  readPart(path, at, text);
  try {
    const footer: unknown = JSON.parse(new TextDecoder().decode(text));
    if (isFooter(footer)) return { footer, at };
  } catch {
    // Not JSON: no footer.
  }
  throw damaged(path, "no footer");
}

function readIndex(
  path: string,
  { documents, runs }: Footer,
  at: number,
): DocumentIndex {
  let offset = at;
  const next = <List extends NumberBlock>(list: List): List => {
    const bytes = bytesOf(list);
    readPart(path, offset, bytes);
    offset += bytes.length;
    return list;
  };
  return {
    tokenEnds: next(new Float64Array(documents)),
    runEnds: next(new Float64Array(documents)),
    runLengths: next(new Int32Array(runs)),
    runWeights: next(new Float32Array(runs)),
  };
}

/** Bytes of the index: two ends of eight bytes a document, a length and a weight of four a run. */
function indexBytes({ documents, runs }: Footer): number {
  return 16 * documents + 8 * runs;
}

/**
 * Opens a token file as a corpus. The file is opened anew for every document that is asked for, so a
 * corpus need not be closed.
 *
 * @throws OutriderError where the file cannot be read, or is no whole token file
 */
export function openTokenFile(path: string): TokenCorpus {
  try {
    const { footer, at } = readFooter(path);
    const { tokenBytes, tokens, documents } = footer;
    if (at !== tokens * tokenBytes + indexBytes(footer)) throw damaged(path, "another length");
    const index = readIndex(path, footer, tokens * tokenBytes);
    const make = tokenBlock(tokenBytes === 2 ? 2 ** 16 : undefined);
    const readTokens = (start: number, end: number): Int32Array => {
      const block = make(end - start);
      readPart(path, start * tokenBytes, bytesOf(block));
      return Int32Array.from(block);
    };
    return {
      length: documents,
      tokens,
      document: (number) => indexedDocument(index, number, readTokens),
    };
  } catch (error) {
    throw readingError(path, error);
  }
}
