/**
 * The ggml blocks of 32 values that the packed quantised types are made of.
 *
 * A block is its 16-bit scale, for some types its 16-bit minimum, and its levels: one signed byte
 * per value, or nibbles, where byte j holds value j (low) and value j + 16 (high). The packed
 * layout keeps the bytes of the levels as they are and only widens the 16-bit floats.
 *
 * @module
 */
import type { IntegerType, PackedType } from "./dtype.ts";
import { OutriderError } from "./errors.ts";
import { BLOCK_COLUMNS } from "./packed.ts";

/** The packed types that are made of blocks. */
export type BlockType = "packed_q8_0" | "packed_q4_0" | "packed_q4_1" | IntegerType;

/** The bytes of one block. */
export interface BlockFormat {
  /** 16-bit floats at the start: the scale and perhaps the minimum. */
  readonly halves: number;
  /** Bytes of levels after them. */
  readonly levels: number;
  /** All of them. */
  readonly bytes: number;
}

/** The block of each packed quantised type. */
export const BLOCK_FORMAT: { readonly [type in BlockType]: BlockFormat } = {
  packed_q8_0: { halves: 1, levels: 32, bytes: 34 },
  packed_q4_0: { halves: 1, levels: 16, bytes: 18 },
  packed_q4_1: { halves: 2, levels: 16, bytes: 20 },
  integer_q8_0: { halves: 1, levels: 32, bytes: 34 },
  integer_q4_0: { halves: 1, levels: 16, bytes: 18 },
  integer_q4_1: { halves: 2, levels: 16, bytes: 20 },
};

/** True where the type is made of blocks. */
export function isBlockType(type: PackedType): type is BlockType {
  return type in BLOCK_FORMAT;
}

const scratch = (): DataView => new DataView(new ArrayBuffer(2));

/** Writes a 16-bit float, which must be finite. */
function writeHalf(bytes: Uint8Array, at: number, value: number, view: DataView): void {
  const rounded = Math.f16round(value);
  if (!Number.isFinite(rounded)) {
    throw new OutriderError(
      "finite weights whose block scales fit in 16-bit floats",
      `a scale or minimum of ${value}`,
      "keep this matrix in packed_f32",
    );
  }
  view.setFloat16(0, rounded, true);
  bytes[at] = view.getUint8(0);
  bytes[at + 1] = view.getUint8(1);
}

// Every step rounds to f32, as the arithmetic that defines the format does: the rounding decides
// which of two neighbouring levels a value takes.
const round32 = Math.fround;

const inverse = (scale: number): number => scale === 0 ? 0 : round32(1 / scale);

/** Half away from zero. */
const nearest = (x: number): number => x < 0 ? -Math.floor(0.5 - x) : Math.floor(x + 0.5);

/** NaN where a block holds NaN or infinity, else 0. */
function check(values: Float32Array, from: number): number {
  let total = 0;
  for (let j = from; j < from + BLOCK_COLUMNS; j++) total += values[j] - values[j];
  return total;
}

type Quantiser = (values: Float32Array, from: number, bytes: Uint8Array, at: number) => void;

/** value = scale * level, the largest magnitude at level 127 or -127. */
function quantiserQ8(): Quantiser {
  const view = scratch();
  return (values, from, bytes, at) => {
    let largest = check(values, from);
    for (let j = 0; j < BLOCK_COLUMNS; j++) largest = Math.max(largest, Math.abs(values[from + j]));
    const scale = round32(largest / 127);
    const factor = inverse(scale);
    writeHalf(bytes, at, scale, view);
    for (let j = 0; j < BLOCK_COLUMNS; j++) {
      bytes[at + 2 + j] = nearest(round32(values[from + j] * factor));
    }
  };
}

/** value = scale * (level - 8), the value of largest magnitude at level 0: it signs the scale. */
function quantiserQ4(): Quantiser {
  const view = scratch();
  return (values, from, bytes, at) => {
    let largest = check(values, from);
    for (let j = 0; j < BLOCK_COLUMNS; j++) {
      const value = values[from + j];
      if (Math.abs(value) > Math.abs(largest)) largest = value;
    }
    const scale = round32(largest / -8);
    const factor = inverse(scale);
    writeHalf(bytes, at, scale, view);
    for (let j = 0; j < BLOCK_COLUMNS / 2; j++) {
      const low = Math.min(15, Math.trunc(round32(round32(values[from + j] * factor) + 8.5)));
      const high = Math.min(15, Math.trunc(round32(round32(values[from + j + 16] * factor) + 8.5)));
      bytes[at + 2 + j] = low | (high << 4);
    }
  };
}

/** value = scale * level + minimum, from the smallest value at level 0 to the largest at 15. */
function quantiserQ4WithMinimum(): Quantiser {
  const view = scratch();
  return (values, from, bytes, at) => {
    let minimum = values[from] + check(values, from);
    let maximum = minimum;
    for (let j = 1; j < BLOCK_COLUMNS; j++) {
      minimum = Math.min(minimum, values[from + j]);
      maximum = Math.max(maximum, values[from + j]);
    }
    const scale = round32(round32(maximum - minimum) / 15);
    const factor = inverse(scale);
    writeHalf(bytes, at, scale, view);
    writeHalf(bytes, at + 2, minimum, view);
    const level = (j: number): number => {
      const shifted = round32(round32(values[from + j] - minimum) * factor);
      return Math.min(15, Math.trunc(round32(shifted + 0.5)));
    };
    for (let j = 0; j < BLOCK_COLUMNS / 2; j++) {
      bytes[at + 4 + j] = level(j) | (level(j + 16) << 4);
    }
  };
}

const QUANTISER: { readonly [type in BlockType]: () => Quantiser } = {
  packed_q8_0: quantiserQ8,
  packed_q4_0: quantiserQ4,
  packed_q4_1: quantiserQ4WithMinimum,
  integer_q8_0: quantiserQ8,
  integer_q4_0: quantiserQ4,
  integer_q4_1: quantiserQ4WithMinimum,
};

/**
 * Values from..from+count-1 as blocks, with ggml's reference rounding.
 *
 * @throws OutriderError where a value is not finite, or a scale is beyond 16-bit floats
 */
export function quantiseBlocks(
  type: BlockType,
  values: Float32Array,
  from: number,
  count: number,
  bytes: Uint8Array,
): void {
  const quantise = QUANTISER[type]();
  const step = BLOCK_FORMAT[type].bytes;
  for (let block = 0; block < count / BLOCK_COLUMNS; block++) {
    quantise(values, from + block * BLOCK_COLUMNS, bytes, block * step);
  }
}
