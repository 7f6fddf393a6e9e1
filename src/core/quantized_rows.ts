/**
 * Activations for products in integers: each row in blocks of 32 values of 8 bits.
 *
 * In a block with largest magnitude a the scale is a / 127, and a value is scale * level with level =
 * round(value / scale), -127 .. 127. A block is stored as a record of 48 bytes: the f32 scale, the
 * negative sum of its levels (i32), eight bytes of 0, and the 32 levels as signed bytes. Products
 * with levels that are stored without a sign need the sum.
 *
 * Behind the records of all rows there is room for the same levels once more, as signed 16-bit words,
 * 64 bytes a block: of each four columns the first, third, second and fourth. A backend writes them
 * where its products read them.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "./packed.ts";

/** The largest magnitude of a level. */
export const LARGEST_LEVEL = 127;
/** Bytes of a block's record, of its head, and of the block's levels as words. */
export const QUANTIZED_BLOCK = { bytes: 48, head: 16, words: 64 } as const;
/** Which of four columns each of four words holds. */
export const WORD_COLUMNS = [0, 2, 1, 3] as const;

/** Bytes of the records of one quantised row of k values; k is a multiple of 32. */
export function quantizedRowBytes(k: number): number {
  return QUANTIZED_BLOCK.bytes * (k / BLOCK_COLUMNS);
}

/** Bytes of one row of k levels as words; k is a multiple of 32. */
export function wordRowBytes(k: number): number {
  return QUANTIZED_BLOCK.words * (k / BLOCK_COLUMNS);
}

/** Bytes of quantised rows `[m, k]`: records, then words. */
export function quantizedBytes(m: number, k: number): number {
  return m * (quantizedRowBytes(k) + wordRowBytes(k));
}

/** Half to even, as the machine rounds. */
function nearestEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** Where a block's record and its words begin. */
interface BlockPlaces {
  readonly record: number;
  readonly words: number;
}

/** Writes one block; every step is rounded to f32. */
function quantizeBlock(values: Float32Array, view: DataView, { record, words }: BlockPlaces): void {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = Math.fround(largest * Math.fround(1 / LARGEST_LEVEL));
  const factor = largest > 0 ? Math.fround(LARGEST_LEVEL / largest) : 0;
  const levels = values.map((value) => nearestEven(Math.fround(value * factor)));
  view.setFloat32(record, scale, true);
  view.setInt32(record + 4, -levels.reduce((total, level) => total + level, 0), true);
  view.setFloat64(record + 8, 0);
  levels.forEach((level, j) => view.setInt8(record + QUANTIZED_BLOCK.head + j, level));
  levels.forEach((_, j) => {
    const within = j % WORD_COLUMNS.length;
    view.setInt16(words + 2 * j, levels[j - within + WORD_COLUMNS[within]], true);
  });
}

/**
 * The quantised form of f32 rows `[m, k]`, words included: what the kernel family `quantize` means.
 *
 * @example
 * ```ts
 * import { quantizeRows } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = quantizeRows(new Float32Array(32).fill(2), 1, 32);
 * assertEquals([bytes.length, bytes[16], bytes[47], bytes[48]], [48 + 64, 127, 127, 127]);
 * ```
 */
export function quantizeRows(values: Float32Array, m: number, k: number): Uint8Array<ArrayBuffer> {
  const blocks = m * (k / BLOCK_COLUMNS);
  const bytes = new Uint8Array(quantizedBytes(m, k));
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < blocks; block++) {
    const first = block * BLOCK_COLUMNS;
    const part = values.subarray(first, first + BLOCK_COLUMNS);
    const words = m * quantizedRowBytes(k) + block * QUANTIZED_BLOCK.words;
    quantizeBlock(part, view, { record: block * QUANTIZED_BLOCK.bytes, words });
  }
  return bytes;
}

/** The f32 values that quantised rows `[m, k]` stand for. */
export function dequantizeRows(bytes: Uint8Array, m: number, k: number): Float32Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, m * quantizedRowBytes(k));
  return Float32Array.from({ length: m * k }, (_, i) => {
    const at = Math.floor(i / BLOCK_COLUMNS) * QUANTIZED_BLOCK.bytes;
    const level = view.getInt8(at + QUANTIZED_BLOCK.head + i % BLOCK_COLUMNS);
    return level * view.getFloat32(at, true);
  });
}
