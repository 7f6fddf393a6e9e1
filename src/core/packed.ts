/**
 * The packed weight layout: one contiguous stream that serves one row and many rows alike.
 *
 * A matrix w [rows, columns] is cut into panels of {@link PANEL_ROWS} rows (the last one padded
 * with zeros) and stored panel after panel. Within a panel, elements of one column lie together:
 *
 * - packed_f32, packed_f16: for each column k, the values of the panel's 16 rows.
 * - packed_q8_0: columns in blocks of 32; for each block 16 f32 scales, then for each column of the
 *   block the 16 signed bytes. value = scale * q.
 * - packed_q4_0, packed_q4_1: blocks of 32; 16 f32 scales (q4_1: then 16 f32 minima), then for each
 *   pair of columns (j, j + 16), j = 0..15, 16 bytes: low nibble column j, high nibble column
 *   j + 16. value = scale * (q - 8) (q4_0), scale * q + minimum (q4_1), in f32 arithmetic.
 * - integer_q8_0, integer_q4_0, integer_q4_1: as above, but the level bytes of a block lie in groups
 *   of four: for each four columns (or pairs), for each of the 16 rows, its four bytes.
 *
 * @module
 */
import { isInteger, type PackedType } from "./dtype.ts";
import { OutriderError } from "./errors.ts";

/** Rows of one panel. */
export const PANEL_ROWS = 16;
/** Columns of one quantised block. */
export const BLOCK_COLUMNS = 32;

/** Bytes that one panel takes per group of columns. */
export interface PackedLayout {
  /** Columns that are stored together; the column count must be a multiple of it. */
  readonly columns: number;
  /** Bytes of one such group in one panel. */
  readonly bytes: number;
}

/** Layout of each packed type. */
export const PACKED_LAYOUT: { readonly [type in PackedType]: PackedLayout } = {
  packed_f32: { columns: 1, bytes: 4 * PANEL_ROWS },
  packed_f16: { columns: 1, bytes: 2 * PANEL_ROWS },
  packed_q8_0: { columns: BLOCK_COLUMNS, bytes: 4 * PANEL_ROWS + BLOCK_COLUMNS * PANEL_ROWS },
  packed_q4_0: { columns: BLOCK_COLUMNS, bytes: 4 * PANEL_ROWS + BLOCK_COLUMNS * PANEL_ROWS / 2 },
  packed_q4_1: { columns: BLOCK_COLUMNS, bytes: 8 * PANEL_ROWS + BLOCK_COLUMNS * PANEL_ROWS / 2 },
  integer_q8_0: { columns: BLOCK_COLUMNS, bytes: 4 * PANEL_ROWS + BLOCK_COLUMNS * PANEL_ROWS },
  integer_q4_0: { columns: BLOCK_COLUMNS, bytes: 4 * PANEL_ROWS + BLOCK_COLUMNS * PANEL_ROWS / 2 },
  integer_q4_1: { columns: BLOCK_COLUMNS, bytes: 8 * PANEL_ROWS + BLOCK_COLUMNS * PANEL_ROWS / 2 },
};

/** Columns (or pairs of columns) whose level bytes lie together in the integer types. */
export const GROUP_COLUMNS = 4;

/** Where level byte `index` of the panel's row `lane` lies, counted from a block's first level. */
export function levelPlace(type: PackedType, index: number, lane: number): number {
  if (!isInteger(type)) return index * PANEL_ROWS + lane;
  const within = index % GROUP_COLUMNS;
  return (index - within) * PANEL_ROWS + lane * GROUP_COLUMNS + within;
}

/**
 * Bytes of a packed [rows, columns] matrix.
 *
 * @throws OutriderError where the columns are no multiple of the type's block
 * @example
 * ```ts
 * import { packedBytes } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(packedBytes("packed_f16", 16, 3), 16 * 3 * 2);
 * ```
 */
export function packedBytes(type: PackedType, rows: number, columns: number): number {
  const layout = PACKED_LAYOUT[type];
  if (columns % layout.columns !== 0) {
    throw new OutriderError(
      `a multiple of ${layout.columns} columns for ${type}`,
      `${columns}`,
      "keep this matrix in packed_f32 or packed_f16",
    );
  }
  return Math.ceil(rows / PANEL_ROWS) * (columns / layout.columns) * layout.bytes;
}
