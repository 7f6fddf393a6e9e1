/**
 * Token files by what they were made of, so that a second run does not tokenise again.
 *
 * @module
 */
import { sha256OfChunks } from "../io/checksum.ts";
import { sha256OfText } from "../io/sha256.ts";
import { OutriderError } from "../core/errors.ts";
import type { TokenDocument } from "./documents.ts";
import { readingError } from "./file_lines.ts";
import { openTokenFile, writeTokenFile } from "./token_file.ts";
import type { TokenCorpus } from "./token_memory.ts";

/** How a file's tokens are kept. */
export interface TokenCacheOptions {
  /** The folder of token files. */
  readonly folder: string;
  /** What the documents depend on besides the file's content. */
  readonly codec: string;
  /** Ids are below it. */
  readonly vocabularySize?: number;
  /** The document that reaches it is the last. */
  readonly maximumTokens: number;
}

async function contentHash(path: string): Promise<string> {
  try {
    const file = await Deno.open(path, { read: true });
    return await sha256OfChunks(file.readable);
  } catch (error) {
    throw readingError(path, error);
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    throw readingError(folder, error);
  }
}

/**
 * The documents of a file as a corpus: out of the cache where the same content was tokenised in the
 * same way before, else tokenised now and kept. A damaged token file is made again.
 *
 * @param path the file that the documents are made of
 * @param documents its documents; not begun where the cache has them
 * @param options where and how tokens are kept
 * @throws OutriderError where the file cannot be read or the folder not be written
 */
export async function cachedTokens(
  path: string,
  documents: AsyncIterable<TokenDocument>,
  { folder, codec, vocabularySize, maximumTokens }: TokenCacheOptions,
): Promise<TokenCorpus> {
  const content = await contentHash(path);
  // Whether a file is JSONL is told by its name.
  const extension = path.match(/(\.\w+){1,2}$/)?.[0] ?? "";
  const made = [codec, content, extension, vocabularySize ?? 0, `${maximumTokens}`];
  const file = `${folder}/${sha256OfText(JSON.stringify(made)).slice(0, 32)}.tokens`;
  try {
    return openTokenFile(file);
  } catch (error) {
    if (!(error instanceof OutriderError)) throw error;
  }
  await makeFolder(folder);
  await writeTokenFile(file, documents, { vocabularySize, maximumTokens });
  return openTokenFile(file);
}
