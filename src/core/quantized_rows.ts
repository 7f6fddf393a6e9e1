/**
 * Activations for products in integers: each row in blocks of 32 values of 14 bits.
 *
 * In a block with largest magnitude a the scale is a / 8191, and a value is scale * (u - 8192) with
 * u = 8192 + round(value / scale) of 14 bits, split into two digits of 7: u = 128 high + low. Digits
 * fit the unsigned operand of the relaxed integer dot product. A row of k values is stored as its
 * k high digits, its k low digits, its k / 32 f32 scales, and k / 32 f32 sums scale * sum(u - 8192),
 * which weights with a minimum need.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "./packed.ts";

/** The largest magnitude of a level. */
export const LARGEST_LEVEL = 8191;
/** What is added to a level to make it positive. */
export const LEVEL_OFFSET = 8192;

/** Bytes of one quantised row of k values; k is a multiple of 32. */
export function quantizedRowBytes(k: number): number {
  return 2 * k + 8 * (k / BLOCK_COLUMNS);
}

/** Half to even, as the machine rounds. */
function nearestEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** Writes one row; every step is rounded to f32. */
function quantizeRow(row: Float32Array, view: DataView, at: number): void {
  const k = row.length;
  for (let block = 0; block < k / BLOCK_COLUMNS; block++) {
    const values = row.subarray(block * BLOCK_COLUMNS, (block + 1) * BLOCK_COLUMNS);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = Math.fround(largest * Math.fround(1 / LARGEST_LEVEL));
    const factor = largest > 0 ? Math.fround(LARGEST_LEVEL / largest) : 0;
    let sum = 0;
    values.forEach((value, j) => {
      const level = nearestEven(Math.fround(value * factor));
      const shifted = level + LEVEL_OFFSET;
      view.setUint8(at + block * BLOCK_COLUMNS + j, shifted >> 7);
      view.setUint8(at + k + block * BLOCK_COLUMNS + j, shifted & 127);
      sum += level;
    });
    view.setFloat32(at + 2 * k + 4 * block, scale, true);
    view.setFloat32(at + 2 * k + 4 * (k / BLOCK_COLUMNS + block), Math.fround(sum * scale), true);
  }
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
 * assertEquals([bytes[0], bytes[32]], [(8191 + 8192) >> 7, (8191 + 8192) & 127]);
 * ```
 */
export function quantizeRows(values: Float32Array, m: number, k: number): Uint8Array<ArrayBuffer> {
  const rowBytes = quantizedRowBytes(k);
  const bytes = new Uint8Array(m * rowBytes);
  const view = new DataView(bytes.buffer);
  for (let r = 0; r < m; r++) quantizeRow(values.subarray(r * k, (r + 1) * k), view, r * rowBytes);
  return bytes;
}

/** The f32 values that quantised rows `[m, k]` stand for. */
export function dequantizeRows(bytes: Uint8Array, m: number, k: number): Float32Array<ArrayBuffer> {
  const rowBytes = quantizedRowBytes(k);
  const view = new DataView(bytes.buffer, bytes.byteOffset, m * rowBytes);
  return Float32Array.from({ length: m * k }, (_, i) => {
    const [row, column] = [Math.floor(i / k), i % k];
    const at = row * rowBytes;
    const level = 128 * view.getUint8(at + column) + view.getUint8(at + k + column) - LEVEL_OFFSET;
    return level * view.getFloat32(at + 2 * k + 4 * Math.floor(column / BLOCK_COLUMNS), true);
  });
}
