/**
 * Moving part of a vector: loads and stores of 1 to 4 lanes, strided lanes, sums across lanes.
 *
 * Tails go through these, so that the arithmetic on a tail is the arithmetic of every other element.
 *
 * @module
 */
import type { FunctionBuilder } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { type Address, at, f32x4, v128 } from "./assembler_ops.ts";

type V128 = Expression<"v128">;

/** Lanes of a vector, all of 32 bits. */
export const LANES = 4;
/** Bytes of a lane. */
export const LANE_BYTES = 4;
/** Bytes of a vector. */
export const VECTOR_BYTES = 16;

/** Loads `count` (1 to 4) consecutive elements; the other lanes are 0. */
export function loadLanes(address: Address, count: number): V128 {
  const { pointer, offset } = address;
  if (count === 4) return v128.load(address);
  if (count === 1) return v128.load32Zero(address);
  const two = v128.load64Zero(address);
  return count === 2 ? two : v128.load32Lane(at(pointer, offset + 8), 2, two);
}

/** Loads `count` (1 to 4) elements that lie `bytes` apart; the other lanes are 0. */
export function gatherLanes(address: Address, bytes: number, count: number): V128 {
  if (bytes === 0) return v128.load32Splat(address);
  if (bytes === LANE_BYTES) return loadLanes(address, count);
  const { pointer, offset } = address;
  let value = v128.load32Zero(address);
  for (let lane = 1; lane < count; lane++) {
    value = v128.load32Lane(at(pointer, offset + lane * bytes), lane, value);
  }
  return value;
}

/** Stores the first `count` (1 to 4) lanes of a local, `bytes` apart. */
export function scatterLanes(
  builder: FunctionBuilder,
  address: Address,
  bytes: number,
  count: number,
  value: V128,
): void {
  const { pointer, offset } = address;
  if (bytes === LANE_BYTES && count === 4) return builder.emit(v128.store(address, value));
  for (let lane = 0; lane < count; lane++) {
    builder.emit(v128.store32Lane(at(pointer, offset + lane * bytes), lane, value));
  }
}

/** One lane of a vector in all lanes. */
export function splatLane(value: V128, lane: number): V128 {
  return v128.shuffle32(value, value, [lane, lane, lane, lane]);
}

/** Swaps the halves of a vector. */
export function swapHalves(value: V128): V128 {
  return v128.shuffle32(value, value, [2, 3, 0, 1]);
}

/** Swaps neighbouring lanes. */
export function swapNeighbours(value: V128): V128 {
  return v128.shuffle32(value, value, [1, 0, 3, 2]);
}

/** Combines all lanes, (0 with 2) with (1 with 3), into every lane. */
export function combineLanes(
  builder: FunctionBuilder,
  value: V128,
  combine: (a: V128, b: V128) => V128,
): V128 {
  const all = builder.local(value);
  const pairs = builder.local(combine(all, swapHalves(all)));
  return combine(pairs, swapNeighbours(pairs));
}

/** Rows to columns: lane j of result i is lane i of vector j. */
export function transpose(
  builder: FunctionBuilder,
  [a, b, c, d]: readonly [V128, V128, V128, V128],
): [V128, V128, V128, V128] {
  const low = builder.local(v128.shuffle32(a, b, [0, 4, 1, 5]));
  const high = builder.local(v128.shuffle32(a, b, [2, 6, 3, 7]));
  const low2 = builder.local(v128.shuffle32(c, d, [0, 4, 1, 5]));
  const high2 = builder.local(v128.shuffle32(c, d, [2, 6, 3, 7]));
  return [
    v128.shuffle32(low, low2, [0, 1, 4, 5]),
    v128.shuffle32(low, low2, [2, 3, 6, 7]),
    v128.shuffle32(high, high2, [0, 1, 4, 5]),
    v128.shuffle32(high, high2, [2, 3, 6, 7]),
  ];
}

/** For four vectors, the sum over the lanes of each: lane i is (0 + 2) + (1 + 3) of vector i. */
export function sumLanesOfFour(
  builder: FunctionBuilder,
  [a, b, c, d]: readonly [V128, V128, V128, V128],
): V128 {
  const halves = (x: V128, y: V128): V128 =>
    builder.local(
      f32x4.add(v128.shuffle32(x, y, [0, 1, 4, 5]), v128.shuffle32(x, y, [2, 3, 6, 7])),
    );
  const low = halves(a, b);
  const high = halves(c, d);
  return f32x4.add(
    v128.shuffle32(low, high, [0, 2, 4, 6]),
    v128.shuffle32(low, high, [1, 3, 5, 7]),
  );
}
