/**
 * packedMatmul: out[m, n] = sum over k of x[m, k] w[n, k], w in packed panels.
 *
 * A unit is one panel. Plain f32 panels are read in place; encoded ones are decoded for a run of k
 * into scratch, once for all rows, and then go through the very same tiles; for few rows they
 * are multiplied as they are decoded. The result has the bits of the f32 product of the values.
 *
 * @module
 */
import { isInteger } from "../../src/core/dtype.ts";
import { PANEL_ROWS } from "../../src/core/packed.ts";
import type { PackedMatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { Count, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32, v128 } from "./assembler_ops.ts";
import {
  assembleKernel,
  type Features,
  type Kernel,
  type KernelFrame,
  multiplyAdd,
  type Vectors,
} from "./kernel.ts";
import { LANE_BYTES, LANES, VECTOR_BYTES } from "./lanes.ts";
import { leftRows } from "./left_rows.ts";
import { copyEdge, depthBlock, PANEL_BYTES, panelTiles, TILE_ROWS } from "./matmul_tile.ts";
import {
  ALL_QUARTERS,
  decodeRun,
  eachColumn,
  type EncodedType,
  panelBytes,
} from "./packed_decode.ts";
import { integerMatmulKernel } from "./integer_matmul.ts";
import { isStreamed, streamedMatmulKernel } from "./packed_stream.ts";
import { takesTurns, turnsMatmulKernel } from "./packed_turns.ts";
import { startWalk } from "./walk.ts";

/** Where one unit reads and writes. */
interface PanelUnit {
  /** Moves over the panel as runs are used. */
  readonly weights: Local<"i32">;
  /** Moves over the columns of x. */
  readonly x: Local<"i32">;
  readonly out: Local<"i32">;
  readonly outRowBytes: Expression<"i32">;
  readonly width: Expression<"i32">;
}

/** One run of k: decodes it where needed and multiplies it with all rows. */
function runOfPanel(
  frame: KernelFrame,
  spec: PackedMatmulSpec,
  unit: PanelUnit,
  depth: Count,
  starts: Expression<"i32">,
): void {
  const { builder, scratch } = frame;
  const product = {
    panelStepBytes: PANEL_BYTES,
    left: unit.x,
    leftRowBytes: spec.k * LANE_BYTES,
    leftStepBytes: LANE_BYTES,
    depth,
    out: unit.out,
    outRowBytes: unit.outRowBytes,
    starts,
    fullTiles: Math.floor(spec.m / TILE_ROWS),
    lastTileRows: spec.m % TILE_ROWS,
    hasLastTile: i32.constant(1),
    width: unit.width,
  };
  if (spec.weights === "packed_f32") {
    panelTiles(frame, { ...product, panel: unit.weights });
    const bytes = i32.constant(PANEL_BYTES);
    builder.advance(
      unit.weights,
      typeof depth === "number" ? depth * PANEL_BYTES : i32.mul(depth, bytes),
    );
  } else {
    decodeRun(frame, spec.weights, unit.weights, builder.local(scratch), depth);
    panelTiles(frame, { ...product, panel: scratch });
  }
}

/** Up to this many rows, encoded panels are multiplied as they are decoded. */
const STREAMED_ROWS = TILE_ROWS;
/** Up to this many rows, that takes one pass over the panel; above it one per half. */
const ONE_PASS_ROWS: { readonly [vectors in Vectors]: number } = { apart: 2, joined: 4 };
const HALVES = [ALL_QUARTERS.slice(0, 2), ALL_QUARTERS.slice(2)];

/** Some quarters of one encoded panel times few rows: the same chains over k as everywhere. */
function streamQuarters(
  frame: KernelFrame,
  spec: PackedMatmulSpec,
  type: EncodedType,
  unit: PanelUnit,
  quarters: typeof ALL_QUARTERS,
): void {
  const { builder, features } = frame;
  const { vectors } = features;
  const rowBytes = spec.k * LANE_BYTES;
  const x = leftRows(frame, unit.x, { rows: spec.m, rowBytes, stepBytes: LANE_BYTES });
  const zero = f32x4.constant(0);
  const sums = Array.from({ length: spec.m }, () => quarters.map(() => builder.local(zero)));
  eachColumn(builder, type, {
    source: builder.local(unit.weights),
    columns: spec.k,
    moving: x.moving,
    quarters,
    vectors,
    visit(values, step) {
      const weights = values.map((value) => builder.local(value));
      sums.forEach((row, r) => {
        const factor = builder.local(x.factor(r, step));
        row.forEach((sum, i) =>
          builder.assign(sum, multiplyAdd(features, factor, weights[i], sum))
        );
      });
    },
  });
  const outRow = builder.local(unit.out);
  for (const row of sums) {
    row.forEach((sum, i) => builder.emit(v128.store(at(outRow, quarters[i] * VECTOR_BYTES), sum)));
    builder.advance(outRow, unit.outRowBytes);
  }
}

/** All runs of one panel. */
function panelCode(
  frame: KernelFrame,
  spec: PackedMatmulSpec,
  unit: PanelUnit,
  run: number,
): void {
  const { builder } = frame;
  if (spec.weights !== "packed_f32" && spec.m <= STREAMED_ROWS) {
    const passes = spec.m <= ONE_PASS_ROWS[frame.features.vectors] ? [ALL_QUARTERS] : HALVES;
    for (const quarters of passes) streamQuarters(frame, spec, spec.weights, unit, quarters);
    return;
  }
  const runs = Math.ceil(spec.k / Math.max(1, run));
  if (runs <= 1) return runOfPanel(frame, spec, unit, spec.k, i32.constant(1));
  builder.repeat(runs, (index) => {
    const isLast = i32.eq(index, i32.constant(runs - 1));
    const rest = i32.constant(spec.k - (runs - 1) * run);
    const depth = spec.k % run === 0
      ? run
      : builder.local(i32.select(isLast, rest, i32.constant(run)));
    runOfPanel(frame, spec, unit, depth, i32.eqz(index));
    builder.advance(unit.x, run * LANE_BYTES);
  });
}

/** Generates the kernel of a product with packed weights. */
export function packedMatmulKernel(spec: PackedMatmulSpec, features: Features): Kernel {
  if (isInteger(spec.weights)) return integerMatmulKernel(spec, spec.weights, features);
  if (takesTurns(spec, features)) return turnsMatmulKernel(spec, features);
  if (isStreamed(spec)) return streamedMatmulKernel(spec, features);
  const { m, n, k } = spec;
  const run = depthBlock(k);
  const edge = n % PANEL_ROWS;
  const panels = m === 0 ? 0 : Math.ceil(n / PANEL_ROWS);
  const scratchRun = spec.weights === "packed_f32" ? 0 : run * PANEL_BYTES;
  const axes = [{ size: panels, steps: [panelBytes(spec.weights, k), PANEL_BYTES] }];
  const shape = {
    args: 3,
    units: panels,
    unitCost: (m + 1) * Math.max(1, k) * PANEL_ROWS / LANES,
    scratchBytes: scratchRun + (edge === 0 ? 0 : m * PANEL_BYTES),
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args, scratch, lo, hi } = frame;
    const panel = builder.local(args[1]);
    const out = builder.local(args[2]);
    const walk = startWalk(builder, axes, [panel, out], lo);
    const edgeOut = builder.local(i32.add(scratch, i32.constant(scratchRun)));
    builder.loopWhile(i32.ltU(lo, hi), () => {
      const isEdge = builder.local(
        edge === 0 ? i32.constant(0) : i32.eq(walk.indices[0], i32.constant(panels - 1)),
      );
      const choose = (atEdge: Expression<"i32">, otherwise: Expression<"i32">): Local<"i32"> =>
        builder.local(i32.select(isEdge, atEdge, otherwise));
      const unit = {
        weights: builder.local(panel),
        x: builder.local(args[0]),
        out: choose(edgeOut, out),
        outRowBytes: choose(i32.constant(PANEL_BYTES), i32.constant(n * LANE_BYTES)),
        width: choose(i32.constant(edge), i32.constant(PANEL_ROWS)),
      };
      panelCode(frame, spec, unit, run);
      if (edge > 0) {
        builder.when(isEdge, () => copyEdge(builder, edgeOut, out, n * LANE_BYTES, m, edge));
      }
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
