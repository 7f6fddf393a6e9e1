/**
 * dequantize: out[n, k] = the f32 value of the packed matrix w.
 *
 * A unit is one panel, decoded a run of columns at a time and turned to rows.
 *
 * @module
 */
import { BLOCK_COLUMNS, PANEL_ROWS } from "../../src/core/packed.ts";
import type { DequantizeSpec } from "../../src/plan/kernel_spec.ts";
import type { Count, FunctionBuilder, Local } from "./assembler.ts";
import { at, i32 } from "./assembler_ops.ts";
import { assembleKernel, type Features, type Kernel } from "./kernel.ts";
import { gatherLanes, LANE_BYTES, LANES, scatterLanes, VECTOR_BYTES } from "./lanes.ts";
import { PANEL_BYTES } from "./matmul_tile.ts";
import { decodeRun, panelBytes } from "./packed_decode.ts";
import { startWalk } from "./walk.ts";

/** Columns decoded at a time: one quantised block. */
const RUN = BLOCK_COLUMNS;

/** Turns `columns` columns of an f32 panel into parts of `rows` rows of `out`. */
function toRows(
  builder: FunctionBuilder,
  panel: Local<"i32">,
  out: Local<"i32">,
  rowBytes: number,
  rows: Count,
  columns: number,
): void {
  const from = builder.local(panel);
  const to = builder.local(out);
  const pointers = [{ pointer: from, bytes: LANE_BYTES }, { pointer: to, bytes: rowBytes }];
  builder.stream(rows, pointers, 1, () => {
    for (let first = 0; first < columns; first += LANES) {
      const count = Math.min(LANES, columns - first);
      const value = gatherLanes(at(from, first * PANEL_BYTES), PANEL_BYTES, count);
      const target = at(to, first * LANE_BYTES);
      scatterLanes(builder, target, LANE_BYTES, count, builder.local(value));
    }
  });
}

/** Generates the kernel that unpacks a matrix. */
export function dequantizeKernel(spec: DequantizeSpec, features: Features): Kernel {
  const { n, k, weights } = spec;
  const panels = k === 0 ? 0 : Math.ceil(n / PANEL_ROWS);
  const rowBytes = k * LANE_BYTES;
  const axes = [{ size: panels, steps: [panelBytes(weights, k), PANEL_ROWS * rowBytes] }];
  const shape = {
    args: 2,
    units: panels,
    unitCost: k * PANEL_ROWS,
    scratchBytes: RUN * PANEL_BYTES + VECTOR_BYTES,
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args, scratch, lo, hi } = frame;
    const panel = builder.local(args[0]);
    const out = builder.local(args[1]);
    const walk = startWalk(builder, axes, [panel, out], lo);
    builder.loopWhile(i32.ltU(lo, hi), () => {
      const isLast = i32.eq(walk.indices[0], i32.constant(panels - 1));
      const rows = builder.local(
        i32.select(isLast, i32.constant(n - (panels - 1) * PANEL_ROWS), i32.constant(PANEL_ROWS)),
      );
      const source = builder.local(panel);
      const target = builder.local(out);
      const run = (columns: number): void => {
        if (weights === "packed_f32") {
          toRows(builder, source, target, rowBytes, rows, columns);
          builder.advance(source, columns * PANEL_BYTES);
        } else {
          decodeRun(frame, weights, source, builder.local(scratch), columns);
          toRows(builder, scratch, target, rowBytes, rows, columns);
        }
        builder.advance(target, columns * LANE_BYTES);
      };
      builder.repeat(Math.floor(k / RUN), () => run(RUN));
      if (k % RUN > 0) run(k % RUN);
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
