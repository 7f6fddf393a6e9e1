/**
 * The value of operations that only move elements: all of them are one copy between two walks.
 *
 * @module
 */
import { contiguousStrides, type Shape, sizeOf } from "../../core/shape.ts";
import type { NumberArray, Value } from "./value.ts";

/** How to walk an array: element strides over a shape, and the first element. */
export interface Walk {
  readonly strides: readonly number[];
  readonly offset: number;
}

/** The walk of a contiguous array. */
export function contiguous(shape: Shape): Walk {
  return { strides: contiguousStrides(shape), offset: 0 };
}

/** to[walk i] = from[walk i] for every index i of the shape, in row-major order. */
export function copyWalk(
  shape: Shape,
  from: Value,
  source: Walk,
  to: NumberArray,
  target: Walk,
): void {
  if (sizeOf(shape) === 0) return;
  const last = shape.length - 1;
  const copyAxis = (axis: number, read: number, write: number): void => {
    if (axis > last) {
      to[write] = from[read];
      return;
    }
    const [readStep, writeStep] = [source.strides[axis], target.strides[axis]];
    for (let i = 0; i < shape[axis]; i++) {
      if (axis === last) to[write] = from[read];
      else copyAxis(axis + 1, read, write);
      read += readStep;
      write += writeStep;
    }
  };
  copyAxis(0, source.offset, target.offset);
}

/** The element at which a box begins. */
function offsetOf(start: readonly number[], strides: readonly number[]): number {
  return start.reduce((sum, position, axis) => sum + position * strides[axis], 0);
}

/** out[i] = the coordinate of element i along the axis. */
export function evaluateIota(shape: Shape, axis: number, out: NumberArray): NumberArray {
  const stride = contiguousStrides(shape)[axis];
  for (let i = 0; i < out.length; i++) out[i] = Math.floor(i / stride) % shape[axis];
  return out;
}

/** Axis i of the result is axis order[i] of x. */
export function evaluatePermute(
  x: Value,
  from: Shape,
  order: readonly number[],
  out: NumberArray,
): NumberArray {
  const strides = contiguousStrides(from);
  const shape = order.map((axis) => from[axis]);
  const source = { strides: order.map((axis) => strides[axis]), offset: 0 };
  copyWalk(shape, x, source, out, contiguous(shape));
  return out;
}

/** Axes of size 1 repeated: a walk that stands still along them. */
export function evaluateBroadcast(
  x: Value,
  from: Shape,
  shape: Shape,
  out: NumberArray,
): NumberArray {
  const strides = contiguousStrides(from).map((stride, axis) => from[axis] === 1 ? 0 : stride);
  copyWalk(shape, x, { strides, offset: 0 }, out, contiguous(shape));
  return out;
}

/** The box that begins at `start`. */
export function evaluateSlice(
  x: Value,
  from: Shape,
  start: readonly number[],
  sizes: Shape,
  out: NumberArray,
): NumberArray {
  const strides = contiguousStrides(from);
  copyWalk(sizes, x, { strides, offset: offsetOf(start, strides) }, out, contiguous(sizes));
  return out;
}

/** x inside a larger array of zeros, its first element at index `before`. */
export function evaluatePad(
  x: Value,
  from: Shape,
  before: readonly number[],
  into: Shape,
  out: NumberArray,
): NumberArray {
  const strides = contiguousStrides(into);
  copyWalk(from, x, contiguous(from), out, { strides, offset: offsetOf(before, strides) });
  return out;
}

/** Arrays one after another along an axis. */
export function evaluateConcat(
  parts: readonly { readonly value: Value; readonly shape: Shape }[],
  axis: number,
  into: Shape,
  out: NumberArray,
): NumberArray {
  const strides = contiguousStrides(into);
  let at = 0;
  for (const { value, shape } of parts) {
    copyWalk(shape, value, contiguous(shape), out, { strides, offset: at * strides[axis] });
    at += shape[axis];
  }
  return out;
}
