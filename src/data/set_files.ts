/**
 * The files of a set that is written to: locked, cut back to what is whole, and appended to.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { readingError } from "./file_lines.ts";

/** True where there is something at a path. */
export async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw readingError(path, error);
  }
}

/** Holds a file against other writers until it is closed, or this process ends. */
export async function lockFile(path: string): Promise<Deno.FsFile> {
  const file = await Deno.open(path, { read: true, write: true });
  if (await file.tryLock(true)) return file;
  file.close();
  throw new OutriderError(
    "a set that nobody else writes to",
    `one that another process holds by ${path}`,
    "wait for it, or name another folder",
  );
}

/** Opens a file to append behind its first `size` bytes; what lies behind them goes. */
export async function openAt(path: string, size: number): Promise<Deno.FsFile> {
  try {
    const file = await Deno.open(path, { write: true, create: true });
    const { size: found } = await file.stat();
    if (found < size) {
      file.close();
      throw new OutriderError(`${size} bytes in ${path}`, `${found}`, "write the set again");
    }
    await file.truncate(size);
    await file.seek(size, Deno.SeekMode.Start);
    return file;
  } catch (error) {
    throw readingError(path, error);
  }
}

/** Writes all of some bytes. */
export async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** Reads `count` rows of `size` bytes from row `from` on; `what` names them where they lack. */
export function readRowsSync(
  file: Deno.FsFile,
  { from, count, size, what }: {
    readonly from: number;
    readonly count: number;
    readonly size: number;
    readonly what: string;
  },
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count * size);
  file.seekSync(from * size, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) {
    const read = file.readSync(bytes.subarray(at));
    if (read === null) {
      const expected = `${count} rows of ${what} from row ${from} on`;
      throw new OutriderError(expected, "the file's end", "write them again");
    }
    at += read;
  }
  return bytes;
}
