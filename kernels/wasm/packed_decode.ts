/**
 * From packed weights to f32 values: the one place that knows how each packed type stores a number.
 *
 * Values are scale * q, scale * (q - 8) or scale * q + minimum, every step rounded to f32 and never
 * fused, so that every kernel sees the same values.
 *
 * @module
 */
import type { IntegerType, PackedType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, GROUP_COLUMNS, PACKED_LAYOUT, PANEL_ROWS } from "../../src/core/packed.ts";
import {
  type Count,
  countExpression,
  type FunctionBuilder,
  type Local,
  type MovingPointer,
} from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { type Address, at, f32x4, i16x8, i32, i32x4, v128 } from "./assembler_ops.ts";
import type { KernelFrame, Vectors } from "./kernel.ts";
import { VECTOR_BYTES } from "./lanes.ts";
import { PANEL_BYTES } from "./matmul_tile.ts";

type V128 = Expression<"v128">;

/** Types whose panels hold anything but plain f32. */
export type EncodedType = Exclude<PackedType, "packed_f32">;

/** One decoded column: the wanted quarters of it, and its number in the group of the stream. */
type ColumnVisitor = (values: readonly V128[], step: number) => void;

/** The vectors of a panel's column: rows 0-3, 4-7, 8-11, 12-15. */
type Quarter = 0 | 1 | 2 | 3;

/** What walks along with the columns: advanced by its bytes per column. */
interface ColumnStream {
  readonly source: Local<"i32">;
  readonly columns: Count;
  readonly moving: readonly MovingPointer[];
  /** The vectors to decode; the others cost nothing. */
  readonly quarters: readonly Quarter[];
  /** What the engine makes of neighbouring vectors; it decides which instructions, never a value. */
  readonly vectors: Vectors;
  readonly visit: ColumnVisitor;
}

/** Visits a panel's columns in order; `source` moves past them. */
type Decoder = (builder: FunctionBuilder, stream: ColumnStream) => void;

/** All of a panel's column. */
export const ALL_QUARTERS: readonly Quarter[] = [0, 1, 2, 3];
const NIBBLE_PAIRS = BLOCK_COLUMNS / 2;

function every(builder: FunctionBuilder, value: number): V128 {
  return builder.constant(i32x4.constant(value, value, value, value));
}

/**
 * The f32 value of the half float in the low half of each lane, whose sign fills the high half.
 * What is not a number becomes infinite, like infinity itself.
 */
export function halfToFloat(builder: FunctionBuilder, half: V128): V128 {
  // Sign and magnitude in the places of an f32, the exponent still too small by 112. Going too far
  // by as much again overflows for infinity and for nothing else.
  const bits = v128.and(i32x4.shl(half, 13), every(builder, 0x8fffe000 | 0));
  const up = builder.constant(f32x4.constant(2 ** 112));
  const down = builder.constant(f32x4.constant(2 ** -112));
  return f32x4.mul(f32x4.mul(f32x4.mul(bits, up), up), down);
}

/** Columns per turn of the loop over columns. */
const UNROLL: { readonly [vectors in Vectors]: number } = { apart: 2, joined: 4 };

/** Loads a quarter's half of a column once, however many quarters want it. */
function halfLoader(
  builder: FunctionBuilder,
  load: (half: number) => V128,
): (quarter: Quarter) => V128 {
  const loaded = new Map<number, V128>();
  return (quarter) => {
    const half = quarter >> 1;
    const known = loaded.get(half) ?? builder.local(load(half));
    loaded.set(half, known);
    return quarter % 2 === 0 ? i32x4.extendLowS(known) : i32x4.extendHighS(known);
  };
}

function decodeHalves(builder: FunctionBuilder, stream: ColumnStream): void {
  const { source, columns, moving, quarters, vectors, visit } = stream;
  const { bytes } = PACKED_LAYOUT.packed_f16;
  builder.stream(columns, [{ pointer: source, bytes }, ...moving], UNROLL[vectors], (step) => {
    const bitsOf = halfLoader(
      builder,
      (half) => v128.load(at(source, step * bytes + half * VECTOR_BYTES)),
    );
    visit(quarters.map((quarter) => halfToFloat(builder, bitsOf(quarter))), step);
  });
}

