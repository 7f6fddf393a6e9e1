/**
 * The storage formats of tensors in model files: one row per format, bytes to f32 and back.
 *
 * The names and layouts are those of ggml; F32, F16 and BF16 are also safetensors formats.
 *
 * @module
 */

import { type BlockType, quantiseBlocks } from "../core/block_format.ts";
import { OutriderError } from "../core/errors.ts";
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from "./float_arrays.ts";
import {
  dequantizeQ4_0,
  dequantizeQ4_1,
  dequantizeQ5_0,
  dequantizeQ5_1,
  dequantizeQ8_0,
  SMALL_BLOCK,
} from "./quantization_blocks.ts";
import {
  dequantizeQ4_K,
  dequantizeQ5_K,
  dequantizeQ6_K,
  SUPERBLOCK,
} from "./quantization_superblocks.ts";

/** Names of the storage formats that can be read. */
export const TENSOR_FORMAT_NAMES = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q4_K",
  "Q5_K",
  "Q6_K",
] as const;

/** A storage format that can be read. */
export type TensorFormat = (typeof TENSOR_FORMAT_NAMES)[number];

/** The storage formats that can be written from f32. */
export type WritableFormat = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0" | "Q4_1";

/** How one format lays out its values: one row of {@link TENSOR_FORMATS}. */
export interface TensorFormatRow {
  /** The number that names the format in a GGUF file. */
  readonly ggufType: number;
  /** Values per block; the innermost dimension is a multiple of it. */
  readonly blockSize: number;
  /** Bytes per block. */
  readonly blockBytes: number;
  /** Fills `values` from the blocks in `bytes`; lengths agree. */
  readonly dequantize: (bytes: Uint8Array, values: Float32Array) => void;
}

function decodeFloat32(bytes: Uint8Array, values: Float32Array): void {
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength).set(bytes);
}

function encodeFloat32(values: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/** One row per storage format. */
export const TENSOR_FORMATS: Readonly<Record<TensorFormat, TensorFormatRow>> = {
  F32: { ggufType: 0, blockSize: 1, blockBytes: 4, dequantize: decodeFloat32 },
  F16: { ggufType: 1, blockSize: 1, blockBytes: 2, dequantize: decodeFloat16 },
  BF16: { ggufType: 30, blockSize: 1, blockBytes: 2, dequantize: decodeBfloat16 },
  Q4_0: { ggufType: 2, blockSize: SMALL_BLOCK, blockBytes: 18, dequantize: dequantizeQ4_0 },
  Q4_1: { ggufType: 3, blockSize: SMALL_BLOCK, blockBytes: 20, dequantize: dequantizeQ4_1 },
  Q5_0: { ggufType: 6, blockSize: SMALL_BLOCK, blockBytes: 22, dequantize: dequantizeQ5_0 },
  Q5_1: { ggufType: 7, blockSize: SMALL_BLOCK, blockBytes: 24, dequantize: dequantizeQ5_1 },
  Q8_0: { ggufType: 8, blockSize: SMALL_BLOCK, blockBytes: 34, dequantize: dequantizeQ8_0 },
  Q4_K: { ggufType: 12, blockSize: SUPERBLOCK, blockBytes: 144, dequantize: dequantizeQ4_K },
  Q5_K: { ggufType: 13, blockSize: SUPERBLOCK, blockBytes: 176, dequantize: dequantizeQ5_K },
  Q6_K: { ggufType: 14, blockSize: SUPERBLOCK, blockBytes: 210, dequantize: dequantizeQ6_K },
};

/** An encoder of blocks of 32 values, by the core's quantisers. */
function blockEncoder(
  type: BlockType,
  blockBytes: number,
): (values: Float32Array) => Uint8Array<ArrayBuffer> {
  return (values) => {
    const bytes = new Uint8Array((values.length / SMALL_BLOCK) * blockBytes);
    quantiseBlocks(type, values, 0, values.length, bytes);
    return bytes;
  };
}

/** One encoder per writable format. */
const ENCODERS: Readonly<
  Record<WritableFormat, (values: Float32Array) => Uint8Array<ArrayBuffer>>
> = {
  F32: encodeFloat32,
  F16: encodeFloat16,
  BF16: encodeBfloat16,
  Q8_0: blockEncoder("packed_q8_0", 34),
  Q4_0: blockEncoder("packed_q4_0", 18),
  Q4_1: blockEncoder("packed_q4_1", 20),
};

/**
 * The bytes that `count` values take in a format.
 *
 * @throws {OutriderError} when the count is not a whole number of blocks.
 * @example
 * ```ts
 * import { formatBytes } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatBytes("Q4_1", 64), 40);
 * ```
 */
export function formatBytes(format: TensorFormat, count: number): number {
  const { blockSize, blockBytes } = TENSOR_FORMATS[format];
  if (count % blockSize !== 0) {
    throw new OutriderError(
      `a count of ${format} values that is a multiple of ${blockSize}`,
      String(count),
      "choose a format with a smaller block, such as F16",
    );
  }
  return (count / blockSize) * blockBytes;
}

/**
 * Decodes a tensor's bytes to f32, exactly as its format defines them.
 *
 * @throws {OutriderError} when the bytes are not a whole number of blocks.
 * @example
 * ```ts
 * import { dequantize } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * // One Q4_0 block: scale 0.5 (0x3800), every nibble 9, so every value is (9 - 8) * 0.5.
 * const block = new Uint8Array(18).fill(0x99);
 * block.set([0x00, 0x38]);
 * assertEquals(dequantize("Q4_0", block), new Float32Array(32).fill(0.5));
 * ```
 */
export function dequantize(format: TensorFormat, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const row = TENSOR_FORMATS[format];
  if (bytes.length % row.blockBytes !== 0) {
    throw new OutriderError(
      `${format} bytes in whole blocks of ${row.blockBytes}`,
      `${bytes.length} bytes`,
      "pass all bytes of the tensor and nothing else",
    );
  }
  const values = new Float32Array((bytes.length / row.blockBytes) * row.blockSize);
  row.dequantize(bytes, values);
  return values;
}

/**
 * Encodes f32 values in a storage format: nearest with ties to even for the 16-bit floats, ggml's
 * reference rounding for the blocks.
 *
 * @throws {OutriderError} when the count is not a whole number of blocks, when a block format meets
 * NaN or infinity, or when a block's scale is beyond 16-bit floats.
 * @example
 * ```ts
 * import { dequantize, quantize } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const values = Float32Array.from({ length: 32 }, (_, i) => (i - 16) / 8);
 * assertEquals(dequantize("F16", quantize("F16", values)), values);
 * ```
 */
export function quantize(format: WritableFormat, values: Float32Array): Uint8Array<ArrayBuffer> {
  formatBytes(format, values.length);
  return ENCODERS[format](values);
}
