/**
 * Files that are either wholly there or not there: written beside their place, then renamed.
 *
 * @module
 */

import { fileError } from "./file_errors.ts";

/** Anything that yields the parts of a file in order. */
export type ByteChunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** A name beside `path` that no other process uses at the same time. */
export function temporaryName(path: string): string {
  return `${path}.${crypto.randomUUID()}.tmp`;
}

async function writeAll(file: Deno.FsFile, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length;) done += await file.write(chunk.subarray(done));
}

/**
 * Writes a file so that a reader, or a run killed at any instant, sees the old file or the new one
 * and never a part: temporary name in the same folder, flush to the disk, rename. The folder must
 * exist.
 *
 * @throws {OutriderError} when the file system refuses; the temporary file is then removed. What
 * the chunks themselves throw passes through.
 */
export async function writeFileAtomically(path: string, chunks: ByteChunks): Promise<void> {
  const temporary = temporaryName(path);
  const fail = (error: unknown): never => {
    throw fileError(path, error);
  };
  const file = await Deno.open(temporary, { write: true, createNew: true }).catch(fail);
  try {
    for await (const chunk of chunks) await writeAll(file, chunk).catch(fail);
    await file.sync().catch(fail);
    file.close();
    await Deno.rename(temporary, path).catch(fail);
  } catch (error) {
    closeQuietly(file);
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/** Writes UTF-8 text with {@link writeFileAtomically}. */
export function writeTextAtomically(path: string, text: string): Promise<void> {
  return writeFileAtomically(path, [new TextEncoder().encode(text)]);
}

const RANDOM_NAME = /^\.[0-9a-f-]{36}\.tmp$/;

/**
 * Removes what processes that were killed in {@link writeFileAtomically} have left beside `path`;
 * no other process may be writing it.
 */
export async function removeTemporaries(path: string): Promise<void> {
  const [, folder, name] = path.match(/^(.*?)([^/\\]*)$/s) ?? ["", "", path];
  for await (const entry of Deno.readDir(folder === "" ? "." : folder)) {
    if (!entry.name.startsWith(name) || !RANDOM_NAME.test(entry.name.slice(name.length))) continue;
    await Deno.remove(`${folder}${entry.name}`).catch(() => {});
  }
}

/** Closes a file that may already be closed; the error that led here matters more. */
function closeQuietly(file: Deno.FsFile): void {
  try {
    file.close();
  } catch {
    // Already closed.
  }
}
