/**
 * Products of weight levels with activation levels: what the engine multiplies, and how.
 *
 * Weights of 4 bits are 0 .. 15, so relaxed dot products are exact on every machine. Weights of 8
 * bits go through them without their sign where the engine multiplies unsigned by signed bytes
 * without saturating; elsewhere through products of 16-bit lanes. The integers are the same.
 *
 * @module
 */
import type { IntegerType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, GROUP_COLUMNS, PANEL_ROWS } from "../../src/core/packed.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, i16x8, i32x4, v128 } from "./assembler_ops.ts";
import type { Features } from "./kernel.ts";
import { LANE_BYTES, splatLane, VECTOR_BYTES } from "./lanes.ts";

type V128 = Expression<"v128">;

/** Bytes of one group of level bytes: four for each of the panel's rows. */
const GROUP_BYTES = GROUP_COLUMNS * PANEL_ROWS;
/** Groups of four columns in half a block. */
export const HALF_GROUPS = BLOCK_COLUMNS / GROUP_COLUMNS / 2;

/** Bytes in front of a block's levels: sixteen scales, and sixteen minima where there are any. */
export function integerHeaderBytes(type: IntegerType): number {
  return PANEL_ROWS * LANE_BYTES * (type === "integer_q4_1" ? 2 : 1);
}

/** How levels are multiplied. */
export interface LevelProducts {
  /** A level as stored is the weight's level plus 2 to this power; undefined where it is the level. */
  readonly offsetBits: number | undefined;
  /** Levels ready to be multiplied: four columns of each of four rows. */
  prepare(levels: V128): readonly Local<"v128">[];
  /** A sum to begin with. */
  start(first: V128 | undefined): readonly Local<"v128">[];
  /** Activation levels of half a block ready to be multiplied: repeated ones, per group. */
  repeat(half: Local<"v128">): (group: number) => V128;
  /** Adds the products with four activation levels, repeated. */
  add(sum: readonly Local<"v128">[], levels: readonly V128[], activations: V128): void;
  /** The finished sum of each row. */
  finish(sum: readonly Local<"v128">[]): V128;
}

function zeros(builder: FunctionBuilder): V128 {
  return builder.constant(i32x4.constant(0, 0, 0, 0));
}

/** By the relaxed dot product; `flip` makes signed levels unsigned. */
function byteProducts(
  builder: FunctionBuilder,
  offsetBits: number | undefined,
  flip: ((levels: V128) => V128) | undefined,
): LevelProducts {
  return {
    offsetBits,
    prepare: (levels) => [builder.local(flip === undefined ? levels : flip(levels))],
    repeat: (half) => (group) => splatLane(half, group),
    start: (first) => [builder.local(first ?? zeros(builder))],
    add([sum], [levels], activations) {
      builder.assign(sum, i32x4.relaxedDot(activations, levels, sum));
    },
    finish: ([sum]) => sum,
  };
}

/**
 * By byte products that are summed in 16-bit lanes over a block: at most 16 * 127 * 15, which fits.
 * Where the engine makes the relaxed dot product out of several steps, they are taken once a block.
 */
function nibbleProducts(builder: FunctionBuilder, offsetBits: number | undefined): LevelProducts {
  return {
    offsetBits,
    prepare: (levels) => [builder.local(levels)],
    repeat: (half) => (group) => splatLane(half, group),
    start: (first) => [builder.local(zeros(builder)), builder.local(first ?? zeros(builder))],
    add([sum], [levels], activations) {
      builder.assign(sum, i16x8.add(sum, i16x8.relaxedDot(activations, levels)));
    },
    finish: ([sum, first]) =>
      i32x4.add(i32x4.dotWords(sum, builder.constant(i16x8.constant(1))), first),
  };
}

/** By products of signed 16-bit lanes: two rows a vector, two sums a row. */
function wordProducts(builder: FunctionBuilder, offsetBits: number | undefined): LevelProducts {
  return {
    offsetBits,
    prepare(levels) {
      const bytes = builder.local(levels);
      return [i16x8.extendLowS(bytes), i16x8.extendHighS(bytes)].map((words) =>
        builder.local(words)
      );
    },
    // The engine makes three slow steps of a product of two extended vectors: one is shuffled last.
    repeat(half) {
      const words = [i16x8.extendLowS(half), i16x8.extendHighS(half)].map((x) => builder.local(x));
      return (group) => {
        const pair = words[group >> 1];
        return v128.shuffle32(pair, pair, group % 2 === 0 ? [0, 1, 0, 1] : [2, 3, 2, 3]);
      };
    },
    start(first) {
      const zero = zeros(builder);
      const begin = first === undefined ? zero : v128.shuffle32(first, zero, [0, 4, 0, 4]);
      return [builder.local(begin), builder.local(begin)];
    },
    add(sum, levels, activations) {
      sum.forEach((part, i) =>
        builder.assign(part, i32x4.add(part, i32x4.dotWords(levels[i], activations)))
      );
    },
    finish([low, high]) {
      const even = v128.shuffle32(low, high, [0, 2, 4, 6]);
      return i32x4.add(even, v128.shuffle32(low, high, [1, 3, 5, 7]));
    },
  };
}

/** Bits of the offsets by which stored levels exceed a weight's level. */
const OFFSET_BITS = { integer_q8_0: 7, integer_q4_0: 3, integer_q4_1: undefined } as const;

/** What levels of a type are multiplied as on this engine. */
export function levelLanes(features: Features, type: IntegerType): "bytes" | "words" {
  const isExact = type !== "integer_q8_0" || features.byteDot === "exact";
  return features.relaxedMadd === "present" && isExact ? "bytes" : "words";
}

/** How levels of a type are multiplied on this engine. */
export function levelProducts(
  builder: FunctionBuilder,
  features: Features,
  type: IntegerType,
): LevelProducts {
  const offsetBits = OFFSET_BITS[type];
  if (levelLanes(features, type) === "words") {
    return wordProducts(builder, type === "integer_q8_0" ? undefined : offsetBits);
  }
  if (type === "integer_q8_0") {
    const sign = builder.constant(v128.constant(new Array<number>(16).fill(0x80)));
    return byteProducts(builder, offsetBits, (levels) => v128.xor(levels, sign));
  }
  return features.byteDot === "exact"
    ? byteProducts(builder, offsetBits, undefined)
    : nibbleProducts(builder, offsetBits);
}

/**
 * The levels of four rows (quarter `quarter` of the panel) of one half of a block's columns: lane r
 * of vector g holds the levels of columns 4 g .. 4 g + 3 of row r.
 */
export function halfLevels(
  builder: FunctionBuilder,
  type: IntegerType,
  block: { readonly pointer: Local<"i32">; readonly offset: number },
  place: { readonly quarter: number; readonly half: number; readonly group: number },
): V128 {
  const { quarter, half, group } = place;
  const first = block.offset + integerHeaderBytes(type) + quarter * VECTOR_BYTES;
  const load = (index: number): V128 => v128.load(at(block.pointer, first + index * GROUP_BYTES));
  if (type === "integer_q8_0") return load(half * HALF_GROUPS + group);
  const mask = builder.constant(v128.constant(new Array<number>(16).fill(0x0f)));
  const both = load(group);
  return v128.and(half === 0 ? both : i16x8.shrU(both, 4), mask);
}
