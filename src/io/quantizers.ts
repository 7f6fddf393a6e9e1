/**
 * From f32 to the block formats Q8_0, Q4_0 and Q4_1, with ggml's reference rounding.
 *
 * Each step is rounded to f32 (`Math.fround`), because the reference arithmetic is f32 and its
 * rounding decides which of two neighbouring integers a value becomes.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { numberToFloat16 } from "./half_float.ts";
import { SMALL_BLOCK } from "./quantization_blocks.ts";

const round32 = Math.fround;

/** Writes one value that must be representable as a finite binary16. */
function writeHalf(bytes: Uint8Array, at: number, value: number, format: string): void {
  const bits = numberToFloat16(value);
  if ((bits & 0x7c00) === 0x7c00) {
    throw new OutriderError(
      `values whose ${format} scale and minimum fit in 16-bit floats`,
      `a scale or minimum of ${value}`,
      "write this tensor as F32",
    );
  }
  bytes[at] = bits & 0xff;
  bytes[at + 1] = bits >> 8;
}

const inverse = (scale: number): number => scale === 0 ? 0 : round32(1 / scale);

const nibble = (value: number): number => Math.min(15, Math.trunc(value));

/** Q8_0: scale = largest magnitude / 127, rounded half away from zero. */
export function quantizeQ8_0(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((values.length / SMALL_BLOCK) * 34);
  for (let i = 0, at = 0; i < values.length; i += SMALL_BLOCK, at += 34) {
    let largest = 0;
    for (let j = 0; j < SMALL_BLOCK; j++) largest = Math.max(largest, Math.abs(values[i + j]));
    const scale = round32(largest / 127);
    const factor = inverse(scale);
    writeHalf(bytes, at, scale, "Q8_0");
    for (let j = 0; j < SMALL_BLOCK; j++) {
      const scaled = round32(values[i + j] * factor);
      bytes[at + 2 + j] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
    }
  }
  return bytes;
}

/** Q4_0: the value of largest magnitude becomes -8 exactly, which fixes the scale's sign. */
export function quantizeQ4_0(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((values.length / SMALL_BLOCK) * 18);
  for (let i = 0, at = 0; i < values.length; i += SMALL_BLOCK, at += 18) {
    let largest = 0;
    for (let j = 0; j < SMALL_BLOCK; j++) {
      if (Math.abs(values[i + j]) > Math.abs(largest)) largest = values[i + j];
    }
    const scale = round32(largest / -8);
    const factor = inverse(scale);
    writeHalf(bytes, at, scale, "Q4_0");
    const level = (k: number): number => nibble(round32(round32(values[k] * factor) + 8.5));
    for (let j = 0; j < 16; j++) bytes[at + 2 + j] = level(i + j) | (level(i + j + 16) << 4);
  }
  return bytes;
}

/** Q4_1: minimum and scale = (maximum - minimum) / 15. */
export function quantizeQ4_1(values: Float32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((values.length / SMALL_BLOCK) * 20);
  for (let i = 0, at = 0; i < values.length; i += SMALL_BLOCK, at += 20) {
    const block = values.subarray(i, i + SMALL_BLOCK);
    const minimum = block.reduce((a, b) => Math.min(a, b));
    const maximum = block.reduce((a, b) => Math.max(a, b));
    const scale = round32(round32(maximum - minimum) / 15);
    const factor = inverse(scale);
    writeHalf(bytes, at, scale, "Q4_1");
    writeHalf(bytes, at + 2, minimum, "Q4_1");
    const level = (j: number): number =>
      nibble(round32(round32(round32(block[j] - minimum) * factor) + 0.5));
    for (let j = 0; j < 16; j++) bytes[at + 4 + j] = level(j) | (level(j + 16) << 4);
  }
  return bytes;
}
