/**
 * Elementwise functions on tensors. Operands broadcast; a number stands for a full tensor.
 *
 * @example
 * ```ts
 * import { abs, add, constant, less, mul, neg, sqrt } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const column = constant(Float32Array.of(1, 4), [2, 1]);
 * const row = constant(Float32Array.of(-10, 20));
 * const values = evaluateGraph([add(column, row), mul(sqrt(column), 3), less(row, 0)], new Map());
 * assertEquals(values, [
 *   Float32Array.of(-9, 21, -6, 24),
 *   Float32Array.of(3, 6),
 *   Int32Array.of(1, 0),
 * ]);
 * assertEquals(evaluateGraph([abs(neg(row))], new Map()), [Float32Array.of(10, 20)]);
 * ```
 *
 * @module
 */
import type { DType } from "./dtype.ts";
import type { BinaryName } from "./elementwise.ts";
import { node, source } from "./infer.ts";
import { broadcastTo } from "./movement_ops.ts";
import { broadcastShape, type Shape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor, or a number that takes the other operand's type. */
export type Operand = Tensor | number;

/**
 * A tensor of the given shape in which every element is `value`.
 *
 * @example
 * ```ts
 * import { full } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(evaluateGraph([full([3], 0.5)], new Map()), [Float32Array.of(0.5, 0.5, 0.5)]);
 * ```
 */
export function full(shape: Shape, value: number, type: DType = "f32"): Tensor {
  return source({ name: "full", attributes: { value } }, shape, type);
}

function lift(operand: Operand, other: Operand): Tensor {
  if (typeof operand !== "number") return operand;
  const type = typeof other === "number" || other.type !== "i32" ? "f32" : "i32";
  return full([], operand, type);
}

function binary(name: BinaryName, a: Operand, b: Operand): Tensor {
  const [left, right] = [lift(a, b), lift(b, a)];
  const shape = broadcastShape(left.shape, right.shape);
  return node({ name, attributes: {} }, [broadcastTo(left, shape), broadcastTo(right, shape)]);
}

/** a + b. */
export function add(a: Operand, b: Operand): Tensor {
  return binary("add", a, b);
}
/** a - b. */
export function sub(a: Operand, b: Operand): Tensor {
  return binary("sub", a, b);
}
/** a * b. */
export function mul(a: Operand, b: Operand): Tensor {
  return binary("mul", a, b);
}
/** a / b, f32. */
export function div(a: Operand, b: Operand): Tensor {
  return binary("div", a, b);
}
/**
 * The larger of a and b; the gradient of a tie goes to a.
 *
 * @example
 * ```ts
 * import { constant, maximum } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(-1, 2));
 * assertEquals(evaluateGraph([maximum(x, 0)], new Map()), [Float32Array.of(0, 2)]);
 * ```
 */
export function maximum(a: Operand, b: Operand): Tensor {
  return binary("max", a, b);
}
/** The smaller of a and b; the gradient of a tie goes to a. */
export function minimum(a: Operand, b: Operand): Tensor {
  return binary("min", a, b);
}
/** a < b, as bool. */
export function less(a: Operand, b: Operand): Tensor {
  return binary("less", a, b);
}
/** a = b, as bool. */
export function equal(a: Operand, b: Operand): Tensor {
  return binary("equal", a, b);
}
/** Both are true. */
export function and(a: Tensor, b: Tensor): Tensor {
  return binary("and", a, b);
}
/** One or both are true. */
export function or(a: Tensor, b: Tensor): Tensor {
  return binary("or", a, b);
}
/**
 * Two f32 numbers as IEEE binary16 in one i32, a in the low half: rounded to the nearest, ties to
 * even; beyond 65504 they become infinite, and a NaN stays one. Its gradient is zero. WGSL's
 * `pack2x16float`.
 *
 * @example
 * ```ts
 * import { constant, highHalf, lowHalf, packHalves } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const words = packHalves(constant(Float32Array.of(1, 70000)), -2.5);
 * const values = evaluateGraph([words, lowHalf(words), highHalf(words)], new Map());
 * assertEquals(values[0][0], 0xc1003c00 | 0);
 * assertEquals(values[1], Float32Array.of(1, Infinity));
 * assertEquals(values[2], Float32Array.of(-2.5, -2.5));
 * ```
 */
export function packHalves(a: Operand, b: Operand): Tensor {
  return binary("packHalves", a, b);
}
/** The binary16 number in the low half of an i32, as f32; exact. Its gradient is zero. */
export function lowHalf(x: Tensor): Tensor {
  return node({ name: "lowHalf", attributes: {} }, [x]);
}
/** The binary16 number in the high half of an i32, as f32; exact. Its gradient is zero. */
export function highHalf(x: Tensor): Tensor {
  return node({ name: "highHalf", attributes: {} }, [x]);
}
/** -x. */
export function neg(x: Tensor): Tensor {
  return node({ name: "neg", attributes: {} }, [x]);
}
/** |x|. */
export function abs(x: Tensor): Tensor {
  return node({ name: "abs", attributes: {} }, [x]);
}
/** e^x. */
export function exp(x: Tensor): Tensor {
  return node({ name: "exp", attributes: {} }, [x]);
}
/** The natural logarithm. */
export function log(x: Tensor): Tensor {
  return node({ name: "log", attributes: {} }, [x]);
}
/** The square root. */
export function sqrt(x: Tensor): Tensor {
  return node({ name: "sqrt", attributes: {} }, [x]);
}
/** The sine, of radians. */
export function sin(x: Tensor): Tensor {
  return node({ name: "sin", attributes: {} }, [x]);
}
/** The cosine, of radians. */
export function cos(x: Tensor): Tensor {
  return node({ name: "cos", attributes: {} }, [x]);
}
/** The hyperbolic tangent. */
export function tanh(x: Tensor): Tensor {
  return node({ name: "tanh", attributes: {} }, [x]);
}
/** The largest whole number that is not above x; its gradient is zero. */
export function floor(x: Tensor): Tensor {
  return node({ name: "floor", attributes: {} }, [x]);
}
/** Not x, of a bool. */
export function not(x: Tensor): Tensor {
  return node({ name: "not", attributes: {} }, [x]);
}
/**
 * Where the condition is true a, elsewhere b.
 *
 * @example
 * ```ts
 * import { constant, less, where } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(-1, 2));
 * const leaky = where(less(x, 0), 0, x);
 * assertEquals(evaluateGraph([leaky], new Map()), [Float32Array.of(0, 2)]);
 * ```
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const [left, right] = [lift(a, b), lift(b, a)];
  const shape = broadcastShape(condition.shape, broadcastShape(left.shape, right.shape));
  const operands = [condition, left, right].map((t) => broadcastTo(t, shape));
  return node({ name: "where", attributes: {} }, operands);
}
/**
 * Converts to another computed type; f32 to i32 drops the fraction, bool is 0 or 1.
 *
 * @example
 * ```ts
 * import { cast, constant } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(-1.5, 2.5));
 * assertEquals(evaluateGraph([cast(x, "i32")], new Map()), [Int32Array.of(-1, 2)]);
 * ```
 */
export function cast(x: Tensor, to: DType): Tensor {
  return x.type === to ? x : node({ name: "cast", attributes: { to } }, [x]);
}
/**
 * x with a gradient of zero.
 *
 * @example
 * ```ts
 * import { constant, grad, mul, stopGradient, sum } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(3));
 * const gradient = grad((p: typeof x) => sum(mul(p, stopGradient(p))))(x);
 * assertEquals(evaluateGraph([gradient], new Map()), [Float32Array.of(3)]);
 * ```
 */
export function stopGradient(x: Tensor): Tensor {
  return node({ name: "stopGradient", attributes: {} }, [x]);
}
/** 1 / (1 + e^-x). */
export function sigmoid(x: Tensor): Tensor {
  return div(1, add(1, exp(neg(x))));
}
/**
 * x * sigmoid(x), also called swish.
 *
 * @example
 * ```ts
 * import { constant, silu } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const values = evaluateGraph([silu(constant(Float32Array.of(0)))], new Map());
 * assertEquals(values, [Float32Array.of(0)]);
 * ```
 */
export function silu(x: Tensor): Tensor {
  return div(x, add(1, exp(neg(x))));
}
