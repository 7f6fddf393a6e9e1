/**
 * Shapes: lists of sizes, outermost first, and the arithmetic on them.
 *
 * @module
 */
import { OutriderError } from "./errors.ts";

/** Sizes of the axes, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/**
 * The number of elements.
 *
 * @example
 * ```ts
 * import { sizeOf } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([sizeOf([2, 3]), sizeOf([])], [6, 1]);
 * ```
 */
export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Row-major element strides of a contiguous array.
 *
 * @example
 * ```ts
 * import { contiguousStrides } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(contiguousStrides([2, 3, 4]), [12, 4, 1]);
 * ```
 */
export function contiguousStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  }
  return strides;
}

/** True where both shapes have the same sizes. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** The text form used in messages and printed graphs: `[2, 3]`. */
export function shapeText(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/**
 * The shape that both operands broadcast to: axes align at the end, a size of 1 repeats.
 *
 * @throws OutriderError where two sizes differ and neither is 1
 * @example
 * ```ts
 * import { broadcastShape } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(broadcastShape([2, 1], [3]), [2, 3]);
 * ```
 */
export function broadcastShape(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - (rank - a.length)] ?? 1;
    const right = b[axis - (rank - b.length)] ?? 1;
    if (left !== right && left !== 1 && right !== 1) {
      throw new OutriderError(
        "shapes that broadcast (equal sizes, or 1)",
        `${shapeText(a)} with ${shapeText(b)}`,
        "reshape one of the operands",
      );
    }
    return left === 1 ? right : left;
  });
}

/**
 * An axis counted from the end (-1 is the last) as one counted from the front.
 *
 * @example
 * ```ts
 * import { axisOf } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(axisOf([2, 3], -1), 1);
 * ```
 */
export function axisOf(shape: Shape, axis: number): number {
  const found = axis < 0 ? axis + shape.length : axis;
  if (!Number.isInteger(found) || found < 0 || found >= shape.length) {
    throw new OutriderError(
      `an axis of a shape with ${shape.length} axes`,
      `axis ${axis} for ${shapeText(shape)}`,
      "count axes from 0, or from -1 backwards",
    );
  }
  return found;
}
