/**
 * One panel of the packed layout at a time: blocks of a model file spread over the 16 lanes.
 *
 * @module
 */
import { BLOCK_FORMAT, type BlockType } from "./block_format.ts";
import { isInteger } from "./dtype.ts";
import { halfToNumber } from "./half_float.ts";
import { levelPlace, PACKED_LAYOUT, PANEL_ROWS } from "./packed.ts";

/** Where a panel's blocks come from: consecutive rows, each of whole blocks. */
export interface BlockRows {
  /** The blocks, as the 16-bit units of which every block is made. */
  readonly units: Uint16Array;
  /** The unit where the panel's first row begins. */
  readonly at: number;
  /** Rows present, at most {@link PANEL_ROWS}. */
  readonly count: number;
  /** Blocks of one row. */
  readonly blocks: number;
}

/** Where a panel goes. */
export interface PanelPlace {
  /** The packed matrix. */
  readonly packed: Uint8Array;
  /** The byte where the panel begins, a multiple of 4. */
  readonly at: number;
}

/** Widens the 16-bit floats at the start of every block. */
function packFloats(type: BlockType, rows: BlockRows, { packed, at }: PanelPlace): void {
  const { halves, bytes } = BLOCK_FORMAT[type];
  const { units } = rows;
  const floats = new Float32Array(packed.buffer, packed.byteOffset, packed.length >> 2);
  const step = PACKED_LAYOUT[type].bytes / 4;
  for (let row = 0; row < rows.count; row++) {
    let from = rows.at + row * rows.blocks * bytes / 2;
    let to = at / 4 + row;
    for (let block = 0; block < rows.blocks; block++, from += bytes / 2, to += step) {
      floats[to] = halfToNumber(units[from]);
      if (halves === 2) floats[to + PANEL_ROWS] = halfToNumber(units[from + 1]);
    }
  }
}

/** Levels of the integer types: four bytes of a row lie together, so they move as one word. */
function packWords(type: BlockType, rows: BlockRows, { packed, at }: PanelPlace): void {
  const { halves, levels, bytes } = BLOCK_FORMAT[type];
  const { units } = rows;
  const words = new Int32Array(packed.buffer, packed.byteOffset, packed.length >> 2);
  const step = PACKED_LAYOUT[type].bytes / 4;
  const end = levels / 4 * PANEL_ROWS;
  for (let row = 0; row < rows.count; row++) {
    let from = rows.at + row * rows.blocks * bytes / 2;
    let to = at / 4 + halves * PANEL_ROWS + row;
    for (let block = 0; block < rows.blocks; block++, from += bytes / 2, to += step) {
      let unit = from + halves;
      for (let word = to; word < to + end; word += PANEL_ROWS, unit += 2) {
        words[word] = units[unit] | (units[unit + 1] << 16);
      }
    }
  }
}

/** Levels of whole panels of the other types: 4 by 4 bytes of four rows are transposed as words. */
function packColumns(type: BlockType, rows: BlockRows, { packed, at }: PanelPlace): void {
  const { halves, levels, bytes } = BLOCK_FORMAT[type];
  const { units } = rows;
  const words = new Int32Array(packed.buffer, packed.byteOffset, packed.length >> 2);
  const step = PACKED_LAYOUT[type].bytes / 4;
  const rowUnits = rows.blocks * bytes / 2;
  for (let row = 0; row < PANEL_ROWS; row += 4) {
    let from = rows.at + row * rowUnits + halves;
    let to = at / 4 + halves * PANEL_ROWS + row / 4;
    for (let block = 0; block < rows.blocks; block++, from += bytes / 2, to += step) {
      let word = to;
      for (let unit = from; unit < from + levels / 2; unit += 2, word += PANEL_ROWS) {
        const a = units[unit] | (units[unit + 1] << 16);
        const b = units[unit + rowUnits] | (units[unit + rowUnits + 1] << 16);
        const c = units[unit + 2 * rowUnits] | (units[unit + 2 * rowUnits + 1] << 16);
        const d = units[unit + 3 * rowUnits] | (units[unit + 3 * rowUnits + 1] << 16);
        const evenAb = (a & 0x00ff00ff) | ((b & 0x00ff00ff) << 8);
        const oddAb = ((a >>> 8) & 0x00ff00ff) | (b & 0xff00ff00);
        const evenCd = (c & 0x00ff00ff) | ((d & 0x00ff00ff) << 8);
        const oddCd = ((c >>> 8) & 0x00ff00ff) | (d & 0xff00ff00);
        words[word] = (evenAb & 0xffff) | (evenCd << 16);
        words[word + PANEL_ROWS / 4] = (oddAb & 0xffff) | (oddCd << 16);
        words[word + PANEL_ROWS / 2] = (evenAb >>> 16) | (evenCd & 0xffff0000);
        words[word + 3 * PANEL_ROWS / 4] = (oddAb >>> 16) | (oddCd & 0xffff0000);
      }
    }
  }
}

/** Levels one after another: for the last panel, which may have fewer rows. */
function packLevels(type: BlockType, rows: BlockRows, { packed, at }: PanelPlace): void {
  const { halves, levels, bytes } = BLOCK_FORMAT[type];
  const source = new Uint8Array(rows.units.buffer, rows.units.byteOffset, 2 * rows.units.length);
  for (let row = 0; row < rows.count; row++) {
    for (let block = 0; block < rows.blocks; block++) {
      const from = 2 * rows.at + (row * rows.blocks + block) * bytes + 2 * halves;
      const to = at + block * PACKED_LAYOUT[type].bytes + 4 * halves * PANEL_ROWS;
      for (let j = 0; j < levels; j++) packed[to + levelPlace(type, j, row)] = source[from + j];
    }
  }
}

/** Writes one panel; lanes without a row keep what they held. */
export function packPanel(type: BlockType, rows: BlockRows, place: PanelPlace): void {
  packFloats(type, rows, place);
  if (isInteger(type)) packWords(type, rows, place);
  else if (rows.count === PANEL_ROWS) packColumns(type, rows, place);
  else packLevels(type, rows, place);
}

/**
 * Writes one panel of plain elements: the rows of one column lie together. Lanes without a row keep
 * what they held.
 *
 * @param at the element where the panel's first row begins, and the panel itself
 */
export function interleavePanel<Elements extends Float32Array | Uint16Array>(
  from: Elements,
  to: Elements,
  { at, count, columns }: { readonly at: number; readonly count: number; readonly columns: number },
): void {
  for (let k = 0; k < columns; k++) {
    const target = at + k * PANEL_ROWS;
    let source = at + k;
    for (let row = 0; row < count; row++, source += columns) to[target + row] = from[source];
  }
}
