/**
 * Rows of a matrix as a model file stores them, on their way to a device that packs them itself.
 *
 * @module
 */
import type { PackedType } from "./dtype.ts";
import { BLOCK_COLUMNS } from "./packed.ts";

/** Storage formats of rows, as ggml names and lays them out, little endian. */
export type StoredFormat = "F32" | "F16" | "BF16" | "Q8_0" | "Q4_0" | "Q4_1";

/** Bytes that {@link BLOCK_COLUMNS} consecutive values of a row take in each storage format. */
export const STORED_BYTES: { readonly [format in StoredFormat]: number } = {
  F32: 4 * BLOCK_COLUMNS,
  F16: 2 * BLOCK_COLUMNS,
  BF16: 2 * BLOCK_COLUMNS,
  Q8_0: 34,
  Q4_0: 18,
  Q4_1: 20,
};

/** The storage format whose values each packed type takes over as they are. */
export const SAME_FORMAT: { readonly [type in PackedType]: StoredFormat } = {
  packed_f32: "F32",
  packed_f16: "F16",
  packed_q8_0: "Q8_0",
  packed_q4_0: "Q4_0",
  packed_q4_1: "Q4_1",
  integer_q8_0: "Q8_0",
  integer_q4_0: "Q4_0",
  integer_q4_1: "Q4_1",
};

/** True where a device that packs knows the format. */
export function isStoredFormat(format: string): format is StoredFormat {
  return format in STORED_BYTES;
}

/** Whole panels of a stored matrix. */
export interface StoredRows {
  /** How they are stored. */
  readonly format: StoredFormat;
  /** The first of them in the matrix, a multiple of 16. */
  readonly first: number;
  /** How many there are, a multiple of 16. */
  readonly rows: number;
  /** Values of a row, a multiple of 32. */
  readonly columns: number;
  /** The rows, one after another. */
  readonly bytes: Uint8Array;
}

/** What became of rows that a device was to pack: "unfit" where a number is not finite, or too large. */
export type PackOutcome = "packed" | "unfit";

/**
 * A part of a matrix as the packing kernel reads it: words at the places named here, then the stored
 * rows from byte `rows` on. The kernel sets `unfit` to 1 where the part cannot be packed.
 */
export const PACK_PART = { panels: 0, blocks: 4, firstPanel: 8, unfit: 12, rows: 64 } as const;
