/**
 * matmul in blocks: out[b, m, n] = sum over k of left[b, m, k] right[b, k, n] with the left operand
 * stored transposed, as gradients of weights read it, or with sums so long that the rows of a block
 * do not fit the second-level cache.
 *
 * A unit is a block of rows by a group of panels, for a run of k at a time. A transposed `left` is
 * packed into scratch as the tiles read it, [tile, k, 4 rows], so that its cache lines are read once
 * and whole; then the tiles pass over one packed panel of `right` after the other.
 *
 * @module
 */
import { PANEL_ROWS } from "../../src/core/packed.ts";
import type { MatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { Count, FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, i32, v128 } from "./assembler_ops.ts";
import { assembleKernel, type Features, type Kernel, type KernelFrame } from "./kernel.ts";
import { LANE_BYTES, LANES, VECTOR_BYTES } from "./lanes.ts";
import { packRight } from "./matmul_pack.ts";
import { copyEdge, depthBlock, PANEL_BYTES, panelTiles, TILE_ROWS } from "./matmul_tile.ts";
import { positions, startWalk } from "./walk.ts";

/** Most rows of a unit: their part of a run stays in the second-level cache. */
const BLOCK_ROWS = 128;
/** Units that are enough for any number of threads; more panels per unit pack `left` less often. */
const ENOUGH_UNITS = 16;
/** With fewer panels, blocks are half as high, so that all threads have work. */
const MANY_PANELS = 16;
/** Smaller products are not worth packing; nor are units of fewer panels. */
const FEWEST_ROWS = 32;
const FEWEST_STEPS = 64;
const FEWEST_PANELS = 2;
/** From this k on, panels share a run of the left operand rather than all of it. */
const DEEP = 4096;
const CACHE_LINE_BYTES = 64;
interface BlockSizes {
  readonly rows: number;
  readonly rowBlocks: number;
  readonly panels: number;
  /** Panels of a unit, and of the last unit of a block. */
  readonly group: number;
  readonly lastGroup: number;
  readonly groups: number;
  /** Columns of the last panel where it is not full, else 0. */
  readonly edge: number;
  /** k of one run. */
  readonly run: number;
}

function sizesOf(spec: MatmulSpec): BlockSizes {
  const panels = Math.ceil(spec.n / PANEL_ROWS);
  const rows = Math.min(panels < MANY_PANELS ? BLOCK_ROWS / 2 : BLOCK_ROWS, spec.m);
  const rowBlocks = Math.ceil(spec.m / rows);
  const wanted = Math.floor(spec.batch * rowBlocks * panels / ENOUGH_UNITS);
  const group = Math.min(panels, Math.max(FEWEST_PANELS, wanted));
  const groups = Math.ceil(panels / group);
  return {
    rows,
    rowBlocks,
    panels,
    group,
    groups,
    lastGroup: panels - (groups - 1) * group,
    edge: spec.n % PANEL_ROWS,
    run: depthBlock(spec.k),
  };
}

/** Whether a product is one of this kind, and large enough that packing pays. */
export function isTransposed({ m, n, k, left }: MatmulSpec): boolean {
  const isLarge = m >= FEWEST_ROWS && n > PANEL_ROWS && k >= FEWEST_STEPS;
  return isLarge && left.rowStride === 1 && left.columnStride !== 1;
}

/** Whether the rows of a block, over all of k, are too much for the second-level cache. */
export function isDeep({ m, n, k }: MatmulSpec): boolean {
  return m >= FEWEST_ROWS && n > PANEL_ROWS && k >= DEEP;
}

/** Bytes of one packed tile; not a power of two, so that tiles lie in different sets of a cache. */
function tileBytesOf({ run }: BlockSizes): number {
  return run * VECTOR_BYTES + CACHE_LINE_BYTES;
}

/** Bytes of the parts of scratch: one panel, the packed rows, and the output of an edge. */
function scratchParts(sizes: BlockSizes) {
  const { run, rows, edge } = sizes;
  const tiles = Math.ceil(rows / TILE_ROWS);
  return {
    panel: run * PANEL_BYTES,
    left: tiles * tileBytesOf(sizes),
    edge: edge === 0 ? 0 : rows * PANEL_BYTES,
  };
}

/** One unit: pointers, and where it lies in the matrix. */
interface BlockUnit {
  readonly left: Local<"i32">;
  readonly right: Local<"i32">;
  readonly out: Local<"i32">;
  readonly isLastBlock: Local<"i32">;
  readonly isLastGroup: Local<"i32">;
  /** Rows of the block. */
  readonly rows: Local<"i32">;
  readonly packedLeft: Local<"i32">;
  readonly edgeOut: Local<"i32">;
}

/** Packs a run of the unit's rows; the lanes of the last tile beyond the rows are never used. */
function packLeft(
  builder: FunctionBuilder,
  spec: MatmulSpec,
  sizes: BlockSizes,
  unit: BlockUnit,
  from: Local<"i32">,
  depth: Count,
): void {
  const tileBytes = tileBytesOf(sizes);
  const tiles = builder.local(
    i32.divU(i32.add(unit.rows, i32.constant(TILE_ROWS - 1)), i32.constant(TILE_ROWS)),
  );
  const source = builder.local(from);
  const target = builder.local(unit.packedLeft);
  const moving = [
    { pointer: source, bytes: spec.left.columnStride * LANE_BYTES },
    { pointer: target, bytes: VECTOR_BYTES },
  ];
  builder.stream(depth, moving, 1, () => {
    const row = builder.local(source);
    const tile = builder.local(target);
    const across = [{ pointer: row, bytes: VECTOR_BYTES }, { pointer: tile, bytes: tileBytes }];
    builder.stream(tiles, across, LANES, (step) => {
      const value = v128.load(at(row, step * VECTOR_BYTES));
      builder.emit(v128.store(at(tile, step * tileBytes), value));
    });
  });
}

/** The left operand of one run, as the tiles read it: packed, or in place where it lies well. */
function leftOperand(
  builder: FunctionBuilder,
  spec: MatmulSpec,
  sizes: BlockSizes,
  unit: BlockUnit,
  run: { readonly left: Local<"i32">; readonly depth: Count },
) {
  if (!isTransposed(spec)) {
    return {
      left: run.left,
      leftRowBytes: spec.left.rowStride * LANE_BYTES,
      leftStepBytes: spec.left.columnStride * LANE_BYTES,
    };
  }
  packLeft(builder, spec, sizes, unit, run.left, run.depth);
  return {
    left: unit.packedLeft,
    leftRowBytes: LANE_BYTES,
    leftStepBytes: VECTOR_BYTES,
    leftTileBytes: tileBytesOf(sizes),
  };
}

/** One run of k: packs the rows, then multiplies them with every panel of the unit. */
function runOfUnit(
  frame: KernelFrame,
  spec: MatmulSpec,
  sizes: BlockSizes,
  unit: BlockUnit,
  run: { left: Local<"i32">; right: Local<"i32">; depth: Count; starts: Expression<"i32"> },
): void {
  const { builder, scratch } = frame;
  const { right } = spec;
  const left = leftOperand(builder, spec, sizes, unit, run);
  const panelSource = builder.local(run.right);
  const panelOut = builder.local(unit.out);
  const pack = (width: number): void =>
    packRight(frame, spec, { pointer: panelSource, depth: run.depth }, width);
  const group = i32.constant(sizes.group);
  const count = builder.local(
    i32.select(unit.isLastGroup, i32.constant(sizes.lastGroup), group),
  );
  builder.repeat(count, (index) => {
    const isLast = i32.eq(index, i32.sub(count, i32.constant(1)));
    const isEdge = builder.local(
      sizes.edge === 0 ? i32.constant(0) : i32.and(unit.isLastGroup, isLast),
    );
    if (sizes.edge === 0) pack(PANEL_ROWS);
    else builder.when(isEdge, () => pack(sizes.edge), () => pack(PANEL_ROWS));
    panelTiles(frame, {
      ...left,
      depth: run.depth,
      starts: run.starts,
      fullTiles: i32.divU(unit.rows, i32.constant(TILE_ROWS)),
      lastTileRows: spec.m % TILE_ROWS,
      hasLastTile: unit.isLastBlock,
      panel: scratch,
      panelStepBytes: PANEL_BYTES,
      out: builder.local(i32.select(isEdge, unit.edgeOut, panelOut)),
      outRowBytes: builder.local(
        i32.select(isEdge, i32.constant(PANEL_BYTES), i32.constant(spec.n * LANE_BYTES)),
      ),
      width: builder.local(
        i32.select(isEdge, i32.constant(sizes.edge), i32.constant(PANEL_ROWS)),
      ),
    });
    builder.advance(panelSource, PANEL_ROWS * right.columnStride * LANE_BYTES);
    builder.advance(panelOut, PANEL_BYTES);
  });
}

/** All runs of k of one unit, and the copy of an edge. */
function unitCode(
  frame: KernelFrame,
  spec: MatmulSpec,
  sizes: BlockSizes,
  unit: BlockUnit,
): void {
  const { builder } = frame;
  const left = builder.local(unit.left);
  const right = builder.local(unit.right);
  const runs = Math.ceil(spec.k / sizes.run);
  builder.repeat(runs, (index) => {
    const isLast = i32.eq(index, i32.constant(runs - 1));
    const rest = i32.constant(spec.k - (runs - 1) * sizes.run);
    const depth = spec.k % sizes.run === 0
      ? sizes.run
      : builder.local(i32.select(isLast, rest, i32.constant(sizes.run)));
    const starts = builder.local(i32.eqz(index));
    runOfUnit(frame, spec, sizes, unit, { left, right, depth, starts });
    builder.advance(left, sizes.run * spec.left.columnStride * LANE_BYTES);
    builder.advance(right, sizes.run * spec.right.rowStride * LANE_BYTES);
  });
  if (sizes.edge === 0) return;
  builder.when(unit.isLastGroup, () => {
    const place = i32.constant((sizes.lastGroup - 1) * PANEL_BYTES);
    const out = builder.local(i32.add(unit.out, place));
    copyEdge(builder, unit.edgeOut, out, spec.n * LANE_BYTES, unit.rows, sizes.edge);
  });
}

/** Generates the kernel of a matmul in blocks. */
export function blockedMatmulKernel(spec: MatmulSpec, features: Features): Kernel {
  const sizes = sizesOf(spec);
  const bytes = (elements: number): number => elements * LANE_BYTES;
  const { rows, group, rowBlocks, groups } = sizes;
  const axes = [
    {
      size: spec.batch,
      steps: [spec.left.batchStride, spec.right.batchStride, spec.m * spec.n].map(bytes),
    },
    { size: rowBlocks, steps: [rows * spec.left.rowStride, 0, rows * spec.n].map(bytes) },
    {
      size: groups,
      steps: [0, group * PANEL_ROWS * spec.right.columnStride, group * PANEL_ROWS].map(bytes),
    },
  ];
  const parts = scratchParts(sizes);
  const shape = {
    args: 3,
    units: positions(axes),
    unitCost: rows * spec.k * group * PANEL_ROWS / LANES,
    scratchBytes: parts.panel + parts.left + parts.edge,
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args, scratch, lo, hi } = frame;
    const left = builder.local(i32.add(args[0], i32.constant(bytes(spec.left.offset))));
    const right = builder.local(i32.add(args[1], i32.constant(bytes(spec.right.offset))));
    const out = builder.local(args[2]);
    const packedLeft = builder.local(i32.add(scratch, i32.constant(parts.panel)));
    const edgeOut = builder.local(i32.add(packedLeft, i32.constant(parts.left)));
    const walk = startWalk(builder, axes, [left, right, out], lo);
    const [, blockIndex, groupIndex] = walk.indices;
    builder.loopWhile(i32.ltU(lo, hi), () => {
      const isLastBlock = builder.local(i32.eq(blockIndex, i32.constant(rowBlocks - 1)));
      const isLastGroup = builder.local(i32.eq(groupIndex, i32.constant(groups - 1)));
      const lastRows = i32.constant(spec.m - (rowBlocks - 1) * rows);
      const unit = {
        left,
        right,
        out,
        isLastBlock,
        isLastGroup,
        rows: builder.local(i32.select(isLastBlock, lastRows, i32.constant(rows))),
        packedLeft,
        edgeOut,
      };
      unitCode(frame, spec, sizes, unit);
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
