/**
 * From packed weights to f32 values: the one place that knows how each packed type stores a number.
 *
 * Values are scale * q, scale * (q - 8) or scale * q + minimum, every step rounded to f32 and never
 * fused, so that every kernel sees the same values.
 *
 * @module
 */
import type { PackedType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, PACKED_LAYOUT, PANEL_ROWS } from "../../src/core/packed.ts";
import { type Count, countExpression, type FunctionBuilder, type Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i16x8, i32, i32x4, i8x16, v128 } from "./assembler_ops.ts";
import { VECTOR_BYTES } from "./lanes.ts";
import { PANEL_BYTES } from "./matmul_tile.ts";

type V128 = Expression<"v128">;

/** Types whose panels hold anything but plain f32. */
export type EncodedType = Exclude<PackedType, "packed_f32">;

/** Decodes `columns` columns of a panel from `source` on into f32 panel columns at `target`. */
type Decoder = (
  builder: FunctionBuilder,
  source: Local<"i32">,
  target: Local<"i32">,
  columns: Count,
) => void;

/** The vectors of a panel's column: rows 0-3, 4-7, 8-11, 12-15. */
const QUARTERS = [0, 1, 2, 3] as const;
const NIBBLE_PAIRS = BLOCK_COLUMNS / 2;
const FIRST_HALF_SPECIAL = 0x7c00;

function every(builder: FunctionBuilder, value: number): V128 {
  return builder.constant(i32x4.constant(value, value, value, value));
}

/** The f32 value of the half float in the low half of each lane. */
export function halfToFloat(builder: FunctionBuilder, half: V128): V128 {
  const bits = builder.local(half);
  const magnitude = builder.local(v128.and(bits, every(builder, 0x7fff)));
  const sign = i32x4.shl(v128.and(bits, every(builder, 0x8000)), 16);
  const scale = builder.constant(f32x4.constant(2 ** 112));
  const scaled = f32x4.mul(i32x4.shl(magnitude, 13), scale);
  const isSpecial = i32x4.gtS(magnitude, every(builder, FIRST_HALF_SPECIAL - 1));
  return v128.or(v128.or(scaled, sign), v128.and(isSpecial, every(builder, 0x7f800000)));
}

function decodeHalves(
  builder: FunctionBuilder,
  source: Local<"i32">,
  target: Local<"i32">,
  columns: Count,
): void {
  const bytes = PACKED_LAYOUT.packed_f16.bytes;
  const pointers = [{ pointer: source, bytes }, { pointer: target, bytes: PANEL_BYTES }];
  builder.stream(columns, pointers, 1, () => {
    for (const quarter of QUARTERS) {
      const half = v128.load16x4U(at(source, quarter * VECTOR_BYTES / 2));
      const value = halfToFloat(builder, half);
      builder.emit(v128.store(at(target, quarter * VECTOR_BYTES), value));
    }
  });
}

/** Turns the integer levels of one quarter of a column into values. */
type Dequantise = (levels: V128, quarter: number) => V128;

/** Loads what a block begins with: sixteen scales, then sixteen minima where the type has them. */
function blockValues(
  builder: FunctionBuilder,
  type: EncodedType,
  source: Local<"i32">,
): Dequantise {
  const vectors = (first: number): Local<"v128">[] =>
    QUARTERS.map((quarter) => builder.local(v128.load(at(source, first + quarter * VECTOR_BYTES))));
  const scales = vectors(0);
  if (type === "packed_q4_1") {
    const minima = vectors(PANEL_BYTES);
    return (levels, quarter) =>
      f32x4.add(f32x4.mul(f32x4.convertI32(levels), scales[quarter]), minima[quarter]);
  }
  const offset = type === "packed_q4_0" ? every(builder, 8) : undefined;
  return (levels, quarter) => {
    const level = offset === undefined ? levels : i32x4.sub(levels, offset);
    return f32x4.mul(f32x4.convertI32(level), scales[quarter]);
  };
}

