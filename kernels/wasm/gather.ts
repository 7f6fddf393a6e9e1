/**
 * gather: out[r, :] = table[indices[r], :], zeros where the index is outside the table.
 *
 * A unit is one row. Rows of packed tables are decoded element by element out of their panel.
 *
 * @module
 */
import { BLOCK_COLUMNS, GROUP_COLUMNS, PACKED_LAYOUT, PANEL_ROWS } from "../../src/core/packed.ts";
import { isInteger, isPacked, type PackedType } from "../../src/core/dtype.ts";
import type { GatherSpec } from "../../src/plan/kernel_spec.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32, i32x4, v128 } from "./assembler_ops.ts";
import { assembleKernel, type Features, type Kernel } from "./kernel.ts";
import { LANE_BYTES, LANES, loadLanes, scatterLanes, VECTOR_BYTES } from "./lanes.ts";
import { halfToFloat, hasMinimum, panelBytes } from "./packed_decode.ts";
import { startWalk } from "./walk.ts";

type I32 = Expression<"i32">;

/** Writes `width` elements in vectors; `value` gives those at a step of a stream over `from`. */
function copyRow(
  builder: FunctionBuilder,
  width: number,
  source: Local<"i32">,
  target: Local<"i32">,
): void {
  const from = builder.local(source);
  const to = builder.local(target);
  const pointers = [{ pointer: from, bytes: VECTOR_BYTES }, { pointer: to, bytes: VECTOR_BYTES }];
  builder.stream(Math.floor(width / LANES), pointers, 4, (step) => {
    builder.emit(v128.store(at(to, step * VECTOR_BYTES), v128.load(at(from, step * VECTOR_BYTES))));
  });
  const tail = width % LANES;
  if (tail === 0) return;
  scatterLanes(builder, at(to), LANE_BYTES, tail, builder.local(loadLanes(at(from), tail)));
}

function zeroRow(builder: FunctionBuilder, width: number, target: Local<"i32">): void {
  const to = builder.local(target);
  const zero = builder.constant(f32x4.constant(0));
  builder.stream(width, [{ pointer: to, bytes: LANE_BYTES }], 1, () => {
    builder.emit(v128.store32Lane(at(to), 0, zero));
  });
}

/** Decodes one row of a packed table; `lane` is its place in the panel at `panel`. */
function decodeRow(
  builder: FunctionBuilder,
  spec: GatherSpec,
  type: PackedType,
  panel: Local<"i32">,
  lane: I32,
  target: Local<"i32">,
): void {
  const to = builder.local(target);
  const output = { pointer: to, bytes: LANE_BYTES };
  const wordLane = i32.mul(lane, i32.constant(LANE_BYTES));
  const layout = PACKED_LAYOUT[type];
  if (type === "packed_f32" || type === "packed_f16") {
    const laneBytes = type === "packed_f32" ? wordLane : i32.shl(lane, i32.constant(1));
    const from = builder.local(i32.add(panel, laneBytes));
    builder.stream(spec.width, [{ pointer: from, bytes: layout.bytes }, output], 1, () => {
      const value = type === "packed_f32"
        ? v128.load32Zero(at(from))
        : halfToFloat(builder, i32x4.splat(i32.load16S(at(from))));
      builder.emit(v128.store32Lane(at(to), 0, value));
    });
    return;
  }
  decodeBlocks(builder, spec, type, panel, lane, to);
}

