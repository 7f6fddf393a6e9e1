/**
 * How rows of binary16 numbers lie in i32 words, and how attention reads them.
 *
 * Word 4b + j holds the elements 8b + j (low half) and 8b + 4 + j (high half), so that four words are
 * two vectors of four neighbours.
 *
 * @module
 */
import { halfToNumber } from "./half_float.ts";

/** Elements whose halves lie together: rows of halves are a multiple of them long. */
export const HALF_BLOCK = 8;
/** The words of such a block. */
export const BLOCK_WORDS = HALF_BLOCK / 2;

/**
 * A half as attention reads it: as IEEE binary16 where it is finite. The largest exponent is one more
 * power of two (as in ARM's alternative half precision), so that an infinity counts as 65536.
 */
export function storedHalf(bits: number): number {
  const value = halfToNumber(bits);
  if (Number.isFinite(value)) return value;
  const magnitude = 65536 * (1 + (bits & 0x3ff) / 1024);
  return (bits & 0x8000) === 0 ? magnitude : -magnitude;
}

/** The elements of rows as attention reads them, given the words of {@link toHalves}. */
export function storedRows(words: ArrayLike<number>): Float32Array {
  const out = new Float32Array(2 * words.length);
  for (let i = 0; i < words.length; i++) {
    const place = HALF_BLOCK * Math.floor(i / BLOCK_WORDS) + i % BLOCK_WORDS;
    out[place] = storedHalf(words[i] & 0xffff);
    out[place + BLOCK_WORDS] = storedHalf(words[i] >>> 16);
  }
  return out;
}
