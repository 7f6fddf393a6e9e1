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
import { LANE_BYTES, VECTOR_BYTES } from "./lanes.ts";

type V128 = Expression<"v128">;

/** Bytes of one group of level bytes: four for each of the panel's rows. */
const GROUP_BYTES = GROUP_COLUMNS * PANEL_ROWS;
/** Groups of four columns in half a block. */
export const HALF_GROUPS = BLOCK_COLUMNS / GROUP_COLUMNS / 2;

/** What levels are multiplied as. */
export type LevelLanes = "bytes" | "words";

/** Vectors that the four columns of a group take: words of even columns, and of odd ones. */
export const GROUP_VECTORS: { readonly [lanes in LevelLanes]: number } = { bytes: 1, words: 2 };

/** Bytes in front of a block's levels: sixteen scales, and sixteen minima where there are any. */
export function integerHeaderBytes(type: IntegerType): number {
  return PANEL_ROWS * LANE_BYTES * (type === "integer_q4_1" ? 2 : 1);
}

/** How levels are multiplied. */
export interface LevelProducts {
  /** What activations are read as. */
  readonly lanes: LevelLanes;
  /** A level as stored is the weight's level plus 2 to this power; undefined where it is the level. */
  readonly offsetBits: number | undefined;
  /** Levels ready to be multiplied: four columns of each of four rows. */
  prepare(levels: V128): readonly Local<"v128">[];
  /** A sum to begin with; `offset` is what the stored levels' offset gives too much, negative. */
  start(offset: V128 | undefined): Local<"v128">;
  /** Adds the products with the activations of a group, repeated. */
  add(sum: Local<"v128">, levels: readonly V128[], activations: readonly V128[]): void;
  /** The finished sum of each row; with the same offset, which is added once. */
  finish(sum: Local<"v128">, offset: V128 | undefined): V128;
}

function zeros(builder: FunctionBuilder): V128 {
  return builder.constant(i32x4.constant(0, 0, 0, 0));
}

function addOffset(sum: V128, offset: V128 | undefined): V128 {
  return offset === undefined ? sum : i32x4.add(sum, offset);
}

/** By the relaxed dot product; `flip` makes signed levels unsigned. */
function byteProducts(
  builder: FunctionBuilder,
  offsetBits: number | undefined,
  flip: ((levels: V128) => V128) | undefined,
): LevelProducts {
  return {
    lanes: "bytes",
    offsetBits,
    prepare: (levels) => [builder.local(flip === undefined ? levels : flip(levels))],
    start: (offset) => builder.local(offset ?? zeros(builder)),
    add(sum, [levels], [activations]) {
      builder.assign(sum, i32x4.relaxedDot(activations, levels, sum));
    },
    finish: (sum) => sum,
  };
}

/**
 * By byte products that are summed in 16-bit lanes over a block: at most 16 * 127 * 15, which fits.
 * Where the engine makes the relaxed dot product out of several steps, they are taken once a block.
 */
function nibbleProducts(builder: FunctionBuilder, offsetBits: number | undefined): LevelProducts {
  return {
    lanes: "bytes",
    offsetBits,
    prepare: (levels) => [builder.local(levels)],
    start: () => builder.local(zeros(builder)),
    add(sum, [levels], [activations]) {
      builder.assign(sum, i16x8.add(sum, i16x8.relaxedDot(activations, levels)));
    },
    finish: (sum, offset) =>
      addOffset(i32x4.dotWords(sum, builder.constant(i16x8.constant(1))), offset),
  };
}

/**
 * By products of signed 16-bit lanes. A level in the high half of its lane is 256 times itself: that
 * takes one step for each vector, where a widening takes several, and keeps a row's sum in one lane.
 * A sum is at most 32 * 128 * 127 * 256, which fits.
 */
function wordProducts(builder: FunctionBuilder, offsetBits: number | undefined): LevelProducts {
  const odd = builder.constant(i16x8.constant(0xff00));
  return {
    lanes: "words",
    offsetBits,
    prepare(levels) {
      const bytes = builder.local(levels);
      return [i16x8.shl(bytes, 8), v128.and(bytes, odd)].map((words) => builder.local(words));
    },
    start: () => builder.local(zeros(builder)),
    add(sum, levels, activations) {
      levels.forEach((words, i) =>
        builder.assign(sum, i32x4.add(sum, i32x4.dotWords(words, activations[i])))
      );
    },
    finish: (sum, offset) => addOffset(i32x4.shrS(sum, 8), offset),
  };
}

/** Bits of the offsets by which stored levels exceed a weight's level. */
const OFFSET_BITS = { integer_q8_0: 7, integer_q4_0: 3, integer_q4_1: undefined } as const;

/** What levels of a type are multiplied as on this engine. */
export function levelLanes(features: Features, type: IntegerType): LevelLanes {
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