/** Decodes one row of a table whose panels are made of blocks. */
function decodeBlocks(
  builder: FunctionBuilder,
  spec: GatherSpec,
  type: PackedType,
  panel: Local<"i32">,
  lane: I32,
  to: Local<"i32">,
): void {
  const block = builder.local(panel);
  const wordLane = i32.mul(lane, i32.constant(LANE_BYTES));
  const header = PANEL_ROWS * LANE_BYTES * (hasMinimum(type) ? 2 : 1);
  // Levels of one row: one byte in sixteen, or (integer types) four together in sixty-four.
  const together = isInteger(type) ? GROUP_COLUMNS : 1;
  const levelLane = isInteger(type) ? wordLane : lane;
  builder.repeat(spec.width / BLOCK_COLUMNS, () => {
    const scalars = builder.local(i32.add(block, wordLane));
    const scale = builder.local(v128.load32Splat(at(scalars)));
    const from = builder.local(i32.add(block, i32.add(levelLane, i32.constant(header))));
    const value = (level: I32): Expression<"v128"> => {
      const scaled = f32x4.mul(f32x4.convertI32(i32x4.splat(level)), scale);
      if (!hasMinimum(type)) return scaled;
      return f32x4.add(scaled, v128.load32Splat(at(scalars, PANEL_ROWS * LANE_BYTES)));
    };
    const pointers = [
      { pointer: from, bytes: together * PANEL_ROWS },
      { pointer: to, bytes: together * LANE_BYTES },
    ];
    const each = (count: number, visit: (index: number) => void): void =>
      builder.stream(count / together, pointers, 1, () => {
        for (let index = 0; index < together; index++) visit(index);
      });
    if (type === "packed_q8_0" || type === "integer_q8_0") {
      each(BLOCK_COLUMNS, (index) => {
        const level = i32.load8S(at(from, index));
        builder.emit(v128.store32Lane(at(to, index * LANE_BYTES), 0, value(level)));
      });
    } else {
      const pairs = BLOCK_COLUMNS / 2;
      const zeroLevel = i32.constant(hasMinimum(type) ? 0 : 8);
      each(pairs, (index) => {
        const both = builder.local(i32.load8U(at(from, index)));
        const low = i32.sub(i32.and(both, i32.constant(15)), zeroLevel);
        const high = i32.sub(i32.shrU(both, i32.constant(4)), zeroLevel);
        builder.emit(v128.store32Lane(at(to, index * LANE_BYTES), 0, value(low)));
        builder.emit(v128.store32Lane(at(to, (pairs + index) * LANE_BYTES), 0, value(high)));
      });
      builder.advance(to, pairs * LANE_BYTES);
    }
    builder.advance(block, PACKED_LAYOUT[type].bytes);
  });
}

/** Generates the kernel of a gather. */
export function gatherKernel(spec: GatherSpec, features: Features): Kernel {
  const rowBytes = spec.width * LANE_BYTES;
  const axes = [{ size: spec.rows, steps: [LANE_BYTES, rowBytes] }];
  const shape = {
    args: 3,
    units: spec.width === 0 ? 0 : spec.rows,
    unitCost: isPacked(spec.table) ? spec.width * 4 : spec.width,
    scratchBytes: 0,
  };
  return assembleKernel(features, shape, ({ builder, args, lo, hi }) => {
    const [table] = args;
    const index = builder.local(args[1]);
    const out = builder.local(args[2]);
    const walk = startWalk(builder, axes, [index, out], lo);
    builder.loopWhile(i32.ltU(lo, hi), () => {
      const row = builder.local(i32.load(at(index)));
      const isInside = i32.ltU(row, i32.constant(spec.tableRows));
      const copy = (): void => {
        if (isPacked(spec.table)) {
          const bytes = i32.constant(panelBytes(spec.table, spec.width));
          const panel = i32.mul(i32.divU(row, i32.constant(PANEL_ROWS)), bytes);
          const lane = builder.local(i32.remU(row, i32.constant(PANEL_ROWS)));
          const from = builder.local(i32.add(table, panel));
          decodeRow(builder, spec, spec.table, from, lane, out);
        } else {
          const from = builder.local(i32.add(table, i32.mul(row, i32.constant(rowBytes))));
          copyRow(builder, spec.width, from, out);
        }
      };
      builder.when(isInside, copy, () => zeroRow(builder, spec.width, out));
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
