/**
 * packedMatmul of few rows with f32 weights: out[m, n] = sum over k of x[m, k] w[n, k].
 *
 * Time is the time to read the weights, and memory gives more from two places than from one, so a
 * unit is a pair of neighbouring panels that are read in turns. Every sum is one chain over k, as in
 * all other tiles, and has their bits.
 *
 * @module
 */
import { PANEL_ROWS } from "../../src/core/packed.ts";
import type { PackedMatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i32, v128 } from "./assembler_ops.ts";
import {
  assembleKernel,
  type Features,
  type Kernel,
  type KernelFrame,
  multiplyAdd,
} from "./kernel.ts";
import { LANE_BYTES, LANES, splatLane, VECTOR_BYTES } from "./lanes.ts";
import { PANEL_BYTES } from "./matmul_tile.ts";
import { startWalk } from "./walk.ts";

/** Panels that are read in turns. */
const PAIR = 2;
/** Vectors of each panel that one pass takes, by the number of rows: their sums stay in registers. */
const VECTORS: { readonly [rows: number]: number } = { 1: 4, 2: 2, 3: 2, 4: 1 };

/** Whether a product is one of this kind. */
export function isStreamed({ weights, m, n }: PackedMatmulSpec): boolean {
  return weights === "packed_f32" && m in VECTORS && n % (PAIR * PANEL_ROWS) === 0;
}

/** One pass over both panels: some vectors of each, all rows, all of k. */
function pairPass(
  { builder, features, args }: KernelFrame,
  { m, n, k }: PackedMatmulSpec,
  panels: readonly Local<"i32">[],
  out: Local<"i32">,
  vectors: readonly number[],
): void {
  const x = builder.local(args[0]);
  const places = panels.flatMap((panel, index) =>
    vectors.map((vector) => ({ panel, vector, out: index * PANEL_BYTES + vector * VECTOR_BYTES }))
  );
  const rows = Array.from({ length: m }, (_, row) => row);
  const zero = builder.constant(f32x4.constant(0));
  const sums = rows.map(() => places.map(() => builder.local(zero)));
  const step = (column: number, factorOf: (row: number) => Expression<"v128">): void => {
    const weights = places.map(({ panel, vector }) =>
      builder.local(v128.load(at(panel, column * PANEL_BYTES + vector * VECTOR_BYTES)))
    );
    sums.forEach((ofRow, row) => {
      const factor = builder.local(factorOf(row));
      ofRow.forEach((sum, i) =>
        builder.assign(sum, multiplyAdd(features, factor, weights[i], sum))
      );
    });
  };
  const moving = (steps: number) => [
    ...panels.map((pointer) => ({ pointer, bytes: steps * PANEL_BYTES })),
    { pointer: x, bytes: steps * LANE_BYTES },
  ];
  builder.stream(Math.floor(k / LANES), moving(LANES), 1, () => {
    const four = rows.map((row) => builder.local(v128.load(at(x, row * k * LANE_BYTES))));
    for (let column = 0; column < LANES; column++) {
      step(column, (row) => splatLane(four[row], column));
    }
  });
  builder.stream(k % LANES, moving(1), 1, () => {
    step(0, (row) => v128.load32Splat(at(x, row * k * LANE_BYTES)));
  });
  sums.forEach((ofRow, row) =>
    ofRow.forEach((sum, i) =>
      builder.emit(v128.store(at(out, row * n * LANE_BYTES + places[i].out), sum))
    )
  );
}

/** Generates the kernel of a product of few rows with f32 weights. */
export function streamedMatmulKernel(spec: PackedMatmulSpec, features: Features): Kernel {
  const { m, n, k } = spec;
  const pairs = n / (PAIR * PANEL_ROWS);
  const panelBytes = k * PANEL_BYTES;
  const axes = [{ size: pairs, steps: [PAIR * panelBytes, PAIR * PANEL_BYTES] }];
  const unitCost = PAIR * (m + 1) * Math.max(1, k) * PANEL_ROWS / LANES;
  const shape = { args: 3, units: pairs, unitCost, scratchBytes: 0 };
  const all = Array.from({ length: PANEL_ROWS / LANES }, (_, vector) => vector);
  return assembleKernel(features, shape, (frame) => {
    const { builder, args, lo, hi } = frame;
    const pair = builder.local(args[1]);
    const out = builder.local(args[2]);
    const walk = startWalk(builder, axes, [pair, out], lo);
    builder.loopWhile(i32.ltU(lo, hi), () => {
      for (let first = 0; first < all.length; first += VECTORS[m]) {
        const panels = Array.from(
          { length: PAIR },
          (_, index) => builder.local(i32.add(pair, i32.constant(index * panelBytes))),
        );
        pairPass(frame, spec, panels, out, all.slice(first, first + VECTORS[m]));
      }
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
