/**
 * The register tile that every matmul runs on: out[r, c] += left[r, k] panel[k, c], k in order.
 *
 * A panel holds {@link PANEL_ROWS} columns of the product. Each element of a tile is one chain of
 * multiply-adds over k = 0, 1, 2, ... from 0, whatever the height and width of the tile: the shape
 * of a tile changes the speed only, never a bit.
 *
 * @module
 */
import { PANEL_ROWS } from "../../src/core/packed.ts";
import type { Count, FunctionBuilder, Local } from "./assembler.ts";
import { countExpression } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32, v128 } from "./assembler_ops.ts";
import { type KernelFrame, multiplyAdd } from "./kernel.ts";
import { leftRows } from "./left_rows.ts";
import { LANE_BYTES, LANES, loadLanes, splatLane, VECTOR_BYTES } from "./lanes.ts";

/** Bytes of one column index k of a panel of f32 values. */
export const PANEL_BYTES = PANEL_ROWS * LANE_BYTES;
/**
 * Rows of a full tile: with four k of each, 4 x 8 fills the vector registers; where the engine joins
 * vectors, 4 x 16 fills half of them with sums, and factors are repeated as they are loaded.
 */
export const TILE_ROWS = 4;
/** Up to this height a tile spans a whole panel, above it half a panel. */
export const WIDE_TILE_ROWS = 3;
/** Steps of k per turn of the innermost loop. */
const UNROLL = 4;
/** Longest run of k before the panel in use leaves the nearest cache. */
const LONGEST_RUN = 384;
const RUN = 256;
/** Up to this run of k a whole panel stays in the nearest cache. */
const SHORT_RUN = 128;

/** Operands of the tiles of one panel: pointers at the first row and the first k. */
export interface PanelProduct {
  /** At the panel of the right operand. */
  readonly panel: Local<"i32">;
  /** Bytes from one k of the panel to the next. */
  readonly panelStepBytes: number;
  /** At the left operand. */
  readonly left: Local<"i32">;
  /** Bytes from one row of the left operand to the next. */
  readonly leftRowBytes: number;
  /** Bytes from one k of the left operand to the next. */
  readonly leftStepBytes: number;
  /** Bytes from one full tile of the left operand to the next; those of its rows by default. */
  readonly leftTileBytes?: number;
  /** Steps of k. */
  readonly depth: Count;
  /** At the output. */
  readonly out: Local<"i32">;
  /** Bytes from one row of the output to the next. */
  readonly outRowBytes: Expression<"i32">;
  /** Not 0 where the chains start here, 0 where they go on from what is in `out`. */
  readonly starts: Expression<"i32">;
  /** Rows as full tiles, and the height of the lower tile after them (0 for none). */
  readonly fullTiles: Count;
  /** Height of that lower tile. */
  readonly lastTileRows: number;
  /** Not 0 where the lower tile belongs to this product. */
  readonly hasLastTile: Expression<"i32">;
  /** Columns that matter: 1 to 16. */
  readonly width: Expression<"i32">;
}

/** How many k one pass over a panel takes; more than one pass goes through `out`. */
export function depthBlock(k: number): number {
  return k <= LONGEST_RUN ? k : RUN;
}

/** Adds all steps of k to the sums of a tile. */
function accumulate(
  frame: KernelFrame,
  product: PanelProduct,
  sums: readonly (readonly Local<"v128">[])[],
): void {
  const { builder, features } = frame;
  const { leftRowBytes, leftStepBytes, panelStepBytes, depth } = product;
  const panel = builder.local(product.panel);
  const step = (k: number, factorOf: (row: number) => Expression<"v128">): void => {
    const weights = sums[0].map((_, vector) =>
      builder.local(v128.load(at(panel, k * panelStepBytes + vector * VECTOR_BYTES)))
    );
    sums.forEach((columns, row) => {
      const factor = builder.local(factorOf(row));
      columns.forEach((sum, vector) =>
        builder.assign(sum, multiplyAdd(features, factor, weights[vector], sum))
      );
    });
  };
  if (features.vectors === "joined") {
    const left = leftRows(frame, product.left, {
      rows: sums.length,
      rowBytes: leftRowBytes,
      stepBytes: leftStepBytes,
    });
    const moving = [{ pointer: panel, bytes: panelStepBytes }, ...left.moving];
    builder.stream(depth, moving, UNROLL, (k) => step(k, (row) => left.factor(row, k)));
    return;
  }
  const left = builder.local(product.left);
  const single = (row: number, k: number): Expression<"v128"> =>
    v128.load32Splat(at(left, row * leftRowBytes + k * leftStepBytes));
  const moving = (steps: number) => [
    { pointer: panel, bytes: steps * panelStepBytes },
    { pointer: left, bytes: steps * leftStepBytes },
  ];
  if (leftStepBytes !== LANE_BYTES) {
    const isContiguous = leftRowBytes === LANE_BYTES && sums.length > 1;
    builder.stream(depth, moving(1), UNROLL, (k) => {
      if (!isContiguous) return step(k, (row) => single(row, k));
      const groups = Array.from({ length: Math.ceil(sums.length / LANES) }, (_, group) => {
        const address = at(left, group * VECTOR_BYTES + k * leftStepBytes);
        return builder.local(loadLanes(address, Math.min(LANES, sums.length - group * LANES)));
      });
      step(k, (row) => splatLane(groups[Math.floor(row / LANES)], row % LANES));
    });
    return;
  }
  const isStatic = typeof depth === "number";
  const fours = isStatic ? Math.floor(depth / LANES) : i32.shrU(depth, i32.constant(2));
  builder.stream(fours, moving(LANES), 1, () => {
    const rows = sums.map((_, row) => builder.local(v128.load(at(left, row * leftRowBytes))));
    for (let k = 0; k < LANES; k++) step(k, (row) => splatLane(rows[row], k));
  });
  const rest = isStatic ? depth % LANES : i32.and(depth, i32.constant(LANES - 1));
  builder.stream(rest, moving(1), 1, () => step(0, (row) => single(row, 0)));
}

