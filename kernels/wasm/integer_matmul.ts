/**
 * packedMatmul with integer weights: out[m, n] = sum over half blocks of
 * (scale_w scale_x) sum(w x) + minimum_w (scale_x sum(x)),
 * the sums over the 16 columns of a half in integers.
 *
 * A unit is one panel. The order of a chain is the order of the half blocks, whatever the number of
 * rows.
 *
 * @module
 */
import type { IntegerType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, PACKED_LAYOUT, PANEL_ROWS } from "../../src/core/packed.ts";
import { QUANTIZED_BLOCK, quantizedRowBytes } from "../../src/core/quantized_rows.ts";
import type { PackedMatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32, i32x4, v128 } from "./assembler_ops.ts";
import { HALF_GROUPS, halfLevels, type LevelProducts, levelProducts } from "./integer_levels.ts";
import {
  assembleKernel,
  type Features,
  type Kernel,
  type KernelFrame,
  multiplyAdd,
} from "./kernel.ts";
import { LANE_BYTES, LANES, splatLane, VECTOR_BYTES } from "./lanes.ts";
import { copyEdge, PANEL_BYTES } from "./matmul_tile.ts";
import { startWalk } from "./walk.ts";

type V128 = Expression<"v128">;

/** Rows that share one pass over a panel. */
const TILE_ROWS = 6;
/** Up to this many rows, repeated activations stay in registers and levels stream past them. */
const STREAMED_ROWS = 2;
const QUARTERS = PANEL_ROWS / LANES;
/** Panels that a single row reads in turns: memory gives more from several places than from one. */
const STREAMS = 4;
const HALVES = [0, 1] as const;

/** Pointers of one tile of rows on one panel, and what of the panel it takes. */
interface IntegerTile {
  readonly type: IntegerType;
  readonly k: number;
  readonly rows: number;
  /** Panels and their quarters. */
  readonly places: readonly Place[];
  readonly weights: Local<"i32">;
  /** At the first row's record. */
  readonly x: Local<"i32">;
}

/** Four rows of a panel. */
interface Place {
  readonly panel: number;
  readonly quarter: number;
}

/** Bytes of one panel. */
function integerPanelBytes({ type, k }: Pick<IntegerTile, "type" | "k">): number {
  return k / BLOCK_COLUMNS * PACKED_LAYOUT[type].bytes;
}

/** A row's activations of one half of a block. */
interface HalfRow {
  readonly levels: Local<"v128">;
  /** Of the block, in every lane. */
  readonly scale: Local<"v128">;
  /** The negative sum of the levels, in every lane. */
  readonly negativeSum: V128;
}

function halfRow({ builder }: KernelFrame, tile: IntegerTile, row: number, half: number): HalfRow {
  const first = row * quantizedRowBytes(tile.k);
  const head = builder.local(v128.load(at(tile.x, first)));
  const place = first + QUANTIZED_BLOCK.head + half * VECTOR_BYTES;
  return {
    levels: builder.local(v128.load(at(tile.x, place))),
    scale: builder.local(splatLane(head, 0)),
    negativeSum: splatLane(head, 1 + half),
  };
}

/** The address of a place's scales, counted from the block that `weights` is at. */
function placeOffset(tile: IntegerTile, { panel, quarter }: Place): number {
  return panel * integerPanelBytes(tile) + quarter * VECTOR_BYTES;
}

/** Adds one half block of one row to the f32 sums of one place. */
function addHalf(
  frame: KernelFrame,
  tile: IntegerTile,
  integers: V128,
  row: HalfRow,
  scales: { readonly scale: V128; readonly minimum: V128 | undefined },
  target: Local<"v128">,
): void {
  const { builder, features } = frame;
  const factor = builder.local(f32x4.mul(scales.scale, row.scale));
  builder.assign(target, multiplyAdd(features, f32x4.convertI32(integers), factor, target));
  if (scales.minimum === undefined) return;
  const negative = f32x4.mul(f32x4.convertI32(row.negativeSum), row.scale);
  builder.assign(target, f32x4.sub(target, f32x4.mul(scales.minimum, negative)));
}

