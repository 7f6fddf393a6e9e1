/**
 * Functions that move elements without computing: most become views and cost nothing.
 *
 * @module
 */
import type { HostArray } from "./dtype.ts";
import { node, source } from "./infer.ts";
import { axisOf, sameShape, type Shape, sizeOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/**
 * A graph input; `label` names it in prints and messages.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(input([2, 3], "i32", "tokens").shape, [2, 3]);
 * ```
 */
export function input(shape: Shape, type: Tensor["type"] = "f32", label = "input"): Tensor {
  return source({ name: "input", attributes: { label } }, shape, type);
}

/**
 * A constant array: f32 from a Float32Array, i32 from an Int32Array. The data is copied.
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const { shape, type } = constant(Int32Array.of(1, 2));
 * assertEquals([shape, type], [[2], "i32"]);
 * ```
 */
export function constant(data: HostArray, shape: Shape = [data.length]): Tensor {
  const type = data instanceof Float32Array ? "f32" : "i32";
  return source({ name: "data", attributes: { data: data.slice() } }, shape, type);
}

/**
 * The i32 coordinate of every element along an axis.
 *
 * @example
 * ```ts
 * import { iota } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(evaluateGraph([iota([2, 2], 1)], new Map()), [Int32Array.of(0, 1, 0, 1)]);
 * ```
 */
export function iota(shape: Shape, axis: number): Tensor {
  return source({ name: "iota", attributes: { axis: axisOf(shape, axis) } }, shape, "i32");
}

/**
 * The same elements in row-major order; one size may be -1 and is then worked out.
 *
 * @example
 * ```ts
 * import { input, reshape } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(reshape(input([2, 6]), [3, -1]).shape, [3, 4]);
 * ```
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = sizeOf(shape.filter((size) => size !== -1));
  const full = shape.map((size) => size === -1 ? sizeOf(x.shape) / known : size);
  return sameShape(full, x.shape) ? x : node({ name: "reshape", attributes: { shape: full } }, [x]);
}

/**
 * Axis i of the result is axis `order[i]` of x.
 *
 * @example
 * ```ts
 * import { input, permute } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(permute(input([2, 3, 4]), [2, 0, 1]).shape, [4, 2, 3]);
 * ```
 */
export function permute(x: Tensor, order: readonly number[]): Tensor {
  const unchanged = order.length === x.shape.length && order.every((axis, i) => axis === i);
  return unchanged ? x : node({ name: "permute", attributes: { order: [...order] } }, [x]);
}

/** x with its last two axes exchanged. */
export function transpose(x: Tensor): Tensor {
  const rank = x.shape.length;
  const order = Array.from({ length: rank }, (_, axis) => axis);
  order.splice(rank - 2, 2, rank - 1, rank - 2);
  return permute(x, order);
}

/**
 * x repeated to a shape: axes align at the end, sizes of 1 repeat.
 *
 * @example
 * ```ts
 * import { broadcastTo, constant } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const row = constant(Float32Array.of(1, 2));
 * assertEquals(evaluateGraph([broadcastTo(row, [2, 2])], new Map()), [Float32Array.of(1, 2, 1, 2)]);
 * ```
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const ones = new Array<number>(Math.max(0, shape.length - x.shape.length)).fill(1);
  const aligned = reshape(x, [...ones, ...x.shape]);
  if (sameShape(aligned.shape, shape)) return aligned;
  return node({ name: "broadcast", attributes: { shape: [...shape] } }, [aligned]);
}

/**
 * The box of x that begins at `start` and has the given sizes.
 *
 * @example
 * ```ts
 * import { input, slice } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(slice(input([4, 4]), [1, 2], [3, 2]).shape, [3, 2]);
 * ```
 */
export function slice(x: Tensor, start: readonly number[], sizes: Shape): Tensor {
  if (sameShape(sizes, x.shape) && sameShape(start, sizes.map(() => 0))) return x;
  return node({ name: "slice", attributes: { start: [...start], sizes: [...sizes] } }, [x]);
}

/**
 * `size` elements of one axis, from `start` on.
 *
 * @example
 * ```ts
 * import { constant, sliceAxis } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(1, 2, 3));
 * assertEquals(evaluateGraph([sliceAxis(x, -1, 1, 2)], new Map()), [Float32Array.of(2, 3)]);
 * ```
 */
export function sliceAxis(x: Tensor, axis: number, start: number, size: number): Tensor {
  const at = axisOf(x.shape, axis);
  const starts = x.shape.map((_, i) => i === at ? start : 0);
  return slice(x, starts, x.shape.map((full, i) => i === at ? size : full));
}

/**
 * x between zeros: `before[axis]` and `after[axis]` of them.
 *
 * @example
 * ```ts
 * import { constant, pad } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(1));
 * assertEquals(evaluateGraph([pad(x, [1], [2])], new Map()), [Float32Array.of(0, 1, 0, 0)]);
 * ```
 */
export function pad(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  const none = x.shape.map(() => 0);
  if (sameShape(before, none) && sameShape(after, none)) return x;
  return node({ name: "pad", attributes: { before: [...before], after: [...after] } }, [x]);
}

/**
 * Tensors one after another along an axis.
 *
 * @example
 * ```ts
 * import { concat, constant } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = [constant(Float32Array.of(1)), constant(Float32Array.of(2, 3))];
 * assertEquals(evaluateGraph([concat([a, b], 0)], new Map()), [Float32Array.of(1, 2, 3)]);
 * ```
 */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  if (parts.length === 1) return parts[0];
  return node({ name: "concat", attributes: { axis: axisOf(parts[0]?.shape ?? [], axis) } }, parts);
}

/** x under a fresh name: equal in value, but a node of its own to differentiate with respect to. */
export function identity(x: Tensor): Tensor {
  return node({ name: "identity", attributes: {} }, [x]);
}