/** Turns the integer levels of one quarter of a column into values. */
type Dequantise = (levels: V128, quarter: Quarter) => V128;

/** Loads what a block begins with: sixteen scales, then sixteen minima where the type has them. */
function blockValues(
  builder: FunctionBuilder,
  type: EncodedType,
  { source, quarters }: ColumnStream,
): Dequantise {
  const vectors = (first: number): Map<Quarter, V128> =>
    new Map(quarters.map((quarter) => [
      quarter,
      builder.local(v128.load(at(source, first + quarter * VECTOR_BYTES))),
    ]));
  const zero = every(builder, 0);
  const scales = vectors(0);
  const minima = hasMinimum(type) ? vectors(PANEL_BYTES) : undefined;
  const isCentred = type === "packed_q4_0" || type === "integer_q4_0";
  const offset = isCentred ? every(builder, 8) : undefined;
  return (levels, quarter) => {
    const level = offset === undefined ? levels : i32x4.sub(levels, offset);
    const scaled = f32x4.mul(f32x4.convertI32(level), scales.get(quarter) ?? zero);
    return minima === undefined ? scaled : f32x4.add(scaled, minima.get(quarter) ?? zero);
  };
}

/** Bytes in front of a block's levels. */
function headerBytes(type: EncodedType): number {
  return hasMinimum(type) ? 2 * PANEL_BYTES : PANEL_BYTES;
}

/** True where sixteen minima follow a block's scales. */
export function hasMinimum(type: PackedType): boolean {
  return type === "packed_q4_1" || type === "integer_q4_1";
}

/** Visits blocks of 32 columns; `columns` emits the columns of one block after its header. */
function decodeBlocks(
  type: EncodedType,
  columns: (builder: FunctionBuilder, stream: ColumnStream, dequantise: Dequantise) => void,
): Decoder {
  return (builder, stream) => {
    const blocks = i32.divU(countExpression(stream.columns), i32.constant(BLOCK_COLUMNS));
    builder.repeat(blocks, () => {
      const dequantise = blockValues(builder, type, stream);
      builder.advance(stream.source, headerBytes(type));
      columns(builder, stream, dequantise);
    });
  };
}

const decodeBytes = decodeBlocks("packed_q8_0", (builder, stream, dequantise) => {
  const { source, moving, quarters, vectors, visit } = stream;
  const pointers = [{ pointer: source, bytes: PANEL_ROWS }, ...moving];
  builder.stream(BLOCK_COLUMNS, pointers, UNROLL[vectors], (step) => {
    const levelsOf = halfLoader(
      builder,
      (half) => v128.load8x8S(at(source, (step + half / 2) * PANEL_ROWS)),
    );
    visit(quarters.map((quarter) => dequantise(levelsOf(quarter), quarter)), step);
  });
});

/** Bytes 4 quarter .. 4 quarter + 3, each widened to a lane. */
export function widenBytes(builder: FunctionBuilder, bytes: V128, quarter: Quarter): V128 {
  const lane = (byte: number): number[] => [4 * quarter + byte, 0x80, 0x80, 0x80];
  const places = builder.constant(v128.constant([0, 1, 2, 3].flatMap(lane)));
  return v128.swizzle8(bytes, places);
}

/** Loads the levels of one column, in the low or the high nibbles of sixteen bytes. */
function nibbleLoader(
  builder: FunctionBuilder,
  vectors: Vectors,
  nibble: "low" | "high",
): (address: Address) => (quarter: Quarter) => V128 {
  if (vectors === "joined") {
    // The engine joins what is extended from one vector, but no swizzles.
    const mask = builder.constant(i16x8.constant(0x0f));
    return ({ pointer, offset }) =>
      halfLoader(builder, (half) => {
        const both = v128.load8x8U(at(pointer, offset + half * PANEL_ROWS / 2));
        return nibble === "low" ? v128.and(both, mask) : i16x8.shrU(both, 4);
      });
  }
  const mask = every(builder, 0x0f0f0f0f);
  return (address) => {
    const both = v128.load(address);
    const levels = builder.local(v128.and(nibble === "low" ? both : i16x8.shrU(both, 4), mask));
    return (quarter) => widenBytes(builder, levels, quarter);
  };
}

