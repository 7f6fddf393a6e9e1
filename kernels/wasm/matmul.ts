/**
 * matmul: out[b, m, n] = sum over k of left[b, m, k] right[b, k, n].
 *
 * A unit is one panel of 16 columns for one block of rows. Its part of `right` is packed into
 * scratch for a run of k at a time and the register tiles pass over the rows; with few rows and
 * contiguous columns the tiles read `right` in place. Columns beyond n are computed into scratch
 * and only the others copied out.
 *
 * @module
 */
import { PANEL_ROWS } from "../../src/core/packed.ts";
import type { MatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { Count, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { i32 } from "./assembler_ops.ts";
import { assembleKernel, type Features, type Kernel, type KernelFrame } from "./kernel.ts";
import { LANE_BYTES, LANES } from "./lanes.ts";
import { packRight } from "./matmul_pack.ts";
import {
  copyEdge,
  depthBlock,
  PANEL_BYTES,
  panelTiles,
  TILE_ROWS,
  WIDE_TILE_ROWS,
} from "./matmul_tile.ts";
import { blockedMatmulKernel, isDeep, isTransposed } from "./matmul_blocks.ts";
import { positions, startWalk } from "./walk.ts";

/** Elements of `left` that one block of rows may take in the second-level cache. */
const LEFT_BLOCK = 256 * 1024;
/** Fewest rows that are worth packing a panel for. */
const SMALLEST_ROW_BLOCK = 10 * TILE_ROWS;

/** Rows of one block: a multiple of the tile. */
function rowBlock(spec: MatmulSpec): number {
  const fitting = Math.floor(LEFT_BLOCK / Math.max(1, spec.k) / TILE_ROWS) * TILE_ROWS;
  return Math.min(spec.m, Math.max(SMALLEST_ROW_BLOCK, fitting));
}

/** The unit's place: pointers, and which of its edges are the matrix's. */
interface MatmulUnit {
  readonly left: Local<"i32">;
  readonly right: Local<"i32">;
  readonly out: Local<"i32">;
  readonly isLastBlock: Expression<"i32">;
  readonly isEdge: Expression<"i32">;
}

/** Sizes of a kernel, all known when it is generated. */
interface MatmulSizes {
  readonly rows: number;
  readonly rowBlocks: number;
  readonly panels: number;
  /** Columns of the last panel where it is not full, else 0. */
  readonly edge: number;
  /** k of one run. */
  readonly run: number;
}

function sizesOf(spec: MatmulSpec): MatmulSizes {
  const rows = rowBlock(spec);
  return {
    rows,
    rowBlocks: Math.ceil(spec.m / Math.max(1, rows)),
    panels: Math.ceil(spec.n / PANEL_ROWS),
    edge: spec.n % PANEL_ROWS,
    run: depthBlock(spec.k),
  };
}

/** One run of k of one unit. */
function runOfUnit(
  frame: KernelFrame,
  spec: MatmulSpec,
  sizes: MatmulSizes,
  unit: MatmulUnit,
  run: { right: Local<"i32">; left: Local<"i32">; depth: Count; starts: Expression<"i32"> },
): void {
  const { builder, scratch } = frame;
  const { right } = spec;
  const rowBytes = right.rowStride * LANE_BYTES;
  const readsInPlace = spec.m <= WIDE_TILE_ROWS && right.columnStride === 1;
  const edgeOut = builder.local(i32.add(scratch, i32.constant(sizes.run * PANEL_BYTES)));
  const fullRows = i32.constant(Math.floor(sizes.rows / TILE_ROWS));
  const lastRows = i32.constant(
    Math.floor((spec.m - (sizes.rowBlocks - 1) * sizes.rows) / TILE_ROWS),
  );
  const common = {
    left: run.left,
    leftRowBytes: spec.left.rowStride * LANE_BYTES,
    leftStepBytes: spec.left.columnStride * LANE_BYTES,
    depth: run.depth,
    starts: run.starts,
    fullTiles: spec.m < TILE_ROWS ? 0 : i32.select(unit.isLastBlock, lastRows, fullRows),
    lastTileRows: spec.m % TILE_ROWS,
    hasLastTile: unit.isLastBlock,
  };
  const pack = (width: number): void =>
    packRight(frame, spec, { pointer: run.right, depth: run.depth }, width);
  const fromScratch = (): void =>
    panelTiles(frame, {
      ...common,
      panel: scratch,
      panelStepBytes: PANEL_BYTES,
      out: builder.local(i32.select(unit.isEdge, edgeOut, unit.out)),
      outRowBytes: builder.local(
        i32.select(unit.isEdge, i32.constant(PANEL_BYTES), i32.constant(spec.n * LANE_BYTES)),
      ),
      width: builder.local(
        i32.select(unit.isEdge, i32.constant(sizes.edge), i32.constant(PANEL_ROWS)),
      ),
    });
  const inPlace = (): void =>
    panelTiles(frame, {
      ...common,
      panel: run.right,
      panelStepBytes: rowBytes,
      out: unit.out,
      outRowBytes: i32.constant(spec.n * LANE_BYTES),
      width: i32.constant(PANEL_ROWS),
    });
  if (readsInPlace) {
    const edge = (): void => {
      pack(sizes.edge);
      fromScratch();
    };
    if (sizes.edge === 0) inPlace();
    else builder.when(unit.isEdge, edge, inPlace);
    return;
  }
  if (sizes.edge === 0) pack(PANEL_ROWS);
  else if (sizes.panels === 1) pack(sizes.edge);
  else builder.when(unit.isEdge, () => pack(sizes.edge), () => pack(PANEL_ROWS));
  fromScratch();
}

/** All runs of k of one unit, and the copy of an edge. */
function unitCode(
  frame: KernelFrame,
  spec: MatmulSpec,
  sizes: MatmulSizes,
  unit: MatmulUnit,
): void {
  const { builder, scratch } = frame;
  const right = builder.local(unit.right);
  const left = builder.local(unit.left);
  const runs = Math.ceil(spec.k / Math.max(1, sizes.run));
  if (runs <= 1) {
    runOfUnit(frame, spec, sizes, unit, { right, left, depth: spec.k, starts: i32.constant(1) });
  } else {
    builder.repeat(runs, (index) => {
      const isLast = i32.eq(index, i32.constant(runs - 1));
      const rest = i32.constant(spec.k - (runs - 1) * sizes.run);
      const depth = spec.k % sizes.run === 0
        ? sizes.run
        : builder.local(i32.select(isLast, rest, i32.constant(sizes.run)));
      runOfUnit(frame, spec, sizes, unit, { right, left, depth, starts: i32.eqz(index) });
      builder.advance(right, sizes.run * spec.right.rowStride * LANE_BYTES);
      builder.advance(left, sizes.run * spec.left.columnStride * LANE_BYTES);
    });
  }
  if (sizes.edge === 0) return;
  builder.when(unit.isEdge, () => {
    const edgeOut = builder.local(i32.add(scratch, i32.constant(sizes.run * PANEL_BYTES)));
    const rows = i32.select(
      unit.isLastBlock,
      i32.constant(spec.m - (sizes.rowBlocks - 1) * sizes.rows),
      i32.constant(sizes.rows),
    );
    copyEdge(builder, edgeOut, unit.out, spec.n * LANE_BYTES, rows, sizes.edge);
  });
}

/** Generates the kernel of a matmul. */
export function matmulKernel(spec: MatmulSpec, features: Features): Kernel {
  if (isTransposed(spec) || isDeep(spec)) return blockedMatmulKernel(spec, features);
  const sizes = sizesOf(spec);
  const bytes = (elements: number): number => elements * LANE_BYTES;
  const axes = [
    {
      size: spec.batch,
      steps: [spec.left.batchStride, spec.right.batchStride, spec.m * spec.n].map(bytes),
    },
    {
      size: sizes.rowBlocks,
      steps: [sizes.rows * spec.left.rowStride, 0, sizes.rows * spec.n].map(bytes),
    },
    { size: sizes.panels, steps: [0, PANEL_ROWS * spec.right.columnStride, PANEL_ROWS].map(bytes) },
  ];
  const shape = {
    args: 3,
    units: positions(axes),
    unitCost: sizes.rows * Math.max(1, spec.k) * PANEL_ROWS / LANES,
    scratchBytes: (sizes.run + (sizes.edge === 0 ? 0 : sizes.rows)) * PANEL_BYTES,
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args, lo, hi } = frame;
    const left = builder.local(i32.add(args[0], i32.constant(bytes(spec.left.offset))));
    const right = builder.local(i32.add(args[1], i32.constant(bytes(spec.right.offset))));
    const out = builder.local(args[2]);
    const walk = startWalk(builder, axes, [left, right, out], lo);
    const [, blockIndex, panelIndex] = walk.indices;
    builder.loopWhile(i32.ltU(lo, hi), () => {
      const isLastBlock = builder.local(i32.eq(blockIndex, i32.constant(sizes.rowBlocks - 1)));
      const isEdge = builder.local(
        sizes.edge === 0 ? i32.constant(0) : i32.eq(panelIndex, i32.constant(sizes.panels - 1)),
      );
      unitCode(frame, spec, sizes, { left, right, out, isLastBlock, isEdge });
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
