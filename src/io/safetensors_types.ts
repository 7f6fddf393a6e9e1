/**
 * What a safetensors file holds, as plain values.
 *
 * @module
 */

/** Bytes per value of the number types that are supported. */
export const SAFETENSORS_BYTES = { F32: 4, F16: 2, BF16: 2, I32: 4, U8: 1 } as const;

/** A number type of safetensors that is supported. */
export type SafetensorsType = keyof typeof SAFETENSORS_BYTES;

/** One tensor of a safetensors file. */
export interface SafetensorsTensor {
  /** Its name in the file. */
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** Number type. */
  readonly type: SafetensorsType;
  /** Offset of its first byte in the file. */
  readonly offset: number;
  /** Its size in bytes. */
  readonly byteLength: number;
}

/** The header of a safetensors file. */
export interface SafetensorsFile {
  /** Free text by key. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Tensors in the order of their data. */
  readonly tensors: readonly SafetensorsTensor[];
}

/** A tensor to be written. */
export interface SafetensorsTensorData {
  /** Its name in the file. */
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** Number type of `bytes`. */
  readonly type: SafetensorsType;
  /** The stored bytes, little endian. */
  readonly bytes: Uint8Array;
}

/** What goes into a safetensors file. */
export interface SafetensorsContent {
  /** Free text by key. */
  readonly metadata?: ReadonlyMap<string, string>;
  /** Tensors in the order written. */
  readonly tensors: readonly SafetensorsTensorData[];
}
