/**
 * Random-access bytes: the one thing that the file readers ask of a file.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { fileError } from "./file_errors.ts";

/** A Uint8Array that owns plain (not shared) memory. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A thing of known size that can be read anywhere: a file, a buffer, a ranged URL. */
export interface ByteSource {
  /** What error messages call it, such as the path. */
  readonly name: string;
  /** Size in bytes. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes at `offset`; rejects with an OutriderError otherwise. A source may
   * read into the caller's `scratch` memory and give a view of it, which saves an allocation.
   */
  read(offset: number, length: number, scratch?: Bytes): Promise<Bytes>;
  /** Gives back the file handle, if there is one; reading afterwards is an error. */
  close(): void;
}

/** Checks a range against a size before anything is allocated for it. */
function checkRange(name: string, size: number, offset: number, length: number): void {
  const valid = Number.isSafeInteger(offset) && Number.isSafeInteger(length) &&
    offset >= 0 && length >= 0 && offset <= size - length;
  if (valid) return;
  throw new OutriderError(
    `a range within the ${size} bytes of ${name}`,
    `${length} bytes at ${offset}`,
    "the file is damaged or cut short; get it again",
  );
}

/**
 * A byte source over bytes in memory.
 *
 * @example
 * ```ts
 * import { memorySource } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const source = memorySource(new Uint8Array([1, 2, 3]));
 * assertEquals(await source.read(1, 2), new Uint8Array([2, 3]));
 * ```
 */
export function memorySource(bytes: Uint8Array, name = "memory"): ByteSource {
  return {
    name,
    size: bytes.length,
    read: (offset, length) => {
      try {
        checkRange(name, bytes.length, offset, length);
      } catch (error) {
        return Promise.reject(error);
      }
      return Promise.resolve(bytes.slice(offset, offset + length));
    },
    close: () => {},
  };
}

/**
 * A byte source over a blob, such as a file that a person has chosen in a browser: nothing of it is
 * in memory until it is read.
 *
 * @example
 * ```ts
 * import { blobSource } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const source = blobSource(new Blob([new Uint8Array([1, 2, 3])]), "model.gguf");
 * assertEquals(await source.read(1, 2), new Uint8Array([2, 3]));
 * ```
 */
export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    read: async (offset, length) => {
      checkRange(name, blob.size, offset, length);
      const part = await blob.slice(offset, offset + length).arrayBuffer().catch((error) => {
        throw new OutriderError(`bytes of ${name}`, String(error), "choose the file again");
      });
      return new Uint8Array(part);
    },
    close: () => {},
  };
}

/** Fills memory from an open file in one turn. */
function readWhole(file: Deno.FsFile, path: string, offset: number, bytes: Bytes): Bytes {
  try {
    file.seekSync(offset, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) {
      const count = file.readSync(bytes.subarray(done));
      if (count === null) throw new Error("a file that became shorter while it was open");
      done += count;
    }
  } catch (error) {
    throw fileError(path, error);
  }
  return bytes;
}

/**
 * A byte source over a file; the caller closes it.
 *
 * @throws {OutriderError} when the file is missing, unreadable or not a plain file.
 */
export async function fileSource(path: string): Promise<ByteSource> {
  const file = await Deno.open(path).catch((error) => {
    throw fileError(path, error);
  });
  const { size, isFile } = file.statSync();
  if (!isFile) {
    file.close();
    throw new OutriderError(`a file at ${path}`, "something else", "name a file");
  }
  return {
    name: path,
    size,
    // Seek and read happen in one turn, so two pending reads cannot disturb each other.
    read: (offset, length, scratch) =>
      new Promise((resolve) => {
        checkRange(path, size, offset, length);
        const fits = scratch !== undefined && scratch.length >= length;
        const bytes = fits ? scratch.subarray(0, length) : new Uint8Array(length);
        resolve(readWhole(file, path, offset, bytes));
      }),
    close: () => file.close(),
  };
}

/**
 * A byte source over an http(s) URL whose server honours byte ranges.
 *
 * @throws {OutriderError} when the server does not answer with a range of known total size.
 */
export async function urlSource(url: string | URL): Promise<ByteSource> {
  const name = String(url);
  const range = async (offset: number, length: number): Promise<Response> => {
    const headers = { range: `bytes=${offset}-${offset + length - 1}` };
    const response = await fetch(url, { headers }).catch((error) => {
      throw new OutriderError(`an answer from ${name}`, String(error), "check the network");
    });
    if (response.status === 206) return response;
    await response.body?.cancel();
    throw new OutriderError(
      `a partial answer (status 206) from ${name}`,
      `status ${response.status}`,
      "download the file and open the local copy",
    );
  };
  const first = await range(0, 1);
  await first.body?.cancel();
  const size = Number(/\/(\d+)$/.exec(first.headers.get("content-range") ?? "")?.[1]);
  if (!Number.isSafeInteger(size)) {
    throw new OutriderError(`a total size from ${name}`, "none", "download the file first");
  }
  return {
    name,
    size,
    read: async (offset, length) => {
      checkRange(name, size, offset, length);
      if (length === 0) return new Uint8Array(0);
      const bytes = new Uint8Array(await (await range(offset, length)).arrayBuffer());
      if (bytes.length === length) return bytes;
      throw new OutriderError(`${length} bytes from ${name}`, `${bytes.length}`, "try again");
    },
    close: () => {},
  };
}
