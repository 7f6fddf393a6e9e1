/**
 * Weight matrices into the packed layout of `packed.ts`.
 *
 * @module
 */
import { BLOCK_FORMAT, type BlockType, isBlockType, quantiseBlocks } from "./block_format.ts";
import type { PackedType } from "./dtype.ts";
import { OutriderError } from "./errors.ts";
import { numbersToHalves } from "./half_float.ts";
import { interleavePanel, packPanel } from "./pack_panels.ts";
import { BLOCK_COLUMNS, PACKED_LAYOUT, packedBytes, PANEL_ROWS } from "./packed.ts";

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

/** The 16-bit units of bytes, which are copied where they begin at an odd address. */
function unitsOf(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, length } = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(buffer, byteOffset, length >> 1);
}

/** Lanes of the last panel without a row hold zeros. */
function clearLastPanel(rows: number, packed: Uint8Array): void {
  if (rows % PANEL_ROWS === 0) return;
  packed.fill(0, packed.length - packed.length / Math.ceil(rows / PANEL_ROWS));
}

function packQuantised(
  type: BlockType,
  rows: number,
  columns: number,
  values: Float32Array,
  packed: Uint8Array,
): void {
  const blocks = columns / BLOCK_COLUMNS;
  const panelBytes = blocks * PACKED_LAYOUT[type].bytes;
  const bytes = new Uint8Array(PANEL_ROWS * blocks * BLOCK_FORMAT[type].bytes);
  const units = new Uint16Array(bytes.buffer);
  forPanels(rows, (first, count) => {
    quantiseBlocks(type, values, first * columns, count * columns, bytes);
    const at = first / PANEL_ROWS * panelBytes;
    packPanel(type, { units, at: 0, count, blocks }, { packed, at });
  });
}

function interleave<Elements extends Float32Array | Uint16Array>(
  rows: number,
  columns: number,
  from: Elements,
  to: Elements,
): void {
  forPanels(
    rows,
    (first, count) => interleavePanel(from, to, { at: first * columns, count, columns }),
  );
}

function floatsOf({ buffer, byteOffset, length }: Uint8Array): Float32Array {
  return new Float32Array(buffer, byteOffset, length >> 2);
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
  const packed = new Uint8Array(packedBytes(type, rows, columns));
  packMatrixInto(type, rows, columns, values, packed);
  return packed;
}

/** As {@link packMatrix}, into memory of the matrix's packed size at an address that 4 divides. */
export function packMatrixInto(
  type: PackedType,
  rows: number,
  columns: number,
  values: Float32Array,
  packed: Uint8Array,
): void {
  checkLength("weights", rows * columns, values.length);
  checkLength("packed bytes", packedBytes(type, rows, columns), packed.length);
  clearLastPanel(rows, packed);
  if (isBlockType(type)) packQuantised(type, rows, columns, values, packed);
  else if (type === "packed_f32") interleave(rows, columns, values, floatsOf(packed));
  else interleave(rows, columns, numbersToHalves(values), unitsOf(packed));
}

/** The bytes at an address where 32-bit elements may begin. */
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
  packBlocksInto(type, rows, columns, bytes, packed);
  return packed;
}

/** Bytes of one row in the model file's format of a packed type. */
function rowBytesOf(type: PackedType, columns: number): number {
  if (isBlockType(type)) return columns / BLOCK_COLUMNS * BLOCK_FORMAT[type].bytes;
  return columns * (type === "packed_f32" ? 4 : 2);
}

/** As {@link packBlocks}, into memory of the matrix's packed size at an address that 4 divides. */
export function packBlocksInto(
  type: PackedType,
  rows: number,
  columns: number,
  bytes: Uint8Array,
  packed: Uint8Array,
): void {
  checkLength("packed bytes", packedBytes(type, rows, columns), packed.length);
  checkLength("bytes", rows * rowBytesOf(type, columns), bytes.length);
  clearLastPanel(rows, packed);
  if (type === "packed_f32") {
    interleave(rows, columns, floatsOf(aligned(bytes)), floatsOf(packed));
  } else if (type === "packed_f16") interleave(rows, columns, unitsOf(bytes), unitsOf(packed));
  else {
    const units = unitsOf(bytes);
    const blocks = columns / BLOCK_COLUMNS;
    const rowUnits = rowBytesOf(type, columns) / 2;
    const panelBytes = blocks * PACKED_LAYOUT[type].bytes;
    forPanels(rows, (first, count) => {
      const at = first / PANEL_ROWS * panelBytes;
      packPanel(type, { units, at: first * rowUnits, count, blocks }, { packed, at });
    });
  }
}