/** One tile; `vectors` vectors wide. */
function tile(frame: KernelFrame, product: PanelProduct, rows: number, vectors: number): void {
  const { builder } = frame;
  const rowNumbers = Array.from({ length: rows }, (_, row) => row);
  const columns = Array.from({ length: vectors }, (_, vector) => vector);
  const sums = rowNumbers.map(() => columns.map(() => builder.declare("v128")));
  const outRows = rowNumbers.map((row) =>
    builder.local(
      i32.add(product.out, i32.mul(product.outRowBytes, i32.constant(row))),
    )
  );
  const each = (visit: (sum: Local<"v128">, row: number, vector: number) => void): void =>
    rowNumbers.forEach((row) => columns.forEach((vector) => visit(sums[row][vector], row, vector)));
  const zero = f32x4.constant(0);
  builder.when(
    product.starts,
    () => each((sum) => builder.assign(sum, zero)),
    () =>
      each((sum, row, vector) =>
        builder.assign(sum, v128.load(at(outRows[row], vector * VECTOR_BYTES)))
      ),
  );
  accumulate(frame, product, sums);
  each((sum, row, vector) =>
    builder.emit(v128.store(at(outRows[row], vector * VECTOR_BYTES), sum))
  );
}

/** The tiles of one panel over all rows of the product. */
export function panelTiles(frame: KernelFrame, product: PanelProduct): void {
  const { builder, features } = frame;
  const isLow = product.fullTiles === 0 && product.lastTileRows <= WIDE_TILE_ROWS;
  const isWide = isLow || features.vectors === "joined";
  const vectors = isWide ? PANEL_ROWS / LANES : PANEL_ROWS / LANES / 2;
  const tileBytes = vectors * VECTOR_BYTES;
  const columns = vectors * LANES;
  const tilesAcross = isWide
    ? 1
    : i32.divU(i32.add(product.width, i32.constant(columns - 1)), i32.constant(columns));
  const across = { count: tilesAcross, bytes: tileBytes };
  const one = (place: TilePlace, rows: number): void =>
    tile(frame, { ...product, ...place }, rows, vectors);
  const isShort = typeof product.depth === "number" && product.depth <= SHORT_RUN;
  if (isShort) rowsOutside(builder, product, across, one);
  else rowsInside(builder, product, across, one);
}

/** Where one tile is. */
interface TilePlace {
  readonly panel: Local<"i32">;
  readonly left: Local<"i32">;
  readonly out: Local<"i32">;
}

/** Tiles beside each other in a panel, and the bytes from one to the next. */
interface Across {
  readonly count: Count;
  readonly bytes: number;
}

type TileCode = (place: TilePlace, rows: number) => void;

/** Visits the full tiles and the lower one, from `left` and `out` on. */
function eachRowTile(
  builder: FunctionBuilder,
  product: PanelProduct,
  outStart: Local<"i32">,
  visit: (pointers: Omit<TilePlace, "panel">, rows: number) => void,
): void {
  const left = builder.local(product.left);
  const out = builder.local(outStart);
  builder.repeat(product.fullTiles, () => {
    visit({ left, out }, TILE_ROWS);
    builder.advance(left, product.leftTileBytes ?? TILE_ROWS * product.leftRowBytes);
    builder.advance(out, i32.mul(product.outRowBytes, i32.constant(TILE_ROWS)));
  });
  if (product.lastTileRows > 0) {
    builder.when(product.hasLastTile, () => visit({ left, out }, product.lastTileRows));
  }
}

/** A long run: half a panel stays in the nearest cache while all rows pass over it. */
function rowsInside(
  builder: FunctionBuilder,
  product: PanelProduct,
  across: Across,
  one: TileCode,
): void {
  const panel = builder.local(product.panel);
  const outColumn = builder.local(product.out);
  builder.repeat(across.count, () => {
    eachRowTile(builder, product, outColumn, (pointers, rows) => one({ ...pointers, panel }, rows));
    builder.advance(panel, across.bytes);
    builder.advance(outColumn, across.bytes);
  });
}

/** A short run: the lines of the output are written whole, before they leave the cache. */
function rowsOutside(
  builder: FunctionBuilder,
  product: PanelProduct,
  across: Across,
  one: TileCode,
): void {
  eachRowTile(builder, product, product.out, ({ left, out }, rows) => {
    const panel = builder.local(product.panel);
    const outColumn = builder.local(out);
    builder.repeat(across.count, () => {
      one({ panel, left, out: outColumn }, rows);
      builder.advance(panel, across.bytes);
      builder.advance(outColumn, across.bytes);
    });
  });
}

/** Copies the first `width` (1 to 15) columns of `rows` panel rows from scratch to the output. */
export function copyEdge(
  builder: FunctionBuilder,
  from: Local<"i32">,
  to: Local<"i32">,
  toRowBytes: number,
  rows: Count,
  width: number,
): void {
  const source = builder.local(from);
  const target = builder.local(to);
  const pointers = [{ pointer: source, bytes: PANEL_BYTES }, {
    pointer: target,
    bytes: toRowBytes,
  }];
  builder.stream(countExpression(rows), pointers, 1, () => {
    for (let first = 0; first < width; first += LANES) {
      const value = builder.local(v128.load(at(source, first * LANE_BYTES)));
      for (let lane = 0; lane < Math.min(LANES, width - first); lane++) {
        builder.emit(v128.store32Lane(at(target, (first + lane) * LANE_BYTES), lane, value));
      }
    }
  });
}
