/**
 * Four rows of a block of columns into their lanes of a panel: quantised as `core/block_format.ts`
 * does it, step by step, or taken over as they are stored.
 *
 * @module
 */
import { BLOCK_FORMAT, type BlockType } from "../../src/core/block_format.ts";
import { isInteger, type PackedType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, GROUP_COLUMNS, PANEL_ROWS } from "../../src/core/packed.ts";
import { SAME_FORMAT, type StoredFormat } from "../../src/core/stored_rows.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32x4, v128 } from "./assembler_ops.ts";
import { HALF_OVERFLOW, halfBits, roundToHalf } from "./half_float.ts";
import { LANE_BYTES, LANES, transpose, VECTOR_BYTES } from "./lanes.ts";
import { PANEL_BYTES } from "./matmul_tile.ts";
import { blockHalves, type BlockRows, eachStoredColumn, forRows } from "./stored_columns.ts";

type V128 = Expression<"v128">;

/** Where four rows of a panel's block go. */
export interface BlockTarget {
  /** The first row's lane of f32 numbers. */
  readonly floats: Local<"i32">;
  /** The first row's lane of levels, as if the block had no floats. */
  readonly levels: Local<"i32">;
}

/** Bytes from one row's lane to the next in what is not f32. */
export function levelLaneBytes(type: PackedType): number {
  if (type === "packed_f32" || isInteger(type)) return LANE_BYTES;
  return type === "packed_f16" ? 2 : 1;
}

function every(builder: FunctionBuilder, value: number): V128 {
  return builder.constant(i32x4.constant(value, value, value, value));
}

function everyFloat(builder: FunctionBuilder, value: number): V128 {
  return builder.constant(f32x4.constant(value));
}

/** Stores a float of every row: the scale, or after it the minimum. */
function storeFloats(
  builder: FunctionBuilder,
  { floats }: BlockTarget,
  index: number,
  value: V128,
) {
  builder.emit(v128.store(at(floats, index * PANEL_BYTES), value));
}

/** Rows of four bytes to columns of them: byte i of lane j becomes byte j of lane i. */
const TRANSPOSED_BYTES = [0, 1, 2, 3].flatMap((column) => [0, 4, 8, 12].map((row) => row + column));

/** Stores level bytes 4 group .. 4 group + 3 of every row, which its lane holds. */
function storeLevels(
  builder: FunctionBuilder,
  type: BlockType,
  { levels }: BlockTarget,
  group: number,
  bytes: V128,
): void {
  const place = BLOCK_FORMAT[type].halves * PANEL_BYTES + group * GROUP_COLUMNS * PANEL_ROWS;
  if (isInteger(type)) return builder.emit(v128.store(at(levels, place), bytes));
  const columns = builder.local(
    v128.swizzle8(bytes, builder.constant(v128.constant(TRANSPOSED_BYTES))),
  );
  for (let column = 0; column < GROUP_COLUMNS; column++) {
    builder.emit(v128.store32Lane(at(levels, place + column * PANEL_ROWS), column, columns));
  }
}

/** Blocks that stay as they are: only their 16-bit floats are widened. */
function copyBlock(type: BlockType, block: BlockRows, target: BlockTarget): void {
  const { builder } = block;
  const { halves, levels } = BLOCK_FORMAT[type];
  for (let i = 0; i < halves; i++) storeFloats(builder, target, i, blockHalves(block, 2 * i));
  for (let from = 0; from < levels; from += VECTOR_BYTES) {
    const rows = forRows(block, (row) => builder.local(v128.load(at(row, 2 * halves + from))));
    transpose(builder, rows).forEach((bytes, i) =>
      storeLevels(builder, type, target, from / GROUP_COLUMNS + i, bytes)
    );
  }
}

/** The bytes of four levels, which are in 0 .. 255, in one lane. */
function joinBytes(levels: readonly V128[]): V128 {
  return levels.map((level, i) => i === 0 ? level : i32x4.shl(level, 8 * i)).reduce(v128.or);
}

/** 1 / scale, and 0 where that is 0. */
function inverse(builder: FunctionBuilder, scale: Local<"v128">): Local<"v128"> {
  const isPresent = f32x4.gt(f32x4.abs(scale), everyFloat(builder, 0));
  return builder.local(v128.and(f32x4.div(everyFloat(builder, 1), scale), isPresent));
}

/** Stores a scale or minimum, rounded to 16 bits, which it must fit. */
function storeHalf(block: BlockRows, target: BlockTarget, index: number, value: Local<"v128">) {
  const { builder, unfit } = block;
  unfit(v128.not(f32x4.lt(f32x4.abs(value), everyFloat(builder, HALF_OVERFLOW))));
  storeFloats(builder, target, index, roundToHalf(builder, value));
}

/** Quantises 32 columns; gives the level of a column as i32 in 0 .. 255. */
type Quantiser = (
  block: BlockRows,
  columns: readonly V128[],
  target: BlockTarget,
) => (column: V128) => V128;

