/**
 * 4-bit blocks to 8-bit blocks without decoding them.
 *
 * A block of 4-bit levels holds at most 16 different values, so each is rounded once per block and
 * not once per weight. The result has the bits of decoding the block and quantising the values.
 *
 * @module
 */
import { BLOCK_FORMAT } from "./block_format.ts";
import { OutriderError } from "./errors.ts";
import { halfToNumber } from "./half_float.ts";

/** Types whose levels are nibbles. */
export type NibbleType = "packed_q4_0" | "packed_q4_1";

const LEVELS = 16;
/** 16-bit units of a block's levels. */
const LEVEL_UNITS = BLOCK_FORMAT.packed_q4_1.levels / 2;
const EIGHT_BIT_UNITS = BLOCK_FORMAT.packed_q8_0.bytes / 2;
const ONES = 0x1111;
const TOP_BITS = 0x8888;

const round32 = Math.fround;

/** The lowest level that occurs in a block; the highest where `flip` inverts the levels. */
function lowestLevel(units: Uint16Array, from: number, flip: 0 | 0xffff): number {
  let zeros = 0;
  for (let unit = from; unit < from + LEVEL_UNITS; unit++) {
    const nibbles = units[unit] ^ flip;
    // The top bit of a nibble stays only where one of the nibbles of the unit is 0.
    zeros |= (nibbles - ONES) & ~nibbles & TOP_BITS;
  }
  if (zeros !== 0) return 0;
  let lowest = LEVELS - 1;
  for (let unit = from; unit < from + LEVEL_UNITS; unit++) {
    const nibbles = units[unit] ^ flip;
    for (let shift = 0; shift < 16; shift += 4) {
      lowest = Math.min(lowest, (nibbles >> shift) & 15);
    }
  }
  return lowest;
}

/**
 * Blocks of 4-bit levels as Q8_0 blocks, both as the 16-bit units that they are made of.
 *
 * @throws OutriderError where a scale is not finite
 */
export function requantiseBlocks(type: NibbleType, units: Uint16Array, result: Uint16Array): void {
  const { halves, bytes } = BLOCK_FORMAT[type];
  const scaleBits = new Uint16Array(1);
  const scales = new Float16Array(scaleBits.buffer);
  const levels = new Int32Array(LEVELS);
  for (let from = 0, to = 0; from < units.length; from += bytes / 2, to += EIGHT_BIT_UNITS) {
    const step = halfToNumber(units[from]);
    const minimum = halves === 2 ? halfToNumber(units[from + 1]) : -8 * step;
    const low = lowestLevel(units, from + halves, 0);
    const high = LEVELS - 1 - lowestLevel(units, from + halves, 0xffff);
    const largest = Math.max(
      Math.abs(round32(low * step + minimum)),
      Math.abs(round32(high * step + minimum)),
    );
    const scale = round32(largest / 127);
    if (!(scale < Infinity)) {
      throw new OutriderError("finite weights", `a scale of ${scale}`, "get the model again");
    }
    const factor = scale === 0 ? 0 : round32(1 / scale);
    scales[0] = scale;
    result[to] = scaleBits[0];
    for (let level = low; level <= high; level++) {
      const value = round32(round32(level * step + minimum) * factor);
      // To the nearest, halves away from zero; the sum is exact in double precision.
      levels[level] = (value < 0 ? value - 0.5 : value + 0.5) & 255;
    }
    for (let unit = 0; unit < LEVEL_UNITS; unit++) {
      const nibbles = units[from + halves + unit];
      result[to + 1 + unit] = levels[nibbles & 15] | (levels[(nibbles >> 8) & 15] << 8);
      result[to + 1 + LEVEL_UNITS + unit] = levels[(nibbles >> 4) & 15] |
        (levels[nibbles >> 12] << 8);
    }
  }
}