/** Low nibbles are columns 0 .. 15 of a block and high nibbles the others: two passes, in order. */
function decodeNibbles(type: "packed_q4_0" | "packed_q4_1"): Decoder {
  return decodeBlocks(type, (builder, stream, dequantise) => {
    const { source, moving, quarters, vectors, visit } = stream;
    for (const nibble of ["low", "high"] as const) {
      const load = nibbleLoader(builder, vectors, nibble);
      const from = builder.local(source);
      const pointers = [{ pointer: from, bytes: PANEL_ROWS }, ...moving];
      builder.stream(NIBBLE_PAIRS, pointers, UNROLL[vectors], (step) => {
        const levelsOf = load(at(from, step * PANEL_ROWS));
        visit(quarters.map((quarter) => dequantise(levelsOf(quarter), quarter)), step);
      });
    }
    builder.advance(source, NIBBLE_PAIRS * PANEL_ROWS);
  });
}

/**
 * The integer types keep the bytes of four columns (or pairs) together, row by row: a lane holds the
 * four of its row, and column i is byte i.
 */
function decodeGroups(type: IntegerType): Decoder {
  return decodeBlocks(type, (builder, stream, dequantise) => {
    const { source, moving, quarters, visit } = stream;
    const bytes = GROUP_COLUMNS * PANEL_ROWS;
    const perGroup = moving.map(({ pointer, bytes }) => ({
      pointer,
      bytes: GROUP_COLUMNS * bytes,
    }));
    const pass = (groups: number, level: (bytes: V128, column: number) => V128): void => {
      const from = builder.local(source);
      builder.stream(groups, [{ pointer: from, bytes }, ...perGroup], 1, () => {
        for (let column = 0; column < GROUP_COLUMNS; column++) {
          const values = quarters.map((quarter) => {
            const four = v128.load(at(from, quarter * VECTOR_BYTES));
            return dequantise(level(four, column), quarter);
          });
          visit(values, column);
        }
      });
    };
    if (type === "integer_q8_0") {
      pass(
        BLOCK_COLUMNS / GROUP_COLUMNS,
        (four, column) => i32x4.shrS(i32x4.shl(four, 24 - 8 * column), 24),
      );
      builder.advance(source, BLOCK_COLUMNS * PANEL_ROWS);
      return;
    }
    const mask = every(builder, 0x0f);
    for (const shift of [0, 4]) {
      pass(
        NIBBLE_PAIRS / GROUP_COLUMNS,
        (four, column) => v128.and(i32x4.shrU(four, 8 * column + shift), mask),
      );
    }
    builder.advance(source, NIBBLE_PAIRS * PANEL_ROWS);
  });
}

const DECODERS: { readonly [type in EncodedType]: Decoder } = {
  packed_f16: decodeHalves,
  packed_q8_0: decodeBytes,
  packed_q4_0: decodeNibbles("packed_q4_0"),
  packed_q4_1: decodeNibbles("packed_q4_1"),
  integer_q8_0: decodeGroups("integer_q8_0"),
  integer_q4_0: decodeGroups("integer_q4_0"),
  integer_q4_1: decodeGroups("integer_q4_1"),
};

/**
 * Visits the columns of one panel in order with their values; `source` and the moving pointers end
 * behind them. The number of columns is a multiple of the type's block.
 */
export function eachColumn(
  builder: FunctionBuilder,
  type: EncodedType,
  stream: ColumnStream,
): void {
  DECODERS[type](builder, stream);
}

/** Decodes a run of columns of one panel into f32 panel columns; both pointers move past it. */
export function decodeRun(
  { builder, features }: Pick<KernelFrame, "builder" | "features">,
  type: EncodedType,
  source: Local<"i32">,
  target: Local<"i32">,
  columns: Count,
): void {
  const moving = [{ pointer: target, bytes: PANEL_BYTES }];
  const visit = (values: readonly V128[], step: number): void =>
    values.forEach((value, quarter) =>
      builder.emit(
        v128.store(at(target, step * PANEL_BYTES + quarter * VECTOR_BYTES), value),
      )
    );
  const { vectors } = features;
  eachColumn(builder, type, { source, columns, moving, quarters: ALL_QUARTERS, vectors, visit });
}

/** Bytes of one panel of `k` columns. */
export function panelBytes(type: PackedType, k: number): number {
  const layout = PACKED_LAYOUT[type];
  return k / layout.columns * layout.bytes;
}