/** Bytes in front of a block's levels. */
function headerBytes(type: EncodedType): number {
  return type === "packed_q4_1" ? 2 * PANEL_BYTES : PANEL_BYTES;
}

/** Stores one column given as two vectors of eight 16-bit levels. */
function storeColumn(
  builder: FunctionBuilder,
  target: Local<"i32">,
  offset: number,
  levels: readonly [V128, V128],
  dequantise: Dequantise,
): void {
  const [low, high] = levels.map((half) => builder.local(half));
  const quarters = [
    i32x4.extendLowS(low),
    i32x4.extendHighS(low),
    i32x4.extendLowS(high),
    i32x4.extendHighS(high),
  ];
  quarters.forEach((lanes, quarter) =>
    builder.emit(
      v128.store(at(target, offset + quarter * VECTOR_BYTES), dequantise(lanes, quarter)),
    )
  );
}

/** Decodes blocks of 32 columns; `column` emits what one stored group of 16 bytes holds. */
function decodeBlocks(
  type: EncodedType,
  groups: number,
  column: (
    builder: FunctionBuilder,
    source: Local<"i32">,
    target: Local<"i32">,
    step: number,
    dequantise: Dequantise,
  ) => void,
): Decoder {
  return (builder, source, target, columns) => {
    const blocks = i32.divU(countExpression(columns), i32.constant(BLOCK_COLUMNS));
    builder.repeat(blocks, () => {
      const dequantise = blockValues(builder, type, source);
      builder.advance(source, headerBytes(type));
      const pointers = [
        { pointer: source, bytes: PANEL_ROWS },
        { pointer: target, bytes: PANEL_BYTES },
      ];
      builder.stream(
        groups,
        pointers,
        2,
        (step) => column(builder, source, target, step, dequantise),
      );
      builder.advance(target, (BLOCK_COLUMNS - groups) * PANEL_BYTES);
    });
  };
}

const decodeBytes = decodeBlocks(
  "packed_q8_0",
  BLOCK_COLUMNS,
  (builder, source, target, step, dequantise) => {
    const from = step * PANEL_ROWS;
    const levels = [
      v128.load8x8S(at(source, from)),
      v128.load8x8S(at(source, from + PANEL_ROWS / 2)),
    ] as const;
    storeColumn(builder, target, step * PANEL_BYTES, levels, dequantise);
  },
);

function decodeNibbles(type: "packed_q4_0" | "packed_q4_1"): Decoder {
  return decodeBlocks(type, NIBBLE_PAIRS, (builder, source, target, step, dequantise) => {
    const both = builder.local(v128.load(at(source, step * PANEL_ROWS)));
    const nibbles = [v128.and(both, every(builder, 0x0f0f0f0f)), i8x16.shrU(both, 4)];
    nibbles.forEach((nibble, index) => {
      const levels = builder.local(nibble);
      const halves = [i16x8.extendLowU(levels), i16x8.extendHighU(levels)] as const;
      const offset = (step + index * NIBBLE_PAIRS) * PANEL_BYTES;
      storeColumn(builder, target, offset, halves, dequantise);
    });
  });
}

const DECODERS: { readonly [type in EncodedType]: Decoder } = {
  packed_f16: decodeHalves,
  packed_q8_0: decodeBytes,
  packed_q4_0: decodeNibbles("packed_q4_0"),
  packed_q4_1: decodeNibbles("packed_q4_1"),
};

/**
 * Decodes a run of columns of one panel into f32 panel columns; both pointers move past the run.
 * The run is a multiple of the type's block.
 */
export function decodeRun(
  builder: FunctionBuilder,
  type: EncodedType,
  source: Local<"i32">,
  target: Local<"i32">,
  columns: Count,
): void {
  DECODERS[type](builder, source, target, columns);
}

/** Bytes of one panel of `k` columns. */
export function panelBytes(type: PackedType, k: number): number {
  const layout = PACKED_LAYOUT[type];
  return k / layout.columns * layout.bytes;
}
