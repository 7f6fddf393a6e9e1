/**
 * packedMatmul with integer weights: out[m, n] = sum over blocks of
 * (scale_w scale_x) (128 sum(w high) + sum(w low) - 8192 sum(w)) + minimum_w sum_x,
 * the sums over the 32 columns of a block in integers, where x = scale_x (128 high + low - 8192).
 *
 * A unit is one panel. The order of a chain is the order of the blocks, whatever the number of rows.
 *
 * @module
 */
import type { IntegerType } from "../../src/core/dtype.ts";
import { BLOCK_COLUMNS, GROUP_COLUMNS, PACKED_LAYOUT, PANEL_ROWS } from "../../src/core/packed.ts";
import { quantizedRowBytes } from "../../src/core/quantized_rows.ts";
import type { PackedMatmulSpec } from "../../src/plan/kernel_spec.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i16x8, i32, i32x4, v128 } from "./assembler_ops.ts";
import { eachLevelGroup } from "./integer_levels.ts";
import {
  assembleKernel,
  type Features,
  type Kernel,
  type KernelFrame,
  multiplyAdd,
} from "./kernel.ts";
import { LANE_BYTES, LANES, VECTOR_BYTES } from "./lanes.ts";
import { copyEdge, PANEL_BYTES } from "./matmul_tile.ts";
import { startWalk } from "./walk.ts";

type V128 = Expression<"v128">;

/** Rows that share one pass over a panel: more would not keep their sums in registers. */
const TILE_ROWS = 4;
const QUARTERS = PANEL_ROWS / LANES;
/** Panels that a single row reads in turns: memory gives more from several places than from one. */
const STREAMS = 4;
/** Bits of a digit, and of the offset that makes activations positive. */
const DIGIT_BITS = 7;
const OFFSET_BITS = 13;

/** sum + four products of bytes per lane; `digits` are 0 .. 127. */
function dot(
  builder: FunctionBuilder,
  features: Features,
  levels: V128,
  digits: V128,
  sum: V128,
): V128 {
  if (features.relaxedMadd === "present") return i32x4.relaxedDot(levels, digits, sum);
  const pairs = (product: V128): V128 => builder.local(i32x4.addPairsS(product));
  const low = pairs(i16x8.multiplyLowS(levels, digits));
  const high = pairs(i16x8.multiplyHighS(levels, digits));
  const even = v128.shuffle32(low, high, [0, 2, 4, 6]);
  const odd = v128.shuffle32(low, high, [1, 3, 5, 7]);
  return i32x4.add(sum, i32x4.add(even, odd));
}

/** Pointers of one tile of rows on one panel. */
interface IntegerTile {
  readonly type: IntegerType;
  readonly k: number;
  readonly rows: number;
  /** Neighbouring panels that are read in turns. */
  readonly panels: number;
  readonly weights: Local<"i32">;
  /** At the first row's high digits, and at its scales. */
  readonly digits: Local<"i32">;
  readonly scales: Local<"i32">;
}

/** Bytes of one panel. */
function integerPanelBytes({ type, k }: Pick<IntegerTile, "type" | "k">): number {
  return k / BLOCK_COLUMNS * PACKED_LAYOUT[type].bytes;
}

/** The integer sums of one quarter of a panel's block, one per row of the tile. */
function blockSums(
  frame: KernelFrame,
  tile: IntegerTile,
  panel: number,
  quarter: number,
): V128[] {
  const { builder, features } = frame;
  const { k, digits } = tile;
  const rowBytes = quantizedRowBytes(k);
  const zero = builder.constant(i32x4.constant(0, 0, 0, 0));
  const ones = builder.constant(v128.constant(new Array<number>(16).fill(1)));
  const numbers = Array.from({ length: tile.rows }, (_, row) => row);
  const high = numbers.map(() => builder.local(zero));
  const low = numbers.map(() => builder.local(zero));
  const plain = builder.local(zero);
  const block = { pointer: tile.weights, offset: panel * integerPanelBytes(tile) };
  eachLevelGroup(builder, tile.type, block, quarter, (vector, group) => {
    const levels = builder.local(vector);
    builder.assign(plain, dot(builder, features, levels, ones, plain));
    for (const row of numbers) {
      const place = row * rowBytes + group * GROUP_COLUMNS;
      const first = v128.load32Splat(at(digits, place));
      const second = v128.load32Splat(at(digits, place + k));
      builder.assign(high[row], dot(builder, features, levels, first, high[row]));
      builder.assign(low[row], dot(builder, features, levels, second, low[row]));
    }
  });
  const shift = builder.local(i32x4.shl(plain, OFFSET_BITS));
  return numbers.map((row) =>
    i32x4.sub(i32x4.add(i32x4.shl(high[row], DIGIT_BITS), low[row]), shift)
  );
}

/** All blocks of one panel for a tile of rows; gives the f32 sums, row by row. */
function tileSums(frame: KernelFrame, tile: IntegerTile): Local<"v128">[][] {
  const { builder, features } = frame;
  const { k, rows, type, weights, digits, scales } = tile;
  const rowBytes = quantizedRowBytes(k);
  const blocks = k / BLOCK_COLUMNS;
  const zero = builder.constant(f32x4.constant(0));
  const sums = Array.from(
    { length: rows },
    () => Array.from({ length: tile.panels * QUARTERS }, () => builder.local(zero)),
  );
  builder.repeat(blocks, () => {
    for (let place = 0; place < tile.panels * QUARTERS; place++) {
      const panel = Math.floor(place / QUARTERS);
      const quarter = place % QUARTERS;
      const first = panel * integerPanelBytes(tile) + quarter * VECTOR_BYTES;
      const integers = blockSums(frame, tile, panel, quarter);
      const scale = builder.local(v128.load(at(weights, first)));
      integers.forEach((sum, row) => {
        const activation = v128.load32Splat(at(scales, row * rowBytes));
        const factor = f32x4.mul(scale, activation);
        const target = sums[row][place];
        builder.assign(target, multiplyAdd(features, f32x4.convertI32(sum), factor, target));
        if (type !== "integer_q4_1") return;
        const minimum = v128.load(at(weights, first + PANEL_BYTES));
        const total = v128.load32Splat(at(scales, row * rowBytes + blocks * LANE_BYTES));
        builder.assign(target, multiplyAdd(features, minimum, total, target));
      });
    }
    builder.advance(weights, PACKED_LAYOUT[type].bytes);
    builder.advance(digits, BLOCK_COLUMNS);
    builder.advance(scales, LANE_BYTES);
  });
  return sums;
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
  const sums = tileSums(frame, {
    type,
    k: spec.k,
    ...sizes,
    weights: builder.local(pointers.panel),
    digits: builder.local(pointers.x),
    scales: builder.local(i32.add(pointers.x, i32.constant(2 * spec.k))),
  });
  for (const row of sums) {
    row.forEach((sum, place) =>
      builder.emit(v128.store(at(pointers.out, place * VECTOR_BYTES), sum))
    );
    builder.advance(pointers.out, pointers.outRowBytes);
  }
  builder.advance(pointers.x, sizes.rows * quantizedRowBytes(spec.k));
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
