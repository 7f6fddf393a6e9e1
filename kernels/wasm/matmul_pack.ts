/**
 * Packing: sixteen columns of a strided matrix, for a run of k, into a panel in scratch.
 *
 * @module
 */
import { PANEL_ROWS } from "../../src/core/packed.ts";
import type { MatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { Count, FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32, v128 } from "./assembler_ops.ts";
import type { KernelFrame } from "./kernel.ts";
import { gatherLanes, LANE_BYTES, LANES, loadLanes, transpose, VECTOR_BYTES } from "./lanes.ts";
import { PANEL_BYTES } from "./matmul_tile.ts";

type V128 = Expression<"v128">;

/** The strided columns to pack, and how much of them. */
interface PackSource {
  /** At the first k of the first column. */
  readonly pointer: Local<"i32">;
  /** Bytes from one k to the next. */
  readonly rowBytes: number;
  /** Bytes from one column to the next. */
  readonly columnBytes: number;
  /** Columns that exist, 1 to 16; the others become 0. */
  readonly width: number;
  /** Run of k. */
  readonly depth: Count;
  /** Longest run modulo 4 that the last run may end with; 0 where every run is a multiple of 4. */
  readonly depthTail: number;
}

/** The groups of four columns: first column, and how many of them exist. */
function groups(width: number): { first: number; count: number }[] {
  return Array.from({ length: PANEL_ROWS / LANES }, (_, group) => ({
    first: group * LANES,
    count: Math.min(LANES, width - group * LANES),
  }));
}

/** One k at a time; contiguous columns load as vectors, others lane by lane. */
function packByRows(builder: FunctionBuilder, source: PackSource, panel: Local<"i32">): void {
  const from = builder.local(source.pointer);
  const to = builder.local(panel);
  const zero = builder.constant(f32x4.constant(0));
  const pointers = [{ pointer: from, bytes: source.rowBytes }, { pointer: to, bytes: PANEL_BYTES }];
  builder.stream(source.depth, pointers, 2, (step) => {
    for (const { first, count } of groups(source.width)) {
      const address = at(from, step * source.rowBytes + first * source.columnBytes);
      const value = count > 0 ? gatherLanes(address, source.columnBytes, count) : zero;
      builder.emit(v128.store(at(to, step * PANEL_BYTES + first * LANE_BYTES), value));
    }
  });
}

/** Four columns by four k at a time, transposed in registers; k is contiguous. */
function packTransposed(builder: FunctionBuilder, source: PackSource, panel: Local<"i32">): void {
  const zero = builder.constant(f32x4.constant(0));
  const isStatic = typeof source.depth === "number";
  const depth = isStatic ? source.depth : builder.local(source.depth);
  const fours = typeof depth === "number"
    ? Math.floor(depth / LANES)
    : i32.divU(depth, i32.constant(LANES));
  for (const { first, count } of groups(source.width)) {
    const from = builder.local(i32.add(source.pointer, i32.constant(first * source.columnBytes)));
    const to = builder.local(i32.add(panel, i32.constant(first * LANE_BYTES)));
    const block = (length: number): void => {
      const column = (index: number): V128 =>
        index < count
          ? builder.local(loadLanes(at(from, index * source.columnBytes), length))
          : zero;
      const rows = transpose(builder, [column(0), column(1), column(2), column(3)]);
      rows.slice(0, length).forEach((row, k) =>
        builder.emit(v128.store(at(to, k * PANEL_BYTES), row))
      );
    };
    const pointers = [
      { pointer: from, bytes: VECTOR_BYTES },
      { pointer: to, bytes: LANES * PANEL_BYTES },
    ];
    builder.stream(fours, pointers, 1, () => block(LANES));
    if (source.depthTail === 0) continue;
    if (typeof depth === "number") block(source.depthTail);
    else builder.when(i32.remU(depth, i32.constant(LANES)), () => block(source.depthTail));
  }
}

/** Packs a run of k of sixteen columns into the panel. */
function packPanel(builder: FunctionBuilder, source: PackSource, panel: Local<"i32">): void {
  const isContiguousInK = source.rowBytes === LANE_BYTES && source.columnBytes !== LANE_BYTES;
  if (isContiguousInK) packTransposed(builder, source, panel);
  else packByRows(builder, source, panel);
}

/** Packs a run of k of the right operand's panel at `pointer` into scratch, `width` columns of it. */
export function packRight(
  { builder, scratch }: KernelFrame,
  { right, k }: MatmulSpec,
  { pointer, depth }: Pick<PackSource, "pointer" | "depth">,
  width: number,
): void {
  const rowBytes = right.rowStride * LANE_BYTES;
  const columnBytes = right.columnStride * LANE_BYTES;
  const source = { pointer, rowBytes, columnBytes, width, depth, depthTail: k % LANES };
  packPanel(builder, source, scratch);
}
