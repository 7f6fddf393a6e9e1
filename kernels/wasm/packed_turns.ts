/**
 * packedMatmul of few rows with f32 weights where the engine joins vectors: out[m, n] = sum over k
 * of x[m, k] w[n, k].
 *
 * The arithmetic of some rows then takes no longer than reading the weights, if memory never waits
 * for it. So a unit is a group of neighbouring panels that take turns: a few columns of the first
 * are multiplied with all rows, then of the second, and while one is at work the lines of the others
 * are on their way. Between its turns a panel's sums lie in scratch. Every sum is one chain over k,
 * as in all other tiles, and has their bits.
 *
 * @module
 */
import { PANEL_ROWS } from "../../src/core/packed.ts";
import type { PackedMatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { Local } from "./assembler.ts";
import { type Address, at, f32x4, i32, v128 } from "./assembler_ops.ts";
import {
  assembleKernel,
  type Features,
  type Kernel,
  type KernelFrame,
  multiplyAdd,
} from "./kernel.ts";
import { LANE_BYTES, LANES, VECTOR_BYTES } from "./lanes.ts";
import { leftRows } from "./left_rows.ts";
import { PANEL_BYTES } from "./matmul_tile.ts";
import { startWalk } from "./walk.ts";

/** How panels take turns. */
interface Turns {
  /** Panels of a unit. */
  readonly panels: number;
  /** Columns of one turn. */
  readonly columns: number;
}

/** Most rows whose arithmetic hides behind memory; above them one panel is as good as several. */
const HIDDEN_ROWS = 8;
/** Most rows of this kind: with more, memory is a small part of the time. */
const MOST_ROWS = 16;
/** One row takes its panels in one tile, so that several are on their way; more rows take two. */
const MOST_PANELS = { oneRow: 4, moreRows: 2 } as const;
/** Columns of a turn: sums go through scratch once a turn. */
const TURN_COLUMNS = { oneRow: 8, moreRows: 12 } as const;
/** Units that two threads can share evenly enough; with fewer, units are smaller. */
const FEWEST_UNITS = 12;
/** Rows of one tile, times panels: their sums, a column of weights and a factor fill registers. */
const TILE_SUMS = 4;
/** Columns per turn of the innermost loop. */
const UNROLL = 4;

/** Whether a product is one of this kind. */
export function takesTurns({ weights, m, n }: PackedMatmulSpec, { vectors }: Features): boolean {
  return vectors === "joined" && weights === "packed_f32" && m >= 1 && m <= MOST_ROWS &&
    n % PANEL_ROWS === 0;
}

function turnsOf({ m, n }: PackedMatmulSpec): Turns {
  if (m > HIDDEN_ROWS) return { panels: 1, columns: 16 };
  const kind = m === 1 ? "oneRow" : "moreRows";
  const all = n / PANEL_ROWS;
  let panels: number = MOST_PANELS[kind];
  while (panels > 1 && (all % panels > 0 || all / panels < FEWEST_UNITS)) panels--;
  return { panels, columns: TURN_COLUMNS[kind] };
}

/** The numbers 0 .. count-1 in parts of at most `size`, as equal as can be. */
function parts(count: number, size: number): number[][] {
  const each = Math.ceil(count / Math.ceil(count / size));
  return Array.from({ length: Math.ceil(count / each) }, (_, part) =>
    Array.from(
      { length: Math.min(each, count - part * each) },
      (_, index) => part * each + index,
    ));
}

const QUARTERS = [0, 1, 2, 3] as const;

/** The places of sums [panel, row, 16] in scratch. */
function sumAt(
  { scratch }: KernelFrame,
  { m }: PackedMatmulSpec,
  panel: number,
  row: number,
  quarter: number,
): Address {
  return at(scratch, (panel * m + row) * PANEL_BYTES + quarter * VECTOR_BYTES);
}

/** Some columns of some panels times some rows, from scratch to scratch. */
function tile(
  frame: KernelFrame,
  spec: PackedMatmulSpec,
  columns: number,
  place: { panel: Local<"i32">; x: Local<"i32">; panels: number[]; rows: number[] },
): void {
  const { builder, features } = frame;
  const { k } = spec;
  const sums = place.rows.map((row) =>
    place.panels.flatMap((panel) =>
      QUARTERS.map((quarter) => {
        const address = sumAt(frame, spec, panel, row, quarter);
        return { address, sum: builder.local(v128.load(address)) };
      })
    )
  );
  const panels = place.panels.map((panel) =>
    builder.local(i32.add(place.panel, i32.constant(panel * k * PANEL_BYTES)))
  );
  const rowBytes = k * LANE_BYTES;
  const [firstRow] = place.rows;
  const x = leftRows(
    frame,
    builder.local(i32.add(place.x, i32.constant(firstRow * rowBytes))),
    { rows: place.rows.length, rowBytes, stepBytes: LANE_BYTES },
  );
  const moving = [
    ...panels.map((pointer) => ({ pointer, bytes: PANEL_BYTES })),
    ...x.moving,
  ];
  builder.stream(columns, moving, UNROLL, (step) => {
    const weights = panels.flatMap((panel) =>
      QUARTERS.map((quarter) =>
        builder.local(v128.load(at(panel, step * PANEL_BYTES + quarter * VECTOR_BYTES)))
      )
    );
    sums.forEach((ofRow, row) => {
      const factor = builder.local(x.factor(row, step));
      ofRow.forEach(({ sum }, i) =>
        builder.assign(sum, multiplyAdd(features, factor, weights[i], sum))
      );
    });
  });
  // Neighbours in memory are stored after one another: from such pairs the engine starts to join.
  for (const { address, sum } of sums.flat()) builder.emit(v128.store(address, sum));
}

/** One unit: all rows, all of k, a group of panels. */
function unit(
  frame: KernelFrame,
  spec: PackedMatmulSpec,
  { panels, columns }: Turns,
  first: Local<"i32">,
  out: Local<"i32">,
): void {
  const { builder, args } = frame;
  const { m, n, k } = spec;
  const rowTiles = parts(m, TILE_SUMS);
  const panelTiles = parts(panels, Math.max(1, Math.floor(TILE_SUMS / rowTiles[0].length)));
  const each = (visit: (panel: number, row: number, quarter: number) => void): void => {
    for (let panel = 0; panel < panels; panel++) {
      for (let row = 0; row < m; row++) {
        for (const quarter of QUARTERS) visit(panel, row, quarter);
      }
    }
  };
  const zero = builder.constant(f32x4.constant(0));
  each((...place) => builder.emit(v128.store(sumAt(frame, spec, ...place), zero)));
  const panel = builder.local(first);
  const x = builder.local(args[0]);
  const moving = (steps: number) => [
    { pointer: panel, bytes: steps * PANEL_BYTES },
    { pointer: x, bytes: steps * LANE_BYTES },
  ];
  const turn = (count: number): void => {
    for (const panels of panelTiles) {
      for (const rows of rowTiles) tile(frame, spec, count, { panel, x, panels, rows });
    }
  };
  builder.stream(Math.floor(k / columns), moving(columns), 1, () => turn(columns));
  if (k % columns > 0) turn(k % columns);
  each((panel, row, quarter) => {
    const place = row * n * LANE_BYTES + panel * PANEL_BYTES + quarter * VECTOR_BYTES;
    builder.emit(v128.store(at(out, place), v128.load(sumAt(frame, spec, panel, row, quarter))));
  });
}

/** Generates the kernel of a product of few rows with f32 weights for joined vectors. */
export function turnsMatmulKernel(spec: PackedMatmulSpec, features: Features): Kernel {
  const { m, n, k } = spec;
  const turns = turnsOf(spec);
  const { panels } = turns;
  const units = n / (panels * PANEL_ROWS);
  const axes = [{ size: units, steps: [panels * k * PANEL_BYTES, panels * PANEL_BYTES] }];
  const shape = {
    args: 3,
    units,
    unitCost: panels * (m + 1) * Math.max(1, k) * PANEL_ROWS / LANES,
    scratchBytes: panels * m * PANEL_BYTES,
  };
  return assembleKernel(features, shape, (frame) => {
    const { builder, args, lo, hi } = frame;
    const first = builder.local(args[1]);
    const out = builder.local(args[2]);
    const walk = startWalk(builder, axes, [first, out], lo);
    builder.loopWhile(i32.ltU(lo, hi), () => {
      unit(frame, spec, turns, first, out);
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
