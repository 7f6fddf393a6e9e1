/**
 * The value of elementwise operations, one element at a time.
 *
 * Integers wrap because storing into an Int32Array wraps; only their product needs its own rule.
 *
 * @module
 */
import type { BinaryName, UnaryName } from "../../core/elementwise.ts";
import type { DType } from "../../core/dtype.ts";
import { halfToNumber, halvesToWord } from "../../core/half_float.ts";
import type { NumberArray, Value } from "./value.ts";

const UNARY_VALUE: { readonly [name in UnaryName]: (x: number) => number } = {
  neg: (x) => -x,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  floor: Math.floor,
  lowHalf: halfToNumber,
  highHalf: (word) => halfToNumber(word >>> 16),
  not: (x) => x === 0 ? 1 : 0,
};

const BINARY_VALUE: { readonly [name in BinaryName]: (a: number, b: number) => number } = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: Math.max,
  min: Math.min,
  less: (a, b) => a < b ? 1 : 0,
  equal: (a, b) => a === b ? 1 : 0,
  packHalves: halvesToWord,
  and: (a, b) => a & b,
  or: (a, b) => a | b,
};

/** out[i] = name(x[i]). */
export function evaluateUnary(name: UnaryName, x: Value, out: NumberArray): NumberArray {
  const f = UNARY_VALUE[name];
  for (let i = 0; i < out.length; i++) out[i] = f(x[i]);
  return out;
}

/** out[i] = name(a[i], b[i]). */
export function evaluateBinary(
  name: BinaryName,
  a: Value,
  b: Value,
  out: NumberArray,
): NumberArray {
  // A double holds sums of two i32 exactly, but not their product.
  const f = name === "mul" && out instanceof Int32Array ? Math.imul : BINARY_VALUE[name];
  for (let i = 0; i < out.length; i++) out[i] = f(a[i], b[i]);
  return out;
}

/** out[i] = a[i] where the condition holds, b[i] elsewhere. */
export function evaluateWhere(
  [condition, a, b]: readonly Value[],
  out: NumberArray,
): NumberArray {
  for (let i = 0; i < out.length; i++) out[i] = condition[i] !== 0 ? a[i] : b[i];
  return out;
}

/** f32 to i32 without the fraction: out of range saturates and NaN is 0, as Wasm's trunc_sat. */
function truncate(x: number): number {
  return Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), Math.trunc(x)));
}

const CAST_VALUE: { readonly [to in DType]: (x: number) => number } = {
  f32: (x) => x,
  i32: truncate,
  bool: (x) => x !== 0 ? 1 : 0,
};

/** out[i] = x[i] as another type; a float that is not zero, NaN included, is true. */
export function evaluateCast(to: DType, x: Value, out: NumberArray): NumberArray {
  const f = CAST_VALUE[to];
  for (let i = 0; i < out.length; i++) out[i] = f(x[i]);
  return out;
}
