/**
 * Lines of text files, plain or gzip, one after another and from any position.
 *
 * @module
 */
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { OutriderError } from "../core/errors.ts";

/** A line and the position behind it. */
export interface FileLine {
  /** The line without its end. */
  readonly text: string;
  /** Bytes of (uncompressed) text up to the next line: where to go on from. */
  readonly next: number;
  /** Whether the line's end was there; only a file's last line can lack it. */
  readonly isComplete: boolean;
}

/** Longer lines are not text. */
const MAXIMUM_LINE_BYTES = 64 * 2 ** 20;
const NEWLINE = 0x0a;

/**
 * The lines of a file, without holding more than one of them.
 *
 * Files that begin with gzip's two bytes are decompressed, whatever their name.
 *
 * @example
 * ```ts
 * import { readLines } from "@outrider/outrider/data";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => readLines("there/is/no/such.txt").next());
 * ```
 *
 * @param path the file
 * @param from a {@link FileLine}'s `next`, to go on where an earlier reader stopped
 * @throws OutriderError where the file cannot be read, is damaged, or has no line ends
 */
export async function* readLines(
  path: string,
  from = 0,
): AsyncGenerator<FileLine, void, unknown> {
  if (!Number.isSafeInteger(from) || from < 0) {
    throw new OutriderError("a position of 0 or more bytes", `${from}`, "start from 0");
  }
  try {
    yield* splitLines(await openText(path, from), path, from);
  } catch (error) {
    throw readingError(path, error);
  }
}

/** The text's bytes from a position on. */
async function openText(path: string, from: number): Promise<AsyncIterable<Uint8Array>> {
  const file = await Deno.open(path, { read: true });
  const magic = new Uint8Array(2);
  try {
    const count = await file.read(magic);
    const isGzip = count === 2 && magic[0] === 0x1f && magic[1] === 0x8b;
    await file.seek(isGzip ? 0 : from, Deno.SeekMode.Start);
    if (!isGzip) return file.readable;
  } catch (error) {
    file.close();
    throw error;
  }
  return dropBytes(gunzip(file.readable), from);
}

/** Unlike the web's decompression stream, Node's reads files of several gzip parts. */
function gunzip(compressed: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  // Whoever reads the stream gets its error; the callback has nothing to add.
  return pipeline(Readable.from(compressed), createGunzip(), () => {});
}

async function* dropBytes(
  chunks: AsyncIterable<Uint8Array>,
  count: number,
): AsyncGenerator<Uint8Array, void, unknown> {
  let left = count;
  for await (const chunk of chunks) {
    const dropped = Math.min(left, chunk.length);
    left -= dropped;
    if (dropped < chunk.length) yield chunk.subarray(dropped);
  }
}

async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  from: number,
): AsyncGenerator<FileLine, void, unknown> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let position = from;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = joinBytes([...pending, chunk.subarray(start, end)]);
      position += line.length + 1;
      yield { text: textOf(line), next: position, isComplete: true };
      [pending, pendingBytes, start] = [[], 0, end + 1];
    }
    if (start === chunk.length) continue;
    pending.push(chunk.slice(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > MAXIMUM_LINE_BYTES) {
      throw new OutriderError(
        `lines of at most ${MAXIMUM_LINE_BYTES} bytes in ${path}`,
        "a longer one",
        "check that it is a text file",
      );
    }
  }
  const rest = joinBytes(pending);
  if (rest.length > 0) {
    yield { text: textOf(rest), next: position + rest.length, isComplete: false };
  }
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The line as text; files from Windows end their lines with two characters. */
function textOf(line: Uint8Array): string {
  return new TextDecoder().decode(line).replace(/\r$/, "");
}

/** What happened to a file, in one line. */
export function readingError(path: string, error: unknown): OutriderError {
  if (error instanceof OutriderError) return error;
  if (error instanceof Deno.errors.NotFound) {
    return new OutriderError(`a file at ${path}`, "nothing there", "check the path");
  }
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return new OutriderError(`permission to use ${path}`, "none", "check its rights");
  }
  const message = error instanceof Error ? error.message : String(error);
  return new OutriderError(`a readable text file at ${path}`, message, "check the file");
}
