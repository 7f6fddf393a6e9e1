/**
 * scatter: table[indices[r], :] (= or +=) updates[r, :] for r = 0, 1, 2, ... in order.
 *
 * A unit is a block of columns, for which it takes all rows in order, so that units never meet.
 *
 * @module
 */
import type { ScatterSpec } from "../../src/plan/kernel_spec.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32, i32x4, v128 } from "./assembler_ops.ts";
import { assembleKernel, type Features, type Kernel } from "./kernel.ts";
import { LANE_BYTES, LANES, loadLanes, scatterLanes } from "./lanes.ts";
import { startWalk } from "./walk.ts";

/** Columns of one unit. */
const BLOCK = 64;

function updated(
  spec: ScatterSpec,
  old: Expression<"v128">,
  update: Expression<"v128">,
): Expression<"v128"> {
  if (spec.mode === "set") return update;
  if (spec.type === "bool") return v128.or(old, update);
  return spec.type === "f32" ? f32x4.add(old, update) : i32x4.add(old, update);
}

/** Generates the kernel of a scatter. */
export function scatterKernel(spec: ScatterSpec, features: Features): Kernel {
  const rowBytes = spec.width * LANE_BYTES;
  const blocks = Math.ceil(spec.width / BLOCK);
  const axes = [{ size: blocks, steps: [BLOCK * LANE_BYTES, BLOCK * LANE_BYTES] }];
  const shape = {
    args: 3,
    units: spec.rows === 0 || spec.tableRows === 0 ? 0 : blocks,
    unitCost: spec.rows * BLOCK / LANES * 3,
    scratchBytes: 0,
  };
  return assembleKernel(features, shape, ({ builder, args, lo, hi }) => {
    const updates = builder.local(args[1]);
    const table = builder.local(args[2]);
    const walk = startWalk(builder, axes, [updates, table], lo);
    const rows = (width: number): void => {
      const index = builder.local(args[0]);
      const update = builder.local(updates);
      const pointers = [
        { pointer: index, bytes: LANE_BYTES },
        { pointer: update, bytes: rowBytes },
      ];
      builder.stream(spec.rows, pointers, 1, () => {
        const row = builder.local(i32.load(at(index)));
        builder.when(i32.ltU(row, i32.constant(spec.tableRows)), () => {
          const to = builder.local(i32.add(table, i32.mul(row, i32.constant(rowBytes))));
          for (let first = 0; first < width; first += LANES) {
            const count = Math.min(LANES, width - first);
            const bytes = first * LANE_BYTES;
            const value = updated(
              spec,
              loadLanes(at(to, bytes), count),
              loadLanes(at(update, bytes), count),
            );
            scatterLanes(builder, at(to, bytes), LANE_BYTES, count, builder.local(value));
          }
        });
      });
    };
    const rest = spec.width % BLOCK;
    builder.loopWhile(i32.ltU(lo, hi), () => {
      const isLast = i32.eq(walk.indices[0], i32.constant(blocks - 1));
      if (rest === 0) rows(BLOCK);
      else builder.when(isLast, () => rows(rest), () => rows(BLOCK));
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
