/**
 * Finds NaN and infinity in stored weights without decoding them.
 *
 * @module
 */

import type { TensorFormat } from "./quantization.ts";
import { TENSOR_FORMATS } from "./quantization.ts";

/** Where a block holds floats, and the exponent bits (of the last two bytes) that are all ones. */
interface FloatFields {
  /** Byte offsets, within a block, of the upper two bytes of each float. */
  readonly offsets: readonly number[];
  /** Exponent mask over these two bytes. */
  readonly exponent: number;
}

const HALF_EXPONENT = 0x7c00;
const SINGLE_EXPONENT = 0x7f80;
const scaleOnly: FloatFields = { offsets: [0], exponent: HALF_EXPONENT };
const scaleAndMinimum: FloatFields = { offsets: [0, 2], exponent: HALF_EXPONENT };

const FLOAT_FIELDS: Readonly<Record<TensorFormat, FloatFields>> = {
  F32: { offsets: [2], exponent: SINGLE_EXPONENT },
  F16: scaleOnly,
  BF16: { offsets: [0], exponent: SINGLE_EXPONENT },
  Q8_0: scaleOnly,
  Q4_0: scaleOnly,
  Q4_1: scaleAndMinimum,
  Q5_0: scaleOnly,
  Q5_1: scaleAndMinimum,
  Q4_K: scaleAndMinimum,
  Q5_K: scaleAndMinimum,
  Q6_K: { offsets: [208], exponent: HALF_EXPONENT },
};

/**
 * The index of the first block that holds NaN or infinity (for F32, F16 and BF16 a block is one
 * value), or -1. An exponent of all ones means exactly these two.
 */
export function firstNonFiniteBlock(format: TensorFormat, bytes: Uint8Array): number {
  const { blockBytes } = TENSOR_FORMATS[format];
  const { offsets, exponent } = FLOAT_FIELDS[format];
  for (const offset of offsets) {
    for (let at = offset; at < bytes.length; at += blockBytes) {
      const upper = bytes[at] | (bytes[at + 1] << 8);
      if ((upper & exponent) === exponent) return Math.floor(at / blockBytes);
    }
  }
  return -1;
}
