/**
 * Reductions, products and table lookups on tensors.
 *
 * @module
 */
import { add, div, exp, log, mul, stopGradient, sub } from "./elementwise_ops.ts";
import { node } from "./infer.ts";
import { reshape, transpose } from "./movement_ops.ts";
import { axisOf, type Shape } from "./shape.ts";
import type { AttentionAttributes, Tensor } from "./tensor.ts";

function axesOf(shape: Shape, axes: readonly number[] | undefined): number[] {
  return axes === undefined
    ? shape.map((_, axis) => axis)
    : axes.map((axis) => axisOf(shape, axis));
}

function without(shape: Shape, axes: readonly number[]): number[] {
  return shape.filter((_, axis) => !axes.includes(axis));
}

/**
 * The sum over the axes (all of them by default), which stay with size 1.
 *
 * @example
 * ```ts
 * import { constant, sumKeeping } from "@outrider/outrider/core";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
 * assertEquals(sumKeeping(x, [0]).shape, [1, 2]);
 * ```
 */
export function sumKeeping(x: Tensor, axes?: readonly number[]): Tensor {
  const over = axesOf(x.shape, axes);
  return over.length === 0 ? x : node({ name: "sum", attributes: { axes: over } }, [x]);
}

/**
 * The sum over the axes (all of them by default), which go.
 *
 * @example
 * ```ts
 * import { constant, sum } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
 * assertEquals(evaluateGraph([sum(x), sum(x, [1])], new Map()), [
 *   Float32Array.of(10),
 *   Float32Array.of(3, 7),
 * ]);
 * ```
 */
export function sum(x: Tensor, axes?: readonly number[]): Tensor {
  return reshape(sumKeeping(x, axes), without(x.shape, axesOf(x.shape, axes)));
}

/** The mean over the axes (all of them by default), which stay with size 1. */
export function meanKeeping(x: Tensor, axes?: readonly number[]): Tensor {
  const count = axesOf(x.shape, axes).reduce((product, axis) => product * x.shape[axis], 1);
  return mul(sumKeeping(x, axes), 1 / count);
}

/**
 * The mean over the axes (all of them by default), which go.
 *
 * @example
 * ```ts
 * import { constant, mean } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
 * assertEquals(evaluateGraph([mean(x, [0])], new Map()), [Float32Array.of(2, 3)]);
 * ```
 */
export function mean(x: Tensor, axes?: readonly number[]): Tensor {
  return reshape(meanKeeping(x, axes), without(x.shape, axesOf(x.shape, axes)));
}

/** The maximum over the axes, which stay with size 1; ties share the gradient equally. */
export function maxKeeping(x: Tensor, axes?: readonly number[]): Tensor {
  const over = axesOf(x.shape, axes);
  return over.length === 0 ? x : node({ name: "reduceMax", attributes: { axes: over } }, [x]);
}

/**
 * The i32 index of the first largest value along an axis, which goes.
 *
 * @example
 * ```ts
 * import { argmax, constant } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
 * assertEquals(evaluateGraph([argmax(x)], new Map()), [Int32Array.of(1, 1)]);
 * ```
 */
export function argmax(x: Tensor, axis = -1): Tensor {
  const at = axisOf(x.shape, axis);
  return reshape(node({ name: "argmax", attributes: { axis: at } }, [x]), without(x.shape, [at]));
}

/** log(sum(e^x)) over the last axis, which stays with size 1. */
export function logSumExp(x: Tensor): Tensor {
  const peak = stopGradient(maxKeeping(x, [-1]));
  return add(log(sumKeeping(exp(sub(x, peak)), [-1])), peak);
}

/**
 * The softmax over the last axis.
 *
 * @example
 * ```ts
 * import { constant, softmax } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(7, 7));
 * assertEquals(evaluateGraph([softmax(x)], new Map()), [Float32Array.of(0.5, 0.5)]);
 * ```
 */
export function softmax(x: Tensor): Tensor {
  const grown = exp(sub(x, stopGradient(maxKeeping(x, [-1]))));
  return div(grown, sumKeeping(grown, [-1]));
}

/** The logarithm of the softmax over the last axis. */
export function logSoftmax(x: Tensor): Tensor {
  return sub(x, logSumExp(x));
}

/**
 * [..., m, k] times [..., k, n]; leading axes are equal.
 *
 * @example
 * ```ts
 * import { constant, matmul } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
 * const y = constant(Float32Array.of(1, 10), [2, 1]);
 * assertEquals(evaluateGraph([matmul(x, y)], new Map()), [Float32Array.of(21, 43)]);
 * ```
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  return node({ name: "matmul", attributes: {} }, [a, b]);
}

/**
 * x [rows, in] through a weight matrix [out, in] (packed or not): x times its transpose.
 *
 * @example
 * ```ts
 * import { constant, linear } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
 * const weight = constant(Float32Array.of(1, 10), [1, 2]);
 * assertEquals(evaluateGraph([linear(x, weight)], new Map()), [Float32Array.of(21, 43)]);
 * ```
 */