const quantiseQ8: Quantiser = (block, columns, target) => {
  const { builder } = block;
  const largest = columns.map((column): V128 => f32x4.abs(column)).reduce(f32x4.pmax);
  const scale = builder.local(f32x4.div(largest, everyFloat(builder, 127)));
  const factor = inverse(builder, scale);
  storeHalf(block, target, 0, scale);
  const sign = every(builder, -0x80000000);
  // Just below a half: the sum of a half and this rounds to 1, and nothing smaller does.
  const almostHalf = everyFloat(builder, Math.fround(0.5 - 2 ** -25));
  return (column) => {
    const exact = builder.local(f32x4.mul(column, factor));
    // An infinite factor of tiny weights gives levels of 0.
    const isSmall = f32x4.lt(f32x4.abs(exact), everyFloat(builder, 256));
    const awayFromZero = v128.or(v128.and(exact, sign), almostHalf);
    const level = i32x4.truncate(f32x4.add(exact, awayFromZero));
    return v128.and(level, v128.and(isSmall, every(builder, 255)));
  };
};

const quantiseQ4: Quantiser = (block, columns, target) => {
  const { builder } = block;
  const largest = builder.local(everyFloat(builder, 0));
  for (const column of columns) {
    const isLarger = f32x4.gt(f32x4.abs(column), f32x4.abs(largest));
    builder.assign(largest, v128.bitselect(column, largest, isLarger));
  }
  const scale = builder.local(f32x4.div(largest, everyFloat(builder, -8)));
  const factor = inverse(builder, scale);
  storeHalf(block, target, 0, scale);
  const middle = everyFloat(builder, 8.5);
  return (column) => {
    const level = i32x4.truncate(f32x4.add(f32x4.mul(column, factor), middle));
    const most = every(builder, 15);
    return v128.and(i32x4.minS(level, most), most);
  };
};

const quantiseQ4WithMinimum: Quantiser = (block, columns, target) => {
  const { builder } = block;
  // A first value of -0 counts as 0.
  const first = builder.local(f32x4.add(columns[0], everyFloat(builder, 0)));
  const rest = columns.slice(1);
  const minimum = builder.local(rest.reduce<V128>(f32x4.min, first));
  const maximum = rest.reduce<V128>(f32x4.pmax, first);
  const range = f32x4.sub(maximum, minimum);
  const scale = builder.local(f32x4.div(range, everyFloat(builder, 15)));
  const factor = inverse(builder, scale);
  storeHalf(block, target, 0, scale);
  storeHalf(block, target, 1, minimum);
  const half = everyFloat(builder, 0.5);
  return (column) => {
    const shifted = f32x4.mul(f32x4.sub(column, minimum), factor);
    const level = i32x4.truncate(f32x4.add(shifted, half));
    return i32x4.minS(level, every(builder, 15));
  };
};

const QUANTISER: { readonly [type in BlockType]: Quantiser } = {
  packed_q8_0: quantiseQ8,
  packed_q4_0: quantiseQ4,
  packed_q4_1: quantiseQ4WithMinimum,
  integer_q8_0: quantiseQ8,
  integer_q4_0: quantiseQ4,
  integer_q4_1: quantiseQ4WithMinimum,
};

function quantiseBlock(
  type: BlockType,
  stored: StoredFormat,
  block: BlockRows,
  target: BlockTarget,
): void {
  const { builder } = block;
  const columns: V128[] = [];
  eachStoredColumn(stored, block, (_, four) => {
    columns.push(...four.map((column) => builder.local(column)));
  });
  const levelOf = QUANTISER[type](block, columns, target);
  const { levels } = BLOCK_FORMAT[type];
  /** One byte of levels: a column's, or those of the column and of its partner half a block away. */
  const byteOf = (index: number): V128 => {
    const low = levelOf(columns[index]);
    if (levels === BLOCK_COLUMNS) return low;
    return v128.or(low, i32x4.shl(levelOf(columns[index + levels]), 4));
  };
  for (let from = 0; from < levels; from += GROUP_COLUMNS) {
    const bytes = Array.from({ length: GROUP_COLUMNS }, (_, i) => byteOf(from + i));
    storeLevels(builder, type, target, from / GROUP_COLUMNS, builder.local(joinBytes(bytes)));
  }
}

function floatBlock(stored: StoredFormat, block: BlockRows, { levels }: BlockTarget): void {
  eachStoredColumn(
    stored,
    block,
    (first, columns) =>
      columns.forEach((column, i) =>
        block.builder.emit(v128.store(at(levels, (first + i) * PANEL_BYTES), column))
      ),
  );
}

/** The low halves of the lanes, one after another. */
const LOW_HALVES = [0, 4, 8, 12, 0, 4, 8, 12].flatMap((byte) => [byte, byte + 1]);

function halfBlock(stored: StoredFormat, block: BlockRows, { levels }: BlockTarget): void {
  const { builder } = block;
  const places = builder.constant(v128.constant(LOW_HALVES));
  eachStoredColumn(stored, block, (first, columns) =>
    columns.forEach((column, i) => {
      const bits = v128.swizzle8(halfBits(builder, builder.local(column)), places);
      const place = at(levels, (first + i) * PANEL_BYTES / 2);
      builder.emit(v128.store64Lane(place, 0, builder.local(bits)));
    }));
}

/** Packs four rows of one block of columns. */
export function packBlock(
  type: PackedType,
  stored: StoredFormat,
  block: BlockRows,
  target: BlockTarget,
): void {
  if (type === "packed_f32") floatBlock(stored, block, target);
  else if (type === "packed_f16") halfBlock(stored, block, target);
  else if (SAME_FORMAT[type] === stored) copyBlock(type, block, target);
  else quantiseBlock(type, stored, block, target);
}

/** Rows that are packed together: the lanes of a vector. */
export const GROUP_ROWS = LANES;
