/**
 * What a GGUF file holds, as plain values.
 *
 * @module
 */

import type { TensorFormat } from "./quantization.ts";

/** The number types of GGUF metadata that fit in a JavaScript number, with their arrays. */
export interface GgufNumberArrays {
  /** 8 bits, unsigned. */
  readonly uint8: Uint8Array;
  /** 8 bits, signed. */
  readonly int8: Int8Array;
  /** 16 bits, unsigned. */
  readonly uint16: Uint16Array;
  /** 16 bits, signed. */
  readonly int16: Int16Array;
  /** 32 bits, unsigned. */
  readonly uint32: Uint32Array;
  /** 32 bits, signed. */
  readonly int32: Int32Array;
  /** IEEE binary32. */
  readonly float32: Float32Array;
  /** IEEE binary64. */
  readonly float64: Float64Array;
}

/** The 64-bit integer types of GGUF metadata, with their arrays. */
export interface GgufBigintArrays {
  /** 64 bits, unsigned. */
  readonly uint64: BigUint64Array;
  /** 64 bits, signed. */
  readonly int64: BigInt64Array;
}

/** Names of the GGUF metadata types other than array. */
export type GgufScalarType = keyof GgufNumberArrays | keyof GgufBigintArrays | "bool" | "string";

/** One array in GGUF metadata, by its element type. */
export type GgufArray =
  | {
    [E in keyof GgufNumberArrays]: {
      readonly type: "array";
      readonly elementType: E;
      readonly value: GgufNumberArrays[E];
    };
  }[keyof GgufNumberArrays]
  | {
    [E in keyof GgufBigintArrays]: {
      readonly type: "array";
      readonly elementType: E;
      readonly value: GgufBigintArrays[E];
    };
  }[keyof GgufBigintArrays]
  | { readonly type: "array"; readonly elementType: "bool"; readonly value: readonly boolean[] }
  | { readonly type: "array"; readonly elementType: "string"; readonly value: readonly string[] };

/** One metadata value with its type in the file. */
export type GgufValue =
  | { readonly type: keyof GgufNumberArrays; readonly value: number }
  | { readonly type: keyof GgufBigintArrays; readonly value: bigint }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | GgufArray;

/** Metadata by key, in the file's order. */
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

/** One tensor of a GGUF file. */
export interface GgufTensor {
  /** Its name in the file. */
  readonly name: string;
  /** Outermost dimension first, `[rows, columns]`: the reverse of the file's order. */
  readonly shape: readonly number[];
  /** Storage format. */
  readonly type: TensorFormat;
  /** Offset of its first byte in the file. */
  readonly offset: number;
  /** Its size in bytes. */
  readonly byteLength: number;
}

/** The header of a GGUF file. */
export interface GgufFile {
  /** Format version, 2 or 3. */
  readonly version: number;
  /** Metadata by key. */
  readonly metadata: GgufMetadata;
  /** Tensors in the file's order. */
  readonly tensors: readonly GgufTensor[];
}

/** All value types; the place in the list is the number that stands for the type in a file. */
export const GGUF_TYPES = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "bool",
  "string",
  "array",
  "uint64",
  "int64",
  "float64",
] as const satisfies readonly (GgufScalarType | "array")[];

/** "GGUF" as a little-endian 32-bit integer. */
export const GGUF_MAGIC = 0x46554747;

/** Alignment of tensor data where the metadata do not say. */
export const DEFAULT_ALIGNMENT = 32;

/** The key of the alignment. */
export const ALIGNMENT_KEY = "general.alignment";
