/**
 * The tile of products in integers: some rows by some quarters of panels, block after block.
 *
 * Whatever the size of a tile, a block's products are summed in integers, and blocks in f32 in their
 * order: the shape of a tile changes the speed only, never a bit.
 *
 * @module
 */
import type { IntegerType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, PACKED_LAYOUT } from "../../src/core/packed.ts";
import { QUANTIZED_BLOCK, quantizedRowBytes } from "../../src/core/quantized_rows.ts";
import type { Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32x4, v128 } from "./assembler_ops.ts";
import { HALF_GROUPS, halfLevels, type LevelProducts, levelProducts } from "./integer_levels.ts";
import { type KernelFrame, multiplyAdd } from "./kernel.ts";
import { splatLane, VECTOR_BYTES } from "./lanes.ts";
import { PANEL_BYTES } from "./matmul_tile.ts";

type V128 = Expression<"v128">;

const HALVES = [0, 1] as const;
const GROUPS = Array.from({ length: HALF_GROUPS }, (_, group) => group);

/** Pointers of one tile of rows on one panel, and what of the panel it takes. */
export interface IntegerTile {
  readonly type: IntegerType;
  readonly k: number;
  readonly rows: number;
  /** What stays while the other streams past it: the repeated activations, or the levels. */
  readonly holds: "activations" | "levels";
  /** Panels and their quarters. */
  readonly places: readonly Place[];
  readonly weights: Local<"i32">;
  /** At the first row's record. */
  readonly x: Local<"i32">;
}

/** Four rows of a panel. */
export interface Place {
  readonly panel: number;
  readonly quarter: number;
}

/** Bytes of one panel. */
export function integerPanelBytes({ type, k }: Pick<IntegerTile, "type" | "k">): number {
  return k / BLOCK_COLUMNS * PACKED_LAYOUT[type].bytes;
}

/** What a row's record says of a block beside its levels. */
interface BlockHead {
  /** In every lane. */
  readonly scale: Local<"v128">;
  /** The negative sum of the levels, in every lane. */
  readonly negativeSum: Local<"v128">;
}

function blockHead({ builder }: KernelFrame, tile: IntegerTile, row: number): BlockHead {
  const head = builder.local(v128.load(at(tile.x, row * quantizedRowBytes(tile.k))));
  return {
    scale: builder.local(splatLane(head, 0)),
    negativeSum: builder.local(splatLane(head, 1)),
  };
}

/** A row's activation levels of one half of a block. */
function rowLevels(
  { builder }: KernelFrame,
  tile: IntegerTile,
  row: number,
  half: number,
): Local<"v128"> {
  const place = row * quantizedRowBytes(tile.k) + QUANTIZED_BLOCK.head + half * VECTOR_BYTES;
  return builder.local(v128.load(at(tile.x, place)));
}

/** The address of a place's scales, counted from the block that `weights` is at. */
function placeOffset(tile: IntegerTile, { panel, quarter }: Place): number {
  return panel * integerPanelBytes(tile) + quarter * VECTOR_BYTES;
}

/** Adds one block of one row to the f32 sums of one place. */
function addBlock(
  frame: KernelFrame,
  integers: V128,
  row: BlockHead,
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
function startSum(products: LevelProducts, row: BlockHead): readonly Local<"v128">[] {
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

/** Repeated activations of all rows first, then each level vector read once and used at once. */
function streamBlock(
  frame: KernelFrame,
  tile: IntegerTile,
  products: LevelProducts,
  sums: readonly (readonly Local<"v128">[])[],
): void {
  const { builder } = frame;
  const heads = sums.map((_, row) => blockHead(frame, tile, row));
  const repeated = HALVES.map((half) =>
    sums.map((_, row) => {
      const repeat = products.repeat(rowLevels(frame, tile, row, half));
      return GROUPS.map((group) => builder.local(repeat(group)));
    })
  );
  tile.places.forEach((place, index) => {
    const integers = heads.map((head) => startSum(products, head));
    for (const half of HALVES) {
      for (const group of GROUPS) {
        const levels = products.prepare(levelsOf(frame, tile, place, half, group));
        integers.forEach((sum, row) => products.add(sum, levels, repeated[half][row][group]));
      }
    }
    const scales = placeScales(frame, tile, place);
    integers.forEach((sum, row) =>
      addBlock(frame, products.finish(sum), heads[row], scales, sums[row][index])
    );
  });
}

/** The levels of all places stay in registers, and row after row streams past them. */
function holdBlock(
  frame: KernelFrame,
  tile: IntegerTile,
  products: LevelProducts,
  sums: readonly (readonly Local<"v128">[])[],
): void {
  const { builder } = frame;
  const heads = sums.map((_, row) => blockHead(frame, tile, row));
  const integers = heads.map((head) => tile.places.map(() => startSum(products, head)));
  for (const half of HALVES) {
    const held = tile.places.map((place) =>
      GROUPS.map((group) => products.prepare(levelsOf(frame, tile, place, half, group)))
    );
    integers.forEach((ofRow, row) => {
      const repeat = products.repeat(rowLevels(frame, tile, row, half));
      for (const group of GROUPS) {
        const activations = builder.local(repeat(group));
        ofRow.forEach((sum, place) => products.add(sum, held[place][group], activations));
      }
    });
  }
  tile.places.forEach((place, index) => {
    const scales = placeScales(frame, tile, place);
    integers.forEach((ofRow, row) =>
      addBlock(frame, products.finish(ofRow[index]), heads[row], scales, sums[row][index])
    );
  });
}

/** All blocks of some places of one panel for a tile of rows; gives the f32 sums, row by row. */
export function tileSums(frame: KernelFrame, tile: IntegerTile): Local<"v128">[][] {
  const { builder, features } = frame;
  const products = levelProducts(builder, features, tile.type);
  const zero = builder.constant(f32x4.constant(0));
  const sums = Array.from(
    { length: tile.rows },
    () => tile.places.map(() => builder.local(zero)),
  );
  builder.repeat(tile.k / BLOCK_COLUMNS, () => {
    const takeBlock = tile.holds === "activations" ? streamBlock : holdBlock;
    takeBlock(frame, tile, products, sums);
    builder.advance(tile.weights, PACKED_LAYOUT[tile.type].bytes);
    builder.advance(tile.x, QUANTIZED_BLOCK.bytes);
  });
  return sums;
}
