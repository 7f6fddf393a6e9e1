/**
 * The value of reductions and products. Sums are gathered in doubles and rounded once.
 *
 * @module
 */
import { contiguousStrides, type Shape, sizeOf } from "../../core/shape.ts";
import { contiguous, copyWalk } from "./evaluate_movement.ts";
import type { NumberArray, Value } from "./value.ts";

/** Combines elements from..to-1 of an array to one number. */
type Combine = (x: Value, from: number, to: number) => number;

function sumOf(x: Value, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total += x[i];
  return total;
}

function wrappedSumOf(x: Value, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total = (total + x[i]) | 0;
  return total;
}

function maxOf(x: Value, from: number, to: number): number {
  let largest = -Infinity;
  for (let i = from; i < to; i++) largest = Math.max(largest, x[i]);
  return largest;
}

function argmaxOf(x: Value, from: number, to: number): number {
  let best = from;
  for (let i = from + 1; i < to; i++) if (x[i] > x[best]) best = i;
  return best - from;
}

/** Copies x with the reduced axes last, so that each result combines neighbours. */
function gatherReduced(
  x: Value,
  shape: Shape,
  axes: readonly number[],
  scratch: NumberArray,
): NumberArray {
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const order = [...kept, ...axes.toSorted((a, b) => a - b)];
  const strides = contiguousStrides(shape);
  const moved = order.map((axis) => shape[axis]);
  const source = { strides: order.map((axis) => strides[axis]), offset: 0 };
  copyWalk(moved, x, source, scratch, contiguous(moved));
  return scratch;
}

function reduce(
  combine: Combine,
  x: Value,
  shape: Shape,
  axes: readonly number[],
  out: NumberArray,
): NumberArray {
  const length = sizeOf(axes.map((axis) => shape[axis]));
  // Doubles hold every f32 and i32, so the copy itself never rounds.
  const rows = gatherReduced(x, shape, axes, new Float64Array(sizeOf(shape)));
  for (let o = 0; o < out.length; o++) out[o] = combine(rows, o * length, (o + 1) * length);
  return out;
}

/** The sum over axes; i32 wraps, and the empty sum is 0. */
export function evaluateSum(
  x: Value,
  shape: Shape,
  axes: readonly number[],
  out: NumberArray,
): NumberArray {
  return reduce(out instanceof Int32Array ? wrappedSumOf : sumOf, x, shape, axes, out);
}

/** The maximum over axes; the empty maximum is -Infinity, and NaN wins. */
export function evaluateMax(
  x: Value,
  shape: Shape,
  axes: readonly number[],
  out: NumberArray,
): NumberArray {
  return reduce(maxOf, x, shape, axes, out);
}

/** The index of the first largest element along an axis; 0 where the axis is empty. */
export function evaluateArgmax(
  x: Value,
  shape: Shape,
  axis: number,
  out: NumberArray,
): NumberArray {
  return reduce(argmaxOf, x, shape, [axis], out);
}

/** out[b, i, j] = sum over p of a[b, i, p] * b[b, p, j]. */
export function evaluateMatmul(
  a: Value,
  aShape: Shape,
  b: Value,
  bShape: Shape,
  out: NumberArray,
): NumberArray {
  const [m, k] = aShape.slice(-2);
  const n = bShape[bShape.length - 1];
  const batch = sizeOf(aShape.slice(0, -2));
  const sums = new Float64Array(n);
  for (let row = 0; row < batch * m; row++) {
    sums.fill(0);
    const right = Math.floor(row / m) * k * n;
    for (let p = 0; p < k; p++) {
      const factor = a[row * k + p];
      for (let j = 0; j < n; j++) sums[j] += factor * b[right + p * n + j];
    }
    out.set(sums, row * n);
  }
  return out;
}
