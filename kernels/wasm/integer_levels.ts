/**
 * Levels of the integer weight types as signed bytes, in the order that dot products want.
 *
 * @module
 */
import type { IntegerType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, GROUP_COLUMNS, PANEL_ROWS } from "../../src/core/packed.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, i16x8, i8x16, v128 } from "./assembler_ops.ts";
import { LANE_BYTES, VECTOR_BYTES } from "./lanes.ts";

type V128 = Expression<"v128">;

/** Bytes of one group of level bytes: four for each of the panel's rows. */
const GROUP_BYTES = GROUP_COLUMNS * PANEL_ROWS;
/** Groups of four columns in a block. */
export const BLOCK_GROUPS = BLOCK_COLUMNS / GROUP_COLUMNS;
const NIBBLE_GROUPS = BLOCK_GROUPS / 2;

/** Bytes in front of a block's levels: sixteen scales, and sixteen minima where there are any. */
export function integerHeaderBytes(type: IntegerType): number {
  return PANEL_ROWS * LANE_BYTES * (type === "integer_q4_1" ? 2 : 1);
}

function every(builder: FunctionBuilder, byte: number): V128 {
  return builder.constant(v128.constant(new Array<number>(16).fill(byte)));
}

/**
 * The levels of a block's quarter (rows 4 quarter .. 4 quarter + 3 of the panel) group by group: lane
 * r of vector g holds the levels of columns 4 g .. 4 g + 3 of row r.
 */
export function eachLevelGroup(
  builder: FunctionBuilder,
  type: IntegerType,
  block: { readonly pointer: Local<"i32">; readonly offset: number },
  quarter: number,
  visit: (levels: V128, group: number) => void,
): void {
  const first = block.offset + integerHeaderBytes(type) + quarter * VECTOR_BYTES;
  const load = (group: number): V128 => v128.load(at(block.pointer, first + group * GROUP_BYTES));
  if (type === "integer_q8_0") {
    for (let group = 0; group < BLOCK_GROUPS; group++) visit(load(group), group);
    return;
  }
  const mask = every(builder, 0x0f);
  const level = (nibble: V128): V128 =>
    type === "integer_q4_0" ? i8x16.sub(nibble, every(builder, 8)) : nibble;
  for (let group = 0; group < NIBBLE_GROUPS; group++) {
    const both = builder.local(load(group));
    visit(level(v128.and(both, mask)), group);
    visit(level(v128.and(i16x8.shrU(both, 4), mask)), group + NIBBLE_GROUPS);
  }
}
