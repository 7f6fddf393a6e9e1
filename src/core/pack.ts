/**
 * Weight matrices into the packed layout of `packed.ts`.
 *
 * @module
 */
import { BLOCK_FORMAT, type BlockType, isBlockType, quantiseBlocks } from "./block_format.ts";
import type { PackedType } from "./dtype.ts";
import { OutriderError } from "./errors.ts";
import { halfToNumber, numbersToHalves } from "./half_float.ts";
import { BLOCK_COLUMNS, levelPlace, PACKED_LAYOUT, packedBytes, PANEL_ROWS } from "./packed.ts";

function checkLength(what: string, expected: number, found: number): void {
  if (expected === found) return;
  throw new OutriderError(`${expected} ${what}`, `${found}`, "check the matrix's rows and columns");
}

/** Calls with each panel: its first row and how many rows it has. */
function forPanels(rows: number, visit: (first: number, count: number) => void): void {
  for (let first = 0; first < rows; first += PANEL_ROWS) {
    visit(first, Math.min(PANEL_ROWS, rows - first));
  }
}

/** Interleaves plain elements: within a panel, the rows of one column lie together. */
function interleave<Elements extends Float32Array | Uint16Array>(
  rows: number,
  columns: number,
  from: Elements,
  to: Elements,
): void {
  forPanels(rows, (first, count) => {
    for (let row = 0; row < count; row++) {
      const source = (first + row) * columns;
      const target = first * columns + row;
      for (let k = 0; k < columns; k++) to[target + k * PANEL_ROWS] = from[source + k];
    }
  });
}

/** Where a panel's blocks come from: consecutive rows, each of whole blocks. */
interface BlockRows {
  readonly bytes: Uint8Array;
  /** The byte where the panel's first row begins. */
  readonly at: number;
  /** Rows present, at most {@link PANEL_ROWS}. */
  readonly count: number;
  /** Blocks of one row. */
  readonly blocks: number;
}

/** The place of every level byte of a block: entry `index * PANEL_ROWS + row`. */
function levelPlaces(type: BlockType): Int32Array {
  return Int32Array.from(
    { length: BLOCK_FORMAT[type].levels * PANEL_ROWS },
    (_, i) => levelPlace(type, Math.floor(i / PANEL_ROWS), i % PANEL_ROWS),
  );
}

const LEVEL_PLACES: { readonly [type in BlockType]: Int32Array } = {
  packed_q8_0: levelPlaces("packed_q8_0"),
  packed_q4_0: levelPlaces("packed_q4_0"),
  packed_q4_1: levelPlaces("packed_q4_1"),
  integer_q8_0: levelPlaces("integer_q8_0"),
  integer_q4_0: levelPlaces("integer_q4_0"),
  integer_q4_1: levelPlaces("integer_q4_1"),
};

/** Writes one panel: widens each block's 16-bit floats and spreads its levels over the lanes. */
function packPanel(type: BlockType, rows: BlockRows, packed: Uint8Array, panelAt: number): void {
  const { halves, levels, bytes: blockBytes } = BLOCK_FORMAT[type];
  const groupBytes = PACKED_LAYOUT[type].bytes;
  const source = rows.bytes;
  const floats = new Float32Array(packed.buffer, packed.byteOffset, packed.length / 4);
  const places = LEVEL_PLACES[type];
  for (let row = 0; row < rows.count; row++) {
    let at = rows.at + row * rows.blocks * blockBytes;
    let group = panelAt;
    for (let block = 0; block < rows.blocks; block++) {
      for (let i = 0; i < halves; i++) {
        const bits = source[at + 2 * i] | (source[at + 2 * i + 1] << 8);
        floats[group / 4 + i * PANEL_ROWS + row] = halfToNumber(bits);
      }
      const target = group + 4 * halves * PANEL_ROWS;
      const from = at + 2 * halves;
      for (let j = 0; j < levels; j++) {
        packed[target + places[j * PANEL_ROWS + row]] = source[from + j];
      }
      at += blockBytes;
      group += groupBytes;
    }
  }
}

