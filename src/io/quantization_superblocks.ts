/**
 * The ggml block formats of 256 values ("K-quants"): Q4_K, Q5_K and Q6_K, to f32.
 *
 * Scales of sub-blocks are themselves small integers times a 16-bit float. All products fit in 25
 * bits and all sums in 50, so double arithmetic is exact and the store rounds once, as f32
 * arithmetic in the format's order does.
 *
 * @module
 */

import { halfToNumber } from "../core/half_float.ts";

/** Values in one block of these formats. */
export const SUPERBLOCK = 256;

const half = (bytes: Uint8Array, at: number): number =>
  halfToNumber(bytes[at] | (bytes[at + 1] << 8));

/**
 * The 6-bit scale of sub-block j (0..7) from 12 packed bytes at `at`: the first four lie in the low
 * six bits of bytes 0..3, the others in a nibble of bytes 8..11 and the top bits of bytes 0..3.
 */
function packedScale(bytes: Uint8Array, at: number, j: number): number {
  if (j < 4) return bytes[at + j] & 63;
  return (bytes[at + j + 4] & 15) | ((bytes[at + j - 4] >> 6) << 4);
}

/** The 6-bit minimum of sub-block j, packed like the scales with bytes 4..7 and high nibbles. */
function packedMinimum(bytes: Uint8Array, at: number, j: number): number {
  if (j < 4) return bytes[at + j + 4] & 63;
  return (bytes[at + j + 4] >> 4) | ((bytes[at + j] >> 6) << 4);
}

/** Q4_K, 144 bytes: f16 d and dmin, 12 bytes of scales, 128 of nibbles; value = d s q - dmin m. */
export function dequantizeQ4_K(bytes: Uint8Array, values: Float32Array): void {
  for (let at = 0, i = 0; i < values.length; at += 144, i += SUPERBLOCK) {
    for (let sub = 0; sub < 8; sub++) {
      const scale = half(bytes, at) * packedScale(bytes, at + 4, sub);
      const minimum = half(bytes, at + 2) * packedMinimum(bytes, at + 4, sub);
      const nibbles = at + 16 + (sub >> 1) * 32;
      const shift = (sub & 1) * 4;
      for (let j = 0; j < 32; j++) {
        values[i + sub * 32 + j] = scale * ((bytes[nibbles + j] >> shift) & 15) - minimum;
      }
    }
  }
}

/** Q5_K, 176 bytes: as Q4_K with 32 bytes of fifth bits (bit `sub` of byte j) before the nibbles. */
export function dequantizeQ5_K(bytes: Uint8Array, values: Float32Array): void {
  for (let at = 0, i = 0; i < values.length; at += 176, i += SUPERBLOCK) {
    for (let sub = 0; sub < 8; sub++) {
      const scale = half(bytes, at) * packedScale(bytes, at + 4, sub);
      const minimum = half(bytes, at + 2) * packedMinimum(bytes, at + 4, sub);
      const nibbles = at + 48 + (sub >> 1) * 32;
      const shift = (sub & 1) * 4;
      for (let j = 0; j < 32; j++) {
        const fifth = ((bytes[at + 16 + j] >> sub) & 1) << 4;
        const quant = ((bytes[nibbles + j] >> shift) & 15) | fifth;
        values[i + sub * 32 + j] = scale * quant - minimum;
      }
    }
  }
}

/**
 * Q6_K, 210 bytes: 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales of 16 values
 * each, f16 d; value = d s (q - 32).
 */
export function dequantizeQ6_K(bytes: Uint8Array, values: Float32Array): void {
  const signed = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0, i = 0; i < values.length; at += 210, i += SUPERBLOCK) {
    const scale = half(bytes, at + 208);
    for (let j = 0; j < SUPERBLOCK; j++) {
      const part = j >> 7; // each half of 128 values has 64 low bytes and 32 upper bytes
      const quarter = (j >> 5) & 3;
      const lane = j & 31;
      const low = bytes[at + part * 64 + (quarter & 1) * 32 + lane] >> ((quarter >> 1) * 4);
      const upper = bytes[at + 128 + part * 32 + lane] >> (quarter * 2);
      const quant = ((low & 15) | ((upper & 3) << 4)) - 32;
      values[i + j] = scale * signed[at + 192 + (j >> 4)] * quant;
    }
  }
}
