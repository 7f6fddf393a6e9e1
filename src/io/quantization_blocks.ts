/**
 * The ggml block formats of 32 values: Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1, to f32.
 *
 * Every product here has at most 19 significant bits, so it is exact; only the last addition
 * rounds, when it is stored. The results are therefore the same bits as f32 arithmetic in the
 * order of the format's definition.
 *
 * @module
 */

import { halfToNumber } from "../core/half_float.ts";

/** Values in one block of these formats. */
export const SMALL_BLOCK = 32;

const half = (bytes: Uint8Array, at: number): number =>
  halfToNumber(bytes[at] | (bytes[at + 1] << 8));

const word = (bytes: Uint8Array, at: number): number =>
  bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);

/** Q8_0, 34 bytes: f16 scale d, 32 signed bytes q; value = q d. */
export function dequantizeQ8_0(bytes: Uint8Array, values: Float32Array): void {
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0, i = 0; i < values.length; at += 34, i += SMALL_BLOCK) {
    const scale = half(bytes, at);
    for (let j = 0; j < SMALL_BLOCK; j++) values[i + j] = signed[at + 2 + j] * scale;
  }
}

/** Q4_0, 18 bytes: f16 scale d, 16 bytes of nibbles (low: j, high: j + 16); value = (q - 8) d. */
export function dequantizeQ4_0(bytes: Uint8Array, values: Float32Array): void {
  for (let at = 0, i = 0; i < values.length; at += 18, i += SMALL_BLOCK) {
    const scale = half(bytes, at);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 2 + j];
      values[i + j] = ((pair & 15) - 8) * scale;
      values[i + j + 16] = ((pair >> 4) - 8) * scale;
    }
  }
}

/** Q4_1, 20 bytes: f16 scale d and minimum m, 16 bytes of nibbles; value = q d + m. */
export function dequantizeQ4_1(bytes: Uint8Array, values: Float32Array): void {
  for (let at = 0, i = 0; i < values.length; at += 20, i += SMALL_BLOCK) {
    const scale = half(bytes, at);
    const minimum = half(bytes, at + 2);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 4 + j];
      values[i + j] = (pair & 15) * scale + minimum;
      values[i + j + 16] = (pair >> 4) * scale + minimum;
    }
  }
}

/** Q5_0, 22 bytes: f16 scale d, 32 fifth bits, 16 bytes of nibbles; value = (q - 16) d. */
export function dequantizeQ5_0(bytes: Uint8Array, values: Float32Array): void {
  for (let at = 0, i = 0; i < values.length; at += 22, i += SMALL_BLOCK) {
    const scale = half(bytes, at);
    const fifths = word(bytes, at + 2);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 6 + j];
      values[i + j] = (((pair & 15) | (((fifths >>> j) & 1) << 4)) - 16) * scale;
      values[i + j + 16] = (((pair >> 4) | (((fifths >>> (j + 16)) & 1) << 4)) - 16) * scale;
    }
  }
}

/** Q5_1, 24 bytes: f16 scale d and minimum m, 32 fifth bits, 16 bytes of nibbles; q d + m. */
export function dequantizeQ5_1(bytes: Uint8Array, values: Float32Array): void {
  for (let at = 0, i = 0; i < values.length; at += 24, i += SMALL_BLOCK) {
    const scale = half(bytes, at);
    const minimum = half(bytes, at + 2);
    const fifths = word(bytes, at + 4);
    for (let j = 0; j < 16; j++) {
      const pair = bytes[at + 8 + j];
      values[i + j] = ((pair & 15) | (((fifths >>> j) & 1) << 4)) * scale + minimum;
      values[i + j + 16] = ((pair >> 4) | (((fifths >>> (j + 16)) & 1) << 4)) * scale + minimum;
    }
  }
}
