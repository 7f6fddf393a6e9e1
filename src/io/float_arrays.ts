/**
 * The two 16-bit float formats of model files, IEEE binary16 and bfloat16, to and from f32.
 *
 * @module
 */

import { halfToNumber } from "../core/half_float.ts";

/**
 * Reads `values.length` binary16 numbers, little endian, from `bytes` into `values`.
 */
export function decodeFloat16(bytes: Uint8Array, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    values[i] = halfToNumber(bytes[2 * i] | (bytes[2 * i + 1] << 8));
  }
}

/** Writes f32 numbers as binary16, little endian, nearest with ties to even. */
export function encodeFloat16(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(values.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < values.length; i++) view.setFloat16(2 * i, values[i], true);
  return bytes;
}

/** Reads `values.length` bfloat16 numbers (the upper half of an f32), little endian. */
export function decodeBfloat16(bytes: Uint8Array, values: Float32Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    bits[i] = ((bytes[2 * i] << 16) | (bytes[2 * i + 1] << 24)) >>> 0;
  }
}

/** Writes f32 numbers as bfloat16, little endian, nearest with ties to even; NaN stays NaN. */
export function encodeBfloat16(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(values.length * 2);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const isNotANumber = (bits[i] & 0x7fffffff) > 0x7f800000;
    // Adding half of the dropped unit, less one when the kept part is even, rounds ties to even.
    const rounded = isNotANumber
      ? (bits[i] >>> 16) | 0x40
      : (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) >>> 16;
    bytes[2 * i] = rounded & 0xff;
    bytes[2 * i + 1] = rounded >>> 8;
  }
  return bytes;
}
