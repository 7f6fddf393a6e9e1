/**
 * What products in integers read of quantised rows, in every lane of a vector.
 *
 * An engine that joins vectors reads each value from memory straight into all lanes; another one
 * does better with one load of neighbouring values and a shuffle for each.
 *
 * @module
 */
import { BLOCK_COLUMNS, GROUP_COLUMNS } from "../../src/core/packed.ts";
import { QUANTIZED_BLOCK, quantizedRowBytes, wordRowBytes } from "../../src/core/quantized_rows.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { type Address, at, i32, v128 } from "./assembler_ops.ts";
import { GROUP_VECTORS, HALF_GROUPS, type LevelLanes } from "./integer_levels.ts";
import type { KernelFrame } from "./kernel.ts";
import { LANE_BYTES, LANES, splatLane, VECTOR_BYTES } from "./lanes.ts";

type V128 = Expression<"v128">;

/** Pointers at one block of the first row of a tile. */
export interface RowPointers {
  /** At its record. */
  readonly records: Local<"i32">;
  /** At its words. */
  readonly words: Local<"i32">;
}

/** What a row's record says of a block beside its levels, each in every lane. */
export interface BlockHead {
  readonly scale: V128;
  /** The negative sum of the levels. */
  readonly negativeSum: V128;
}

/** Pointers at the first of m rows of k values. */
export function rowPointers(
  builder: FunctionBuilder,
  first: Expression<"i32">,
  m: number,
  k: number,
): RowPointers {
  const records = builder.local(first);
  const words = builder.local(i32.add(records, i32.constant(m * quantizedRowBytes(k))));
  return { records, words };
}

/** The same pointers, to be moved on their own. */
export function copyPointers(builder: FunctionBuilder, from: RowPointers): RowPointers {
  return { records: builder.local(from.records), words: builder.local(from.words) };
}

/** Moves on by rows of k values. */
export function advanceRows(
  builder: FunctionBuilder,
  { records, words }: RowPointers,
  rows: number,
  k: number,
): void {
  builder.advance(records, rows * quantizedRowBytes(k));
  builder.advance(words, rows * wordRowBytes(k));
}

/** Moves on by one block of the same rows. */
export function advanceBlock(builder: FunctionBuilder, { records, words }: RowPointers): void {
  builder.advance(records, QUANTIZED_BLOCK.bytes);
  builder.advance(words, QUANTIZED_BLOCK.words);
}

/** Neighbouring 32-bit values, each in every lane. */
function repeatedValues({ builder, features }: KernelFrame, from: Address, count: number): V128[] {
  const places = Array.from({ length: count }, (_, i) => i);
  if (features.vectors === "joined") {
    return places.map((i) => v128.load32Splat(at(from.pointer, from.offset + i * LANE_BYTES)));
  }
  const vectors = Array.from(
    { length: Math.ceil(count / LANES) },
    (_, i) => builder.local(v128.load(at(from.pointer, from.offset + i * VECTOR_BYTES))),
  );
  return places.map((i) => splatLane(vectors[Math.floor(i / LANES)], i % LANES));
}

/** The head of a row's block. */
export function blockHead(
  frame: KernelFrame,
  { records }: RowPointers,
  row: number,
  k: number,
): BlockHead {
  const [scale, negativeSum] = repeatedValues(frame, at(records, row * quantizedRowBytes(k)), 2);
  if (frame.features.vectors === "joined") return { scale, negativeSum };
  return { scale: frame.builder.local(scale), negativeSum: frame.builder.local(negativeSum) };
}

/** The activations of a row in half a block: for each group, its vectors. */
export function repeatedGroups(
  frame: KernelFrame,
  { records, words }: RowPointers,
  lanes: LevelLanes,
  row: number,
  half: number,
  k: number,
): V128[][] {
  const vectors = GROUP_VECTORS[lanes];
  const halfBytes = BLOCK_COLUMNS / 2 / GROUP_COLUMNS * vectors * LANE_BYTES;
  const first = lanes === "words"
    ? at(words, row * wordRowBytes(k) + half * halfBytes)
    : at(records, row * quantizedRowBytes(k) + QUANTIZED_BLOCK.head + half * halfBytes);
  const values = repeatedValues(frame, first, HALF_GROUPS * vectors);
  return Array.from(
    { length: HALF_GROUPS },
    (_, group) => values.slice(group * vectors, (group + 1) * vectors),
  );
}