function packQuantised(
  type: BlockType,
  rows: number,
  columns: number,
  values: Float32Array,
): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(packedBytes(type, rows, columns));
  const blocks = columns / BLOCK_COLUMNS;
  const panelBytes = blocks * PACKED_LAYOUT[type].bytes;
  const bytes = new Uint8Array(PANEL_ROWS * blocks * BLOCK_FORMAT[type].bytes);
  forPanels(rows, (first, count) => {
    quantiseBlocks(type, values, first * columns, count * columns, bytes);
    packPanel(type, { bytes, at: 0, count, blocks }, packed, first / PANEL_ROWS * panelBytes);
  });
  return packed;
}

/**
 * A row-major f32 matrix [rows, columns] in a packed type: rounded to the nearest f16, or quantised
 * with ggml's reference rounding.
 *
 * @throws OutriderError where the sizes do not fit, or a value cannot be represented
 * @example
 * ```ts
 * import { packMatrix, unpackMatrix } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const weights = Float32Array.from({ length: 6 }, (_, i) => i / 2);
 * const packed = packMatrix("packed_f16", 2, 3, weights);
 * assertEquals(unpackMatrix("packed_f16", 2, 3, packed), weights);
 * ```
 */
export function packMatrix(
  type: PackedType,
  rows: number,
  columns: number,
  values: Float32Array,
): Uint8Array<ArrayBuffer> {
  checkLength("weights", rows * columns, values.length);
  if (isBlockType(type)) return packQuantised(type, rows, columns, values);
  const packed = new Uint8Array(packedBytes(type, rows, columns));
  if (type === "packed_f32") interleave(rows, columns, values, new Float32Array(packed.buffer));
  else interleave(rows, columns, numbersToHalves(values), new Uint16Array(packed.buffer));
  return packed;
}

/** The bytes at an address where 16-bit and 32-bit elements may begin. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
}

/**
 * A matrix in a model file's own format (rows of F32, F16, Q8_0, Q4_0 or Q4_1, little endian) in
 * the packed type of the same name. No number is rounded: unpacking gives the file's values.
 *
 * @throws OutriderError where the sizes do not fit
 * @example
 * ```ts
 * import { packBlocks, unpackMatrix } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * // One Q4_0 block: scale 0.5 (0x3800), every level 9, so every value is (9 - 8) * 0.5.
 * const block = new Uint8Array(18).fill(0x99);
 * block.set([0x00, 0x38]);
 * const packed = packBlocks("packed_q4_0", 1, 32, block);
 * assertEquals(unpackMatrix("packed_q4_0", 1, 32, packed), new Float32Array(32).fill(0.5));
 * ```
 */
export function packBlocks(
  type: PackedType,
  rows: number,
  columns: number,
  bytes: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(packedBytes(type, rows, columns));
  if (isBlockType(type)) {
    const blocks = columns / BLOCK_COLUMNS;
    const rowBytes = blocks * BLOCK_FORMAT[type].bytes;
    const panelBytes = blocks * PACKED_LAYOUT[type].bytes;
    checkLength("bytes", rows * rowBytes, bytes.length);
    forPanels(rows, (first, count) => {
      const source = { bytes, at: first * rowBytes, count, blocks };
      packPanel(type, source, packed, first / PANEL_ROWS * panelBytes);
    });
    return packed;
  }
  const count = rows * columns;
  const { buffer, byteOffset } = aligned(bytes);
  if (type === "packed_f32") {
    checkLength("bytes", 4 * count, bytes.length);
    const values = new Float32Array(buffer, byteOffset, count);
    interleave(rows, columns, values, new Float32Array(packed.buffer));
  } else {
    checkLength("bytes", 2 * count, bytes.length);
    const halves = new Uint16Array(buffer, byteOffset, count);
    interleave(rows, columns, halves, new Uint16Array(packed.buffer));
  }
  return packed;
}
