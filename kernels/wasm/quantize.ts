/**
 * quantize: rows of f32 values to 8-bit integers in blocks of 32, for products in integers.
 *
 * With a the largest magnitude of a block: scale = a / 127, level = round(value 127 / a), and the
 * negative sum of the levels (see `src/core/quantized_rows.ts`). Levels are written as words too where
 * products on this engine read words. A unit is one block.
 *
 * @module
 */
import { BLOCK_COLUMNS, GROUP_COLUMNS } from "../../src/core/packed.ts";
import {
  LARGEST_LEVEL,
  QUANTIZED_BLOCK,
  quantizedRowBytes,
  WORD_COLUMNS,
} from "../../src/core/quantized_rows.ts";
import type { QuantizeSpec } from "../../src/plan/kernel_spec.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i16x8, i32, i32x4, i8x16, v128 } from "./assembler_ops.ts";
import { levelLanes } from "./integer_levels.ts";
import { assembleKernel, type Features, type Kernel } from "./kernel.ts";
import { combineLanes, LANE_BYTES, VECTOR_BYTES } from "./lanes.ts";
import { startWalk } from "./walk.ts";

type V128 = Expression<"v128">;

/** 1.5 * 2^23: a small number added to it is rounded to an integer, half to even, in its low bits. */
const ROUNDING = 12582912;
const VECTORS = BLOCK_COLUMNS * LANE_BYTES / VECTOR_BYTES;

/** Sixteen 32-bit lanes as sixteen signed bytes. */
function bytesOf(lanes: readonly V128[]): V128 {
  const [a, b, c, d] = lanes;
  return i8x16.narrowS(i16x8.narrowS(a, b), i16x8.narrowS(c, d));
}

/** Pointers at one block. */
interface BlockPointers {
  readonly x: Local<"i32">;
  readonly record: Local<"i32">;
  readonly words: Local<"i32">;
}

/** The bits of the largest magnitude, in every lane: magnitudes are in the order of their bits. */
function largestOf(builder: FunctionBuilder, values: readonly V128[]): V128 {
  const most = values.map((value): V128 => f32x4.abs(value)).reduce((a, b) => i32x4.maxS(a, b));
  return combineLanes(builder, most, i32x4.maxS);
}

/** The levels of eight columns as words, in the order that products read them in. */
function wordsOf(builder: FunctionBuilder, low: V128, high: V128): V128 {
  const columns = [0, GROUP_COLUMNS].flatMap((group) => WORD_COLUMNS.map((one) => group + one));
  const places = columns.flatMap((column) => [2 * column, 2 * column + 1]);
  return v128.swizzle8(i16x8.narrowS(low, high), builder.constant(v128.constant(places)));
}

/** Writes a block's record; gives the levels, four columns a vector. */
function writeRecord(builder: FunctionBuilder, { x, record }: BlockPointers): Local<"v128">[] {
  const every = (value: number): V128 => builder.constant(f32x4.constant(value));
  const values = Array.from(
    { length: VECTORS },
    (_, i) => builder.local(v128.load(at(x, i * VECTOR_BYTES))),
  );
  const largest = builder.local(largestOf(builder, values));
  const isPositive = f32x4.gt(largest, every(0));
  const factor = builder.local(v128.and(f32x4.div(every(LARGEST_LEVEL), largest), isPositive));
  const roundingBits = builder.constant(f32x4.constant(ROUNDING));
  const levels = values.map((value) => {
    const shifted = f32x4.add(f32x4.mul(value, factor), roundingBits);
    return builder.local(i32x4.sub(shifted, roundingBits));
  });
  const zero = builder.constant(i32x4.constant(0, 0, 0, 0));
  const step = f32x4.mul(largest, every(Math.fround(1 / LARGEST_LEVEL)));
  const total = levels.reduce<V128>((a, b) => i32x4.add(a, b), zero);
  const negative = i32x4.sub(zero, combineLanes(builder, total, i32x4.add));
  const firstTwo = v128.shuffle32(step, negative, [0, 4, 0, 4]);
  builder.emit(v128.store(at(record), v128.shuffle32(firstTwo, zero, [0, 1, 4, 5])));
  for (const half of [0, 1]) {
    const bytes = bytesOf(levels.slice(half * 4, half * 4 + 4));
    builder.emit(v128.store(at(record, QUANTIZED_BLOCK.head + half * VECTOR_BYTES), bytes));
  }
  return levels;
}

/** Generates the kernel that quantises rows. */
export function quantizeKernel(spec: QuantizeSpec, features: Features): Kernel {
  const blocks = spec.m * (spec.k / BLOCK_COLUMNS);
  const steps = [BLOCK_COLUMNS * LANE_BYTES, QUANTIZED_BLOCK.bytes, QUANTIZED_BLOCK.words];
  const axes = [{ size: blocks, steps }];
  const hasWords = levelLanes(features, "integer_q8_0") === "words";
  const shape = { args: 2, units: blocks, unitCost: 12 * VECTORS, scratchBytes: 0 };
  return assembleKernel(features, shape, ({ builder, args, lo, hi }) => {
    const x = builder.local(args[0]);
    const record = builder.local(args[1]);
    const behind = i32.constant(spec.m * quantizedRowBytes(spec.k));
    const words = builder.local(i32.add(record, behind));
    const walk = startWalk(builder, axes, [x, record, words], lo);
    builder.loopWhile(i32.ltU(lo, hi), () => {
      const levels = writeRecord(builder, { x, record, words });
      for (let i = 0; hasWords && i < VECTORS; i += 2) {
        const eight = wordsOf(builder, levels[i], levels[i + 1]);
        builder.emit(v128.store(at(words, i / 2 * VECTOR_BYTES), eight));
      }
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
