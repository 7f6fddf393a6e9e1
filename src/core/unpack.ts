/**
 * Packed weight matrices back to f32: what `dequantize` means.
 *
 * @module
 */
import { BLOCK_FORMAT, type BlockType, isBlockType } from "./block_format.ts";
import type { PackedType } from "./dtype.ts";
import { OutriderError } from "./errors.ts";
import { halfToNumber } from "./half_float.ts";
import { BLOCK_COLUMNS, levelPlace, PACKED_LAYOUT, packedBytes, PANEL_ROWS } from "./packed.ts";

/** value = f(level, scale, minimum), each step rounded to f32 (the products are exact). */
const VALUE: {
  readonly [type in BlockType]: (level: number, scale: number, minimum: number) => number;
} = {
  packed_q8_0: (level, scale) => scale * level,
  packed_q4_0: (level, scale) => scale * (level - 8),
  packed_q4_1: (level, scale, minimum) => Math.fround(scale * level) + minimum,
  integer_q8_0: (level, scale) => scale * level,
  integer_q4_0: (level, scale) => scale * (level - 8),
  integer_q4_1: (level, scale, minimum) => Math.fround(scale * level) + minimum,
};

/** The level of one column from its byte: a signed byte, the low nibble, or the high nibble. */
function levelOf(byte: number, column: number, levels: number): number {
  if (levels === BLOCK_COLUMNS) return (byte << 24) >> 24;
  return column < levels ? byte & 15 : byte >> 4;
}

/** Fills one row of the result from its lane of a panel. */
function unpackRow(
  type: BlockType,
  view: DataView,
  lane: number,
  panelAt: number,
  row: Float32Array,
): void {
  const { halves, levels } = BLOCK_FORMAT[type];
  const value = VALUE[type];
  for (let k = 0; k < row.length; k++) {
    const group = panelAt + Math.floor(k / BLOCK_COLUMNS) * PACKED_LAYOUT[type].bytes;
    const column = k % BLOCK_COLUMNS;
    const scale = view.getFloat32(group + 4 * lane, true);
    const minimum = halves === 1 ? 0 : view.getFloat32(group + 4 * (PANEL_ROWS + lane), true);
    const at = group + 4 * halves * PANEL_ROWS + levelPlace(type, column % levels, lane);
    row[k] = value(levelOf(view.getUint8(at), column, levels), scale, minimum);
  }
}

/** Fills one row of plain elements. */
function unpackPlainRow(
  type: "packed_f32" | "packed_f16",
  view: DataView,
  lane: number,
  panelAt: number,
  row: Float32Array,
): void {
  const columnBytes = PACKED_LAYOUT[type].bytes;
  for (let k = 0; k < row.length; k++) {
    const at = panelAt + k * columnBytes;
    row[k] = type === "packed_f32"
      ? view.getFloat32(at + 4 * lane, true)
      : halfToNumber(view.getUint16(at + 2 * lane, true));
  }
}

/**
 * The row-major f32 values [rows, columns] of a packed matrix.
 *
 * @throws OutriderError where the bytes are not those of such a matrix
 * @example
 * ```ts
 * import { packMatrix, unpackMatrix } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const weights = Float32Array.from({ length: 34 }, (_, i) => i);
 * const packed = packMatrix("packed_f32", 17, 2, weights);
 * assertEquals(unpackMatrix("packed_f32", 17, 2, packed), weights);
 * ```
 */
export function unpackMatrix(
  type: PackedType,
  rows: number,
  columns: number,
  packed: Uint8Array,
): Float32Array<ArrayBuffer> {
  const bytes = packedBytes(type, rows, columns);
  if (packed.length < bytes) {
    throw new OutriderError(`${bytes} packed bytes`, `${packed.length}`, "check rows and columns");
  }
  const view = new DataView(packed.buffer, packed.byteOffset, bytes);
  const panelBytes = bytes / Math.max(1, Math.ceil(rows / PANEL_ROWS));
  const values = new Float32Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    const row = values.subarray(r * columns, (r + 1) * columns);
    const panelAt = Math.floor(r / PANEL_ROWS) * panelBytes;
    const lane = r % PANEL_ROWS;
    if (isBlockType(type)) unpackRow(type, view, lane, panelAt, row);
    else unpackPlainRow(type, view, lane, panelAt, row);
  }
  return values;
}