/** The scales, and minima where there are any, of one place. */
function placeScales({ builder }: KernelFrame, tile: IntegerTile, place: Place) {
  const first = placeOffset(tile, place);
  const hasMinima = tile.type === "integer_q4_1";
  return {
    scale: builder.local(v128.load(at(tile.weights, first))),
    minimum: hasMinima
      ? builder.local(v128.load(at(tile.weights, first + PANEL_BYTES)))
      : undefined,
  };
}

/** What a sum of products begins with: what the offset of the stored levels adds too much. */
function startSum(products: LevelProducts, row: HalfRow): readonly Local<"v128">[] {
  const { offsetBits } = products;
  return products.start(
    offsetBits === undefined ? undefined : i32x4.shl(row.negativeSum, offsetBits),
  );
}

function levelsOf(
  { builder }: KernelFrame,
  tile: IntegerTile,
  { panel, quarter }: Place,
  half: number,
  group: number,
): V128 {
  const block = { pointer: tile.weights, offset: panel * integerPanelBytes(tile) };
  return halfLevels(builder, tile.type, block, { quarter, half, group });
}

/** Few rows: their activations repeated in registers, each level vector read once and used at once. */
function streamHalf(
  frame: KernelFrame,
  tile: IntegerTile,
  products: LevelProducts,
  half: number,
  sums: readonly (readonly Local<"v128">[])[],
): void {
  const { builder } = frame;
  const rows = sums.map((_, row) => halfRow(frame, tile, row, half));
  const repeated = rows.map(({ levels }) =>
    Array.from({ length: HALF_GROUPS }, (_, group) => builder.local(splatLane(levels, group)))
  );
  tile.places.forEach((place, index) => {
    const integers = rows.map((row) => startSum(products, row));
    for (let group = 0; group < HALF_GROUPS; group++) {
      const levels = products.prepare(levelsOf(frame, tile, place, half, group));
      integers.forEach((sum, row) => products.add(sum, levels, repeated[row][group]));
    }
    const scales = placeScales(frame, tile, place);
    integers.forEach((sum, row) =>
      addHalf(frame, tile, products.finish(sum), rows[row], scales, sums[row][index])
    );
  });
}

/** More rows: the levels of all places stay in registers, and row after row streams past them. */
function holdHalf(
  frame: KernelFrame,
  tile: IntegerTile,
  products: LevelProducts,
  half: number,
  sums: readonly (readonly Local<"v128">[])[],
): void {
  const { builder } = frame;
  const groups = Array.from({ length: HALF_GROUPS }, (_, group) => group);
  const held = tile.places.map((place) =>
    groups.map((group) => products.prepare(levelsOf(frame, tile, place, half, group)))
  );
  const scales = tile.places.map((place) => placeScales(frame, tile, place));
  sums.forEach((targets, index) => {
    const row = halfRow(frame, tile, index, half);
    const integers = targets.map(() => startSum(products, row));
    for (const group of groups) {
      const activations = builder.local(splatLane(row.levels, group));
      integers.forEach((sum, place) => products.add(sum, held[place][group], activations));
    }
    integers.forEach((sum, place) =>
      addHalf(frame, tile, products.finish(sum), row, scales[place], targets[place])
    );
  });
}

/** All blocks of some places of one panel for a tile of rows; gives the f32 sums, row by row. */
function tileSums(frame: KernelFrame, tile: IntegerTile): Local<"v128">[][] {
  const { builder, features } = frame;
  const products = levelProducts(builder, features, tile.type);
  const zero = builder.constant(f32x4.constant(0));
  const sums = Array.from(
    { length: tile.rows },
    () => tile.places.map(() => builder.local(zero)),
  );
  builder.repeat(tile.k / BLOCK_COLUMNS, () => {
    for (const half of HALVES) {
      const takeHalf = tile.rows <= STREAMED_ROWS ? streamHalf : holdHalf;
      takeHalf(frame, tile, products, half, sums);
    }
    builder.advance(tile.weights, PACKED_LAYOUT[tile.type].bytes);
    builder.advance(tile.x, QUANTIZED_BLOCK.bytes);
  });
  return sums;
}

