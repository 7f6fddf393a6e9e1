/**
 * packedMatmul with integer weights: out[m, n] = sum over blocks of
 * (scale_w scale_x) sum(w x) + minimum_w (scale_x sum(x)),
 * the sums over the 32 columns of a block in integers.
 *
 * A unit is one panel. The order of a chain is the order of the blocks, whatever the number of rows.
 *
 * @module
 */
import type { IntegerType } from "../../src/core/dtype.ts";
import { PANEL_ROWS } from "../../src/core/packed.ts";
import type { PackedMatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { Local } from "./assembler.ts";
import { at, i32, v128 } from "./assembler_ops.ts";
import { levelLanes } from "./integer_levels.ts";
import { advanceRows, copyPointers, type RowPointers, rowPointers } from "./integer_rows.ts";
import { integerPanelBytes, type IntegerTile, type Place, tileSums } from "./integer_tile.ts";
import { assembleKernel, type Features, type Kernel, type KernelFrame } from "./kernel.ts";
import { LANE_BYTES, LANES, VECTOR_BYTES } from "./lanes.ts";
import { copyEdge, PANEL_BYTES } from "./matmul_tile.ts";
import { startWalk } from "./walk.ts";

const QUARTERS = PANEL_ROWS / LANES;
/** Up to this many rows, levels as bytes stream past activations. */
const STREAMED_ROWS = 2;

/** How a product is cut into tiles. */
interface Tiling {
  /** Rows of a full tile. */
  readonly rows: number;
  /** Panels that a single row reads in turns. */
  readonly streams: number;
  /** What a tile of so many rows holds, and the places that each of its passes takes. */
  passes(rows: number, panels: number): Pick<IntegerTile, "holds" | "places">[];
}

function placesOf(panels: number): Place[] {
  return Array.from({ length: panels * QUARTERS }, (_, place) => ({
    panel: Math.floor(place / QUARTERS),
    quarter: place % QUARTERS,
  }));
}

/**
 * With levels of 8 bits as bytes a tile of eight rows takes whole panels, so that its arithmetic
 * lasts as long as memory takes for the panel; others take half a panel at a time, whose sums stay
 * in registers.
 */
function byteTiling(type: IntegerType): Tiling {
  const most = type === "integer_q8_0" ? 8 : 4;
  return {
    rows: most,
    streams: 2,
    passes(rows, panels) {
      const all = placesOf(panels);
      if (rows <= STREAMED_ROWS) return [{ holds: "activations", places: all }];
      if (rows === 8) return [{ holds: "levels", places: all }];
      const halves = [all.slice(0, QUARTERS / 2), all.slice(QUARTERS / 2)];
      return halves.map((places) => ({ holds: "levels", places }));
    },
  };
}

/**
 * Elsewhere a tile of four rows takes whole panels, group after group of columns: the integers of a
 * block stay in registers, and a panel is read once, in order.
 */
const GROUP_TILING: Tiling = {
  rows: 4,
  streams: 1,
  passes: (_, panels) => [{ holds: "group", places: placesOf(panels) }],
};

/** The tiles for a type on this engine. */
function tilingOf(features: Features, type: IntegerType): Tiling {
  const isJoined = features.vectors === "joined" && features.byteDot === "saturating";
  return isJoined || levelLanes(features, type) === "words" ? GROUP_TILING : byteTiling(type);
}

/** One tile: its sums, stored to `out`. */
function tileCode(
  frame: KernelFrame,
  spec: PackedMatmulSpec,
  type: IntegerType,
  sizes: { readonly rows: number; readonly passes: ReturnType<Tiling["passes"]> },
  pointers: {
    readonly panel: Local<"i32">;
    readonly x: RowPointers;
    readonly out: Local<"i32">;
    readonly outRowBytes: Local<"i32">;
  },
): void {
  const { builder } = frame;
  for (const pass of sizes.passes) {
    const sums = tileSums(frame, {
      type,
      k: spec.k,
      rows: sizes.rows,
      ...pass,
      weights: builder.local(pointers.panel),
      x: copyPointers(builder, pointers.x),
    });
    const out = builder.local(pointers.out);
    for (const row of sums) {
      row.forEach((sum, index) => {
        const { panel, quarter } = pass.places[index];
        builder.emit(v128.store(at(out, panel * PANEL_BYTES + quarter * VECTOR_BYTES), sum));
      });
      builder.advance(out, pointers.outRowBytes);
    }
  }
  advanceRows(builder, pointers.x, sizes.rows, spec.k);
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
  const tiling = tilingOf(features, type);
  const edge = n % PANEL_ROWS;
  const all = m === 0 ? 0 : Math.ceil(n / PANEL_ROWS);
  const together = m === 1 && edge === 0 && all % tiling.streams === 0 ? tiling.streams : 1;
  const panels = all / together;
  const panelBytes = together * integerPanelBytes({ type, k });
  const axes = [{ size: panels, steps: [panelBytes, together * PANEL_BYTES] }];
  const shape = {
    args: 3,
    units: panels,
    unitCost: together * (2 * m + 1) * Math.max(1, k),
    scratchBytes: edge === 0 ? 0 : m * PANEL_BYTES,
  };
  const sizesOf = (rows: number) => ({ rows, passes: tiling.passes(rows, together) });
  return assembleKernel(features, shape, (frame) => {
    const { builder, args, scratch, lo, hi } = frame;
    const panel = builder.local(args[1]);
    const column = builder.local(args[2]);
    const walk = startWalk(builder, axes, [panel, column], lo);
    builder.loopWhile(i32.ltU(lo, hi), () => {
      const isEdge = builder.local(
        edge === 0 ? i32.constant(0) : i32.eq(walk.indices[0], i32.constant(panels - 1)),
      );
      const x = rowPointers(builder, args[0], m, k);
      const out = builder.local(i32.select(isEdge, scratch, column));
      const rowBytes = i32.select(isEdge, i32.constant(PANEL_BYTES), i32.constant(n * LANE_BYTES));
      const pointers = { panel, x, out, outRowBytes: builder.local(rowBytes) };
      builder.repeat(
        Math.floor(m / tiling.rows),
        () => tileCode(frame, spec, type, sizesOf(tiling.rows), pointers),
      );
      const rest = m % tiling.rows;
      if (rest > 0) tileCode(frame, spec, type, sizesOf(rest), pointers);
      if (edge > 0) {
        builder.when(isEdge, () => copyEdge(builder, scratch, column, n * LANE_BYTES, m, edge));
      }
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
