/**
 * pack: rows of a model file to panels of a packed matrix.
 *
 * A unit is a share of the part's panels, so that one kernel serves matrices of all sizes.
 *
 * @module
 */
import { BLOCK_COLUMNS, PACKED_LAYOUT, PANEL_ROWS } from "../../src/core/packed.ts";
import { PACK_PART, STORED_BYTES } from "../../src/core/stored_rows.ts";
import type { PackSpec } from "../../src/plan/pack_spec.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, i32, i32x4, v128 } from "./assembler_ops.ts";
import { assembleKernel, type Features, type Kernel } from "./kernel.ts";
import { LANE_BYTES } from "./lanes.ts";
import { GROUP_ROWS, levelLaneBytes, packBlock } from "./pack_columns.ts";

/** Shares that a part is cut into: enough for every number of threads, and few calls. */
const UNITS = 256;
/** A unit is worth a thread of its own. */
const UNIT_COST = 8192;

/** Runs the body with pointers to the first of consecutive rows. */
function consecutiveRows(
  builder: FunctionBuilder,
  first: Local<"i32">,
  rowBytes: Local<"i32">,
): Local<"i32">[] {
  const rows = [first];
  while (rows.length < GROUP_ROWS) {
    rows.push(builder.local(i32.add(rows[rows.length - 1], rowBytes)));
  }
  return rows;
}

/** Generates the kernel that packs. */
export function packKernel({ stored, weights }: PackSpec, features: Features): Kernel {
  const layout = PACKED_LAYOUT[weights];
  const blockBytes = layout.bytes * (BLOCK_COLUMNS / layout.columns);
  const shape = { args: 2, units: UNITS, unitCost: UNIT_COST, scratchBytes: 0 };
  return assembleKernel(features, shape, ({ builder, args: [part, output], lo, hi }) => {
    const word = (name: keyof typeof PACK_PART) =>
      builder.local(i32.load(at(part, PACK_PART[name])));
    const [panels, blocks] = [word("panels"), word("blocks")];
    const rowBytes = builder.local(i32.mul(blocks, i32.constant(STORED_BYTES[stored])));
    const panelBytes = i32.mul(blocks, i32.constant(blockBytes));
    const share = (unit: Expression<"i32">) =>
      builder.local(i32.divU(i32.mul(unit, panels), i32.constant(UNITS)));
    const [first, end] = [share(lo), share(hi)];
    const skipped = i32.mul(i32.mul(first, i32.constant(PANEL_ROWS)), rowBytes);
    const rows = builder.local(i32.add(i32.add(part, i32.constant(PACK_PART.rows)), skipped));
    const panel = i32.add(word("firstPanel"), first);
    const target = builder.local(i32.add(output, i32.mul(panel, panelBytes)));
    const bad = builder.local(i32x4.constant(0, 0, 0, 0));
    const unfit = (mask: Expression<"v128">) => builder.assign(bad, v128.or(bad, mask));
    builder.repeat(i32.sub(end, first), () => {
      const source = builder.local(rows);
      builder.repeat(blocks, () => {
        const group = builder.local(source);
        const floats = builder.local(target);
        const levels = builder.local(target);
        builder.repeat(PANEL_ROWS / GROUP_ROWS, () => {
          const block = { builder, unfit, rows: consecutiveRows(builder, group, rowBytes) };
          packBlock(weights, stored, block, { floats, levels });
          builder.advance(group, i32.mul(rowBytes, i32.constant(GROUP_ROWS)));
          builder.advance(floats, GROUP_ROWS * LANE_BYTES);
          builder.advance(levels, GROUP_ROWS * levelLaneBytes(weights));
        });
        builder.advance(source, STORED_BYTES[stored]);
        builder.advance(target, blockBytes);
      });
      builder.advance(rows, i32.mul(rowBytes, i32.constant(PANEL_ROWS)));
    });
    builder.when(v128.anyTrue(bad), () => {
      builder.emit(i32.store(at(part, PACK_PART.unfit), i32.constant(1)));
    });
  });
}
