/**
 * Reads a byte source from front to back through a window, little endian.
 *
 * Only `need` waits for the source; the typed reads are synchronous and take what `need` promised.
 * A header of 100,000 strings is thus parsed with a handful of reads, and nothing larger than the
 * window, or than a length that was checked against the file's size, is ever allocated.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { ByteSource } from "./bytes.ts";

/** A cursor over a byte source; see {@link sequentialReader}. */
export interface SequentialReader {
  /** Offset in the source of the next byte. */
  position(): number;
  /** Bytes from the position to the end of the source. */
  remaining(): number;
  /** Bytes that can be read without waiting. */
  buffered(): number;
  /** Makes `length` bytes readable; an OutriderError naming `what` if the source ends before. */
  need(length: number, what: string): Promise<void>;
  /** The next `length` bytes, as a view that is valid until the next `need`. */
  take(length: number): Uint8Array;
  /** The next unsigned 32-bit integer. */
  uint32(): number;
  /** The next unsigned 64-bit integer. */
  uint64(): bigint;
  /** The bytes that can be read without waiting, left unread; a view as `take` gives. */
  peek(): Uint8Array;
}

const WINDOW_BYTES = 1 << 20;

/** Starts reading a source at its first byte. */
export function sequentialReader(source: ByteSource): SequentialReader {
  let window: Uint8Array = new Uint8Array(0);
  let view: DataView = new DataView(new ArrayBuffer(0));
  let windowStart = 0;
  let at = 0; // within the window
  const advance = (length: number): number => {
    const start = at;
    at += length;
    return start;
  };
  return {
    position: () => windowStart + at,
    remaining: () => source.size - windowStart - at,
    buffered: () => window.length - at,
    async need(length, what) {
      if (window.length - at >= length) return;
      const position = windowStart + at;
      if (source.size - position < length) {
        throw new OutriderError(
          `${length} bytes of ${what} in ${source.name}`,
          `${source.size - position} left at offset ${position}`,
          "the file is damaged or cut short; get it again",
        );
      }
      const bytes = Math.min(source.size - position, Math.max(length, WINDOW_BYTES));
      window = await source.read(position, bytes);
      view = new DataView(window.buffer, window.byteOffset, window.byteLength);
      windowStart = position;
      at = 0;
    },
    take(length) {
      const start = advance(length);
      return window.subarray(start, start + length);
    },
    uint32: () => view.getUint32(advance(4), true),
    uint64: () => view.getBigUint64(advance(8), true),
    peek: () => window.subarray(at),
  };
}