/** The passes that a tile makes over its panels, each with the places that it takes. */
function passesOf(rows: number, panels: number): Place[][] {
  const all = Array.from({ length: panels * QUARTERS }, (_, place) => ({
    panel: Math.floor(place / QUARTERS),
    quarter: place % QUARTERS,
  }));
  if (rows <= STREAMED_ROWS) return [all];
  return [all.slice(0, QUARTERS / 2), all.slice(QUARTERS / 2)];
}

/** One tile: its sums, stored to `out`. */
function tileCode(
  frame: KernelFrame,
  spec: PackedMatmulSpec,
  type: IntegerType,
  sizes: { readonly rows: number; readonly panels: number },
  pointers: {
    readonly panel: Local<"i32">;
    readonly x: Local<"i32">;
    readonly out: Local<"i32">;
    readonly outRowBytes: Local<"i32">;
  },
): void {
  const { builder } = frame;
  for (const places of passesOf(sizes.rows, sizes.panels)) {
    const sums = tileSums(frame, {
      type,
      k: spec.k,
      rows: sizes.rows,
      places,
      weights: builder.local(pointers.panel),
      x: builder.local(pointers.x),
    });
    const out = builder.local(pointers.out);
    for (const row of sums) {
      row.forEach((sum, index) => {
        const { panel, quarter } = places[index];
        builder.emit(v128.store(at(out, panel * PANEL_BYTES + quarter * VECTOR_BYTES), sum));
      });
      builder.advance(out, pointers.outRowBytes);
    }
  }
  builder.advance(pointers.x, sizes.rows * quantizedRowBytes(spec.k));
  const outBytes = i32.mul(pointers.outRowBytes, i32.constant(sizes.rows));
  builder.advance(pointers.out, outBytes);
}

/** Generates the kernel of a product with integer weights; x is what `quantize` wrote. */
export function integerMatmulKernel(
  spec: PackedMatmulSpec,
  type: IntegerType,
  features: Features,
): Kernel {
  const { m, n, k } = spec;
  const edge = n % PANEL_ROWS;
  const all = m === 0 ? 0 : Math.ceil(n / PANEL_ROWS);
  const together = m === 1 && edge === 0 && all % STREAMS === 0 ? STREAMS : 1;
  const panels = all / together;
  const panelBytes = together * integerPanelBytes({ type, k });
  const axes = [{ size: panels, steps: [panelBytes, together * PANEL_BYTES] }];
  const shape = {
    args: 3,
    units: panels,
    unitCost: together * (2 * m + 1) * Math.max(1, k),
    scratchBytes: edge === 0 ? 0 : m * PANEL_BYTES,
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args, scratch, lo, hi } = frame;
    const panel = builder.local(args[1]);
    const column = builder.local(args[2]);
    const walk = startWalk(builder, axes, [panel, column], lo);
    builder.loopWhile(i32.ltU(lo, hi), () => {
      const isEdge = builder.local(
        edge === 0 ? i32.constant(0) : i32.eq(walk.indices[0], i32.constant(panels - 1)),
      );
      const x = builder.local(args[0]);
      const out = builder.local(i32.select(isEdge, scratch, column));
      const rowBytes = i32.select(isEdge, i32.constant(PANEL_BYTES), i32.constant(n * LANE_BYTES));
      const pointers = { panel, x, out, outRowBytes: builder.local(rowBytes) };
      builder.repeat(
        Math.floor(m / TILE_ROWS),
        () => tileCode(frame, spec, type, { rows: TILE_ROWS, panels: together }, pointers),
      );
      const rest = { rows: m % TILE_ROWS, panels: together };
      if (rest.rows > 0) tileCode(frame, spec, type, rest, pointers);
      if (edge > 0) {
        builder.when(isEdge, () => copyEdge(builder, scratch, column, n * LANE_BYTES, m, edge));
      }
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
