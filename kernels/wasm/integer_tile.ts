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
import type { Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32x4, v128 } from "./assembler_ops.ts";
import { HALF_GROUPS, halfLevels, type LevelProducts, levelProducts } from "./integer_levels.ts";
import {
  advanceBlock,
  type BlockHead,
  blockHead,
  repeatedGroups,
  type RowPointers,
} from "./integer_rows.ts";
import { type KernelFrame, multiplyAdd } from "./kernel.ts";
import { VECTOR_BYTES } from "./lanes.ts";
import { PANEL_BYTES } from "./matmul_tile.ts";

type V128 = Expression<"v128">;

const HALVES = [0, 1] as const;
const GROUPS = Array.from({ length: HALF_GROUPS }, (_, group) => group);

/** Pointers of one tile of rows on one panel, and what of the panel it takes. */
export interface IntegerTile {
  readonly type: IntegerType;
  readonly k: number;
  readonly rows: number;
  /**
   * What stays while the other streams past it: the repeated activations of a block, the levels of
   * half a block, or the levels of one group of columns.
   */
  readonly holds: "activations" | "levels" | "group";
  /** Panels and their quarters. */
  readonly places: readonly Place[];
  readonly weights: Local<"i32">;
  /** At the first row. */
  readonly x: RowPointers;
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

/** One block of a tile at work. */
interface TileBlock {
  readonly frame: KernelFrame;
  readonly tile: IntegerTile;
  readonly products: LevelProducts;
  /** The f32 sums, row by row. */
  readonly sums: readonly (readonly Local<"v128">[])[];
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
function placeScales({ frame: { builder }, tile }: TileBlock, place: Place) {
  const first = placeOffset(tile, place);
  const hasMinima = tile.type === "integer_q4_1";
  return {
    scale: builder.local(v128.load(at(tile.weights, first))),
    minimum: hasMinima
      ? builder.local(v128.load(at(tile.weights, first + PANEL_BYTES)))
      : undefined,
  };
}

/** What the offset of the stored levels adds too much to a row's sums, negative. */
function offsetOf({ offsetBits }: LevelProducts, { negativeSum }: BlockHead): V128 | undefined {
  return offsetBits === undefined ? undefined : i32x4.shl(negativeSum, offsetBits);
}

function headsOf({ frame, tile, sums }: TileBlock): BlockHead[] {
  return sums.map((_, row) => blockHead(frame, tile.x, row, tile.k));
}

/** The activations of a row in half a block, in every lane. */
function rowGroups({ frame, tile, products }: TileBlock, row: number, half: number): V128[][] {
  return repeatedGroups(frame, tile.x, products.lanes, row, half, tile.k);
}

/** The levels of one place in one group of columns of a half block. */
function groupLevels(
  { frame: { builder }, tile, products }: TileBlock,
  { panel, quarter }: Place,
  half: number,
  group: number,
): readonly V128[] {
  const block = { pointer: tile.weights, offset: panel * integerPanelBytes(tile) };
  return products.prepare(halfLevels(builder, tile.type, block, { quarter, half, group }));
}

/** Repeated activations of all rows first, then each level vector read once and used at once. */
function streamBlock(block: TileBlock): void {
  const { frame, tile, products, sums } = block;
  const { builder } = frame;
  const heads = headsOf(block);
  const repeated = HALVES.map((half) =>
    sums.map((_, row) =>
      rowGroups(block, row, half).map((group) => group.map((value) => builder.local(value)))
    )
  );
  tile.places.forEach((place, index) => {
    const integers = heads.map((head) => products.start(offsetOf(products, head)));
    for (const half of HALVES) {
      for (const group of GROUPS) {
        const levels = groupLevels(block, place, half, group);
        integers.forEach((sum, row) => products.add(sum, levels, repeated[half][row][group]));
      }
    }
    const scales = placeScales(block, place);
    integers.forEach((sum, row) => {
      const whole = products.finish(sum, offsetOf(products, heads[row]));
      addBlock(frame, whole, heads[row], scales, sums[row][index]);
    });
  });
}

/** Finishes the integers of a block, place by place, and adds them to the f32 sums. */
function addIntegers(
  block: TileBlock,
  heads: readonly BlockHead[],
  integers: readonly (readonly Local<"v128">[])[],
): void {
  const { frame, tile, products, sums } = block;
  const scales = tile.places.map((place) => placeScales(block, place));
  integers.forEach((ofRow, row) =>
    ofRow.forEach((sum, index) => {
      const whole = products.finish(sum, offsetOf(products, heads[row]));
      addBlock(frame, whole, heads[row], scales[index], sums[row][index]);
    })
  );
}

/** The levels of half a block stay in registers, and row after row streams past them. */
function holdBlock(block: TileBlock): void {
  const { frame: { builder }, tile, products } = block;
  const heads = headsOf(block);
  const integers = heads.map((head) =>
    tile.places.map(() => products.start(offsetOf(products, head)))
  );
  for (const half of HALVES) {
    const held = tile.places.map((place) =>
      GROUPS.map((group) => groupLevels(block, place, half, group))
    );
    integers.forEach((ofRow, row) => {
      const repeated = rowGroups(block, row, half);
      for (const group of GROUPS) {
        const activations = repeated[group].map((value) => builder.local(value));
        ofRow.forEach((sum, place) => products.add(sum, held[place][group], activations));
      }
    });
  }
  addIntegers(block, heads, integers);
}

/** Places whose integers stay in registers together, with four rows. */
const PLACES_TOGETHER = { apart: 2, joined: 4 } as const;

/** Group by group of columns: the levels of some places, then row after row of activations. */
function groupPlaces(block: TileBlock, heads: readonly BlockHead[]): void {
  const { frame: { builder }, tile, products, sums } = block;
  const integers = heads.map((head) =>
    tile.places.map(() => products.start(offsetOf(products, head)))
  );
  for (const half of HALVES) {
    const repeated = sums.map((_, row) => rowGroups(block, row, half));
    for (const group of GROUPS) {
      const levels = tile.places.map((place) => groupLevels(block, place, half, group));
      integers.forEach((ofRow, row) => {
        const activations = repeated[row][group].map((value) => builder.local(value));
        ofRow.forEach((sum, place) => products.add(sum, levels[place], activations));
      });
    }
  }
  addIntegers(block, heads, integers);
}

/** All places, as many at once as registers hold. */
function groupBlock(block: TileBlock): void {
  const { frame: { features }, tile, sums } = block;
  const heads = headsOf(block);
  const together = PLACES_TOGETHER[features.vectors];
  for (let first = 0; first < tile.places.length; first += together) {
    const part = <T>(all: readonly T[]): readonly T[] => all.slice(first, first + together);
    const places = part(tile.places);
    groupPlaces({ ...block, tile: { ...tile, places }, sums: sums.map(part) }, heads);
  }
}

const TAKE_BLOCK = { activations: streamBlock, levels: holdBlock, group: groupBlock } as const;

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
    TAKE_BLOCK[tile.holds]({ frame, tile, products, sums });
    builder.advance(tile.weights, PACKED_LAYOUT[tile.type].bytes);
    advanceBlock(builder, tile.x);
  });
  return sums;
}