export function linear(x: Tensor, weight: Tensor): Tensor {
  return matmul(x, transpose(dense(weight)));
}

/** The f32 matrix that a weight stands for: itself, or a packed matrix dequantised. */
export function dense(weight: Tensor): Tensor {
  return weight.type === "f32" ? weight : node({ name: "dequantize", attributes: {} }, [weight]);
}

/**
 * Rows of a table [n, width] by i32 index [rows]; zeros where an index is outside.
 *
 * @example
 * ```ts
 * import { constant, gather } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const table = constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
 * const indices = constant(Int32Array.of(1, 9));
 * assertEquals(evaluateGraph([gather(table, indices)], new Map()), [Float32Array.of(3, 4, 0, 0)]);
 * ```
 */
export function gather(table: Tensor, indices: Tensor): Tensor {
  return node({ name: "gather", attributes: {} }, [table, indices]);
}

/**
 * The table with updates [rows, width] added to the rows at `indices`; outside ones are dropped.
 *
 * @example
 * ```ts
 * import { constant, full, scatterAdd } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const updates = constant(Float32Array.of(1, 2), [2, 1]);
 * const sums = scatterAdd(full([2, 1], 0), constant(Int32Array.of(1, 1)), updates);
 * assertEquals(evaluateGraph([sums], new Map()), [Float32Array.of(0, 3)]);
 * ```
 */
export function scatterAdd(table: Tensor, indices: Tensor, updates: Tensor): Tensor {
  return node({ name: "scatter", attributes: { mode: "add" } }, [table, indices, updates]);
}

/**
 * The table with the rows at `indices` replaced; outside ones are dropped. The gradient supposes
 * that no index occurs twice.
 *
 * @example
 * ```ts
 * import { constant, full, scatterSet } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const updates = constant(Float32Array.of(7), [1, 1]);
 * const set = scatterSet(full([2, 1], 0), constant(Int32Array.of(1)), updates);
 * assertEquals(evaluateGraph([set], new Map()), [Float32Array.of(0, 7)]);
 * ```
 */
export function scatterSet(table: Tensor, indices: Tensor, updates: Tensor): Tensor {
  return node({ name: "scatter", attributes: { mode: "set" } }, [table, indices, updates]);
}

/** Operands of {@link attention}. */
export interface AttentionOperands {
  /** [rows, heads, headWidth] */
  readonly query: Tensor;
  /** [slots, keyValueHeads, headWidth], or its `toHalves`, i32 [slots, keyValueHeads, headWidth / 2] */
  readonly key: Tensor;
  /** Like `key`. */
  readonly value: Tensor;
  /** i32 [rows]: the first visible slot of each row. */
  readonly start: Tensor;
  /** i32 [rows]: the slot after the last visible one. */
  readonly end: Tensor;
  /** i32 [rows, n]: further visible slots after the window, -1 where there is none (trees). */
  readonly extra?: Tensor;
}

/**
 * Softmax attention of rows over the slots that each row sees. Keys and values in halves, whose
 * heads are a multiple of 8 wide, have no gradients; what is infinite in them counts as 65536.
 *
 * @param attributes the factor on the scores; headWidth^-0.5 by default
 * @returns [rows, heads, headWidth], zeros for a row that sees nothing
 * @example
 * ```ts
 * import { attention, constant, full } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const query = full([1, 1, 1], 0); // one row, one head, all slots alike
 * const value = constant(Float32Array.of(2, 4, 99), [3, 1, 1]);
 * const [start, end] = [constant(Int32Array.of(0)), constant(Int32Array.of(2))];
 * const mixed = attention({ query, key: full([3, 1, 1], 0), value, start, end });
 * assertEquals(evaluateGraph([mixed], new Map()), [Float32Array.of(3)]);
 * ```
 */
export function attention(operands: AttentionOperands, attributes?: AttentionAttributes): Tensor {
  const { query, key, value, start, end, extra } = operands;
  const scale = attributes?.scale ?? query.shape[2] ** -0.5;
  const inputs = [query, key, value, start, end, ...(extra === undefined ? [] : [extra])];
  return node({ name: "attention", attributes: { scale } }, inputs);
}

/**
 * Sums a tensor that was broadcast back to the shape that it came from.
 *
 * @example
 * ```ts
 * import { full, sumTo } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(evaluateGraph([sumTo(full([3, 2], 1), [2])], new Map()), [Float32Array.of(3, 3)]);
 * ```
 */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const ones = x.shape.length - shape.length;
  const axes = x.shape.flatMap((size, axis) =>
    axis < ones || (shape[axis - ones] === 1 && size !== 1) ? [axis] : []
  );
  return reshape(sumKeeping(x, axes), shape);
}
