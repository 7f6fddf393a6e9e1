/**
 * quantize: rows of f32 values to 14-bit integers in blocks of 32, for products in integers.
 *
 * With a the largest magnitude of a block: scale = a / 8191, u = 8192 + round(value 8191 / a),
 * high digit u >> 7, low digit u & 127 (see `src/core/quantized_rows.ts`). A unit is one block.
 *
 * @module
 */
import { BLOCK_COLUMNS } from "../../src/core/packed.ts";
import { LARGEST_LEVEL, LEVEL_OFFSET, quantizedRowBytes } from "../../src/core/quantized_rows.ts";
import type { QuantizeSpec } from "../../src/plan/kernel_spec.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { at, f32x4, i16x8, i32, i32x4, i8x16, v128 } from "./assembler_ops.ts";
import { assembleKernel, type Features, type Kernel } from "./kernel.ts";
import { combineLanes, LANE_BYTES, VECTOR_BYTES } from "./lanes.ts";
import { startWalk } from "./walk.ts";

type V128 = Expression<"v128">;

const VECTORS = BLOCK_COLUMNS * LANE_BYTES / VECTOR_BYTES;

/** Sixteen 32-bit lanes as sixteen bytes. */
function bytesOf(lanes: readonly V128[]): V128 {
  const [a, b, c, d] = lanes;
  return i8x16.narrowU(i16x8.narrowS(a, b), i16x8.narrowS(c, d));
}

/** Pointers of one block. */
interface BlockPointers {
  readonly x: Local<"i32">;
  readonly digits: Local<"i32">;
  readonly scale: Local<"i32">;
}

function quantizeBlock(builder: FunctionBuilder, k: number, pointers: BlockPointers): void {
  const { x, digits, scale } = pointers;
  const every = (value: number): V128 => builder.constant(f32x4.constant(value));
  const values = Array.from(
    { length: VECTORS },
    (_, i) => builder.local(v128.load(at(x, i * VECTOR_BYTES))),
  );
  const magnitudes = values.map((value): V128 => f32x4.abs(value));
  const most = magnitudes.reduce((a, b) => f32x4.max(a, b));
  const largest = builder.local(combineLanes(builder, most, f32x4.max));
  const step = builder.local(f32x4.mul(largest, every(Math.fround(1 / LARGEST_LEVEL))));
  const isPositive = f32x4.gt(largest, every(0));
  const factor = builder.local(v128.and(f32x4.div(every(LARGEST_LEVEL), largest), isPositive));
  const levels = values.map((value) =>
    builder.local(i32x4.truncate(f32x4.nearest(f32x4.mul(value, factor))))
  );
  const zero = builder.constant(i32x4.constant(0, 0, 0, 0));
  const offset = builder.constant(
    i32x4.constant(LEVEL_OFFSET, LEVEL_OFFSET, LEVEL_OFFSET, LEVEL_OFFSET),
  );
  const mask = builder.constant(i32x4.constant(127, 127, 127, 127));
  const shifted = levels.map((level) => builder.local(i32x4.add(level, offset)));
  for (const half of [0, 1]) {
    const lanes = shifted.slice(half * 4, half * 4 + 4);
    const high = bytesOf(lanes.map((lane) => i32x4.shrU(lane, 7)));
    const low = bytesOf(lanes.map((lane) => v128.and(lane, mask)));
    builder.emit(v128.store(at(digits, half * VECTOR_BYTES), high));
    builder.emit(v128.store(at(digits, k + half * VECTOR_BYTES), low));
  }
  const sum = combineLanes(
    builder,
    levels.reduce<V128>((a, b) => i32x4.add(a, b), zero),
    i32x4.add,
  );
  builder.emit(v128.store32Lane(at(scale), 0, step));
  const scaled = builder.local(f32x4.mul(f32x4.convertI32(sum), step));
  builder.emit(v128.store32Lane(at(scale, k / BLOCK_COLUMNS * LANE_BYTES), 0, scaled));
}

/** Generates the kernel that quantises rows. */
export function quantizeKernel(spec: QuantizeSpec, features: Features): Kernel {
  const { m, k } = spec;
  const blocks = k / BLOCK_COLUMNS;
  const rowBytes = quantizedRowBytes(k);
  const axes = [
    { size: m, steps: [k * LANE_BYTES, rowBytes, rowBytes] },
    { size: blocks, steps: [BLOCK_COLUMNS * LANE_BYTES, BLOCK_COLUMNS, LANE_BYTES] },
  ];
  const shape = { args: 2, units: m * blocks, unitCost: 12 * VECTORS, scratchBytes: 0 };
  return assembleKernel(features, shape, ({ builder, args, lo, hi }) => {
    const x = builder.local(args[0]);
    const digits = builder.local(args[1]);
    const scale = builder.local(i32.add(args[1], i32.constant(2 * k)));
    const walk = startWalk(builder, axes, [x, digits, scale], lo);
    builder.loopWhile(i32.ltU(lo, hi), () => {
      quantizeBlock(builder, k, { x, digits, scale });
      walk.next();
      builder.advance(lo, 1);
    });
  });
}
