/**
 * Activations for products in integers: each row in blocks of 32 values of 8 bits.
 *
 * In a block with largest magnitude a the scale is a / 127, and a value is scale * level with level =
 * round(value / scale), -127 .. 127. A block is stored as a record of 48 bytes: the f32 scale, the
 * negative sum of its levels (i32), eight bytes of 0, and the 32 levels as signed bytes. Products
 * with levels that are stored without a sign need the sum.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "./packed.ts";

/** The largest magnitude of a level. */
export const LARGEST_LEVEL = 127;
/** Bytes of a block's record, and of its head. */
export const QUANTIZED_BLOCK = { bytes: 48, head: 16 } as const;

/** Bytes of one quantised row of k values; k is a multiple of 32. */
export function quantizedRowBytes(k: number): number {
  return QUANTIZED_BLOCK.bytes * (k / BLOCK_COLUMNS);
}

/** Half to even, as the machine rounds. */
function nearestEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** Writes the record of one block; every step is rounded to f32. */
function quantizeBlock(values: Float32Array, view: DataView, at: number): void {
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = Math.fround(largest * Math.fround(1 / LARGEST_LEVEL));
  const factor = largest > 0 ? Math.fround(LARGEST_LEVEL / largest) : 0;
  const levels = values.map((value) => nearestEven(Math.fround(value * factor)));
  view.setFloat32(at, scale, true);
  view.setInt32(at + 4, -levels.reduce((total, level) => total + level, 0), true);
  view.setFloat64(at + 8, 0);
  levels.forEach((level, j) => view.setInt8(at + QUANTIZED_BLOCK.head + j, level));
}

/**
 * The quantised form of f32 rows `[m, k]`: what the kernel family `quantize` means.
 *
 * @example
 * ```ts
 * import { quantizeRows } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = quantizeRows(new Float32Array(32).fill(2), 1, 32);
 * assertEquals([bytes.length, bytes[16], bytes[47]], [48, 127, 127]);
 * ```
 */
export function quantizeRows(values: Float32Array, m: number, k: number): Uint8Array<ArrayBuffer> {
  const blocks = m * (k / BLOCK_COLUMNS);
  const bytes = new Uint8Array(blocks * QUANTIZED_BLOCK.bytes);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < blocks; block++) {
    const first = block * BLOCK_COLUMNS;
    const part = values.subarray(first, first + BLOCK_COLUMNS);
    quantizeBlock(part, view, block * QUANTIZED_BLOCK.bytes);
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
