/**
 * Four rows of a model file, 32 columns of each, as columns: one vector with the four rows' values
 * for every column.
 *
 * Values are those of `src/io/quantization.ts`: level * scale (+ minimum), no step fused.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "../../src/core/packed.ts";
import type { StoredFormat } from "../../src/core/stored_rows.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i16x8, i32x4, v128 } from "./assembler_ops.ts";
import { LANES, splatLane, transpose, VECTOR_BYTES } from "./lanes.ts";
import { halfToFloat, widenBytes } from "./packed_decode.ts";

type V128 = Expression<"v128">;

/** One vector for each of four rows, or for each of four columns. */
export type Four = [V128, V128, V128, V128];

/** Four rows of one block of columns. */
export interface BlockRows {
  readonly builder: FunctionBuilder;
  /** Where the block of each row begins. */
  readonly rows: readonly Local<"i32">[];
  /** Takes a mask of lanes with numbers that cannot be packed. */
  readonly unfit: (mask: V128) => void;
}

/** Takes four columns after another, the first of which has this number in the block. */
type ColumnsVisitor = (first: number, columns: Four) => void;

const HALF_BYTES = 2;
const NIBBLES = BLOCK_COLUMNS / 2;

function every(builder: FunctionBuilder, value: number): V128 {
  return builder.constant(i32x4.constant(value, value, value, value));
}

/** Calls for each row of four. */
export function forRows(
  { rows: [a, b, c, d] }: BlockRows,
  make: (row: Local<"i32">, index: number) => V128,
): Four {
  return [make(a, 0), make(b, 1), make(c, 2), make(d, 3)];
}

/** The four rows' 16-bit floats that lie so far in their blocks, as f32; they must be finite. */
export function blockHalves(block: BlockRows, offset: number): Local<"v128"> {
  const { builder, rows, unfit } = block;
  const bits = builder.local(
    rows.reduce<V128>(
      (rest, row, i) => v128.load16Lane(at(row, offset), 2 * i, rest),
      every(builder, 0),
    ),
  );
  const exponent = every(builder, 0x7c00);
  unfit(i32x4.eq(v128.and(bits, exponent), exponent));
  return builder.local(halfToFloat(builder, i32x4.shrS(i32x4.shl(bits, 16), 16)));
}

/** Visits columns of floats; `load` gives four columns of one row as f32. */
function floatColumns(
  block: BlockRows,
  visit: ColumnsVisitor,
  load: (row: Local<"i32">, first: number) => V128,
): void {
  const { builder, unfit } = block;
  const exponent = every(builder, 0x7f800000);
  for (let first = 0; first < BLOCK_COLUMNS; first += LANES) {
    const values = forRows(block, (row) => {
      const value = builder.local(load(row, first));
      unfit(i32x4.eq(v128.and(value, exponent), exponent));
      return value;
    });
    visit(first, transpose(builder, values));
  }
}

/** What turns the levels of a row into its values. */
type Dequantise = (levels: V128, row: number) => V128;

function scaled(block: BlockRows, minima?: V128): Dequantise {
  const { builder } = block;
  const scales = blockHalves(block, 0);
  const ofRow = (values: V128) => forRows(block, (_, i) => builder.local(splatLane(values, i)));
  const scale = ofRow(scales);
  const minimum = minima && ofRow(minima);
  return (levels, row) => {
    const product = f32x4.mul(f32x4.convertI32(levels), scale[row]);
    return minimum === undefined ? product : f32x4.add(product, minimum[row]);
  };
}

function byteColumns(block: BlockRows, visit: ColumnsVisitor): void {
  const { builder } = block;
  const dequantise = scaled(block);
  for (let first = 0; first < BLOCK_COLUMNS; first += 2 * LANES) {
    const words = forRows(
      block,
      (row) => builder.local(v128.load8x8S(at(row, HALF_BYTES + first))),
    );
    const low = words.map((word, row) => dequantise(i32x4.extendLowS(word), row));
    const high = words.map((word, row) => dequantise(i32x4.extendHighS(word), row));
    visit(first, transpose(builder, forRows(block, (_, i) => low[i])));
    visit(first + LANES, transpose(builder, forRows(block, (_, i) => high[i])));
  }
}

/** Low nibbles are the first half of the columns, high nibbles the second. */
function nibbleColumns(
  block: BlockRows,
  visit: ColumnsVisitor,
  offset: number,
  dequantise: Dequantise,
): void {
  const { builder } = block;
  const mask = every(builder, 0x0f0f0f0f);
  const both = forRows(block, (row) => builder.local(v128.load(at(row, offset))));
  const pass = (first: number, nibble: (bytes: V128) => V128): void => {
    const levels = both.map((bytes) => builder.local(v128.and(nibble(bytes), mask)));
    for (const quarter of [0, 1, 2, 3] as const) {
      const values = forRows(
        block,
        (_, i) => dequantise(widenBytes(builder, levels[i], quarter), i),
      );
      visit(first + quarter * LANES, transpose(builder, values));
    }
  };
  pass(0, (bytes) => bytes);
  pass(NIBBLES, (bytes) => i16x8.shrU(bytes, 4));
}

const COLUMNS: {
  readonly [format in StoredFormat]: (block: BlockRows, visit: ColumnsVisitor) => void;
} = {
  F32: (block, visit) =>
    floatColumns(block, visit, (row, first) => v128.load(at(row, first * VECTOR_BYTES / LANES))),
  F16: (block, visit) =>
    floatColumns(block, visit, (row, first) => {
      const halves = v128.load16x4S(at(row, first * HALF_BYTES));
      return halfToFloat(block.builder, halves);
    }),
  BF16: (block, visit) =>
    floatColumns(
      block,
      visit,
      (row, first) => i32x4.shl(v128.load16x4S(at(row, first * HALF_BYTES)), 16),
    ),
  Q8_0: byteColumns,
  Q4_0: (block, visit) => {
    const eight = every(block.builder, 8);
    const dequantise = scaled(block);
    nibbleColumns(
      block,
      visit,
      HALF_BYTES,
      (levels, row) => dequantise(i32x4.sub(levels, eight), row),
    );
  },
  Q4_1: (block, visit) => {
    const minima = blockHalves(block, HALF_BYTES);
    nibbleColumns(block, visit, 2 * HALF_BYTES, scaled(block, minima));
  },
};

/** Visits the columns of four rows in order, four at a time. */
export function eachStoredColumn(
  format: StoredFormat,
  block: BlockRows,
  visit: ColumnsVisitor,
): void {
  COLUMNS[format](block, visit);
}
