/**
 * The elementwise operations, by name: the part of the op set that fuses into kernel bodies.
 *
 * @module
 */
import type { DType } from "./dtype.ts";

/**
 * Operations on one value. All but `neg`, `abs`, `not`, `lowHalf` and `highHalf` take and give f32.
 */
export type UnaryName =
  | "neg"
  | "abs"
  | "exp"
  | "log"
  | "sqrt"
  | "sin"
  | "cos"
  | "tanh"
  | "floor"
  | "lowHalf"
  | "highHalf"
  | "not";

/**
 * Operations on two values of one type; `less` and `equal` give bool, `and` and `or` take it, and
 * `packHalves` gives i32.
 */
export type BinaryName =
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "max"
  | "min"
  | "less"
  | "equal"
  | "packHalves"
  | "and"
  | "or";

/** One table row: the operand types that an operation takes and the type that it gives. */
export interface ElementwiseRule {
  /** The operand types allowed; all operands share one. */
  readonly takes: readonly DType[];
  /** The result type; `same` is the operands' type. */
  readonly gives: DType | "same";
}

const FLOAT: ElementwiseRule = { takes: ["f32"], gives: "same" };
const NUMBER: ElementwiseRule = { takes: ["f32", "i32"], gives: "same" };
const HALF: ElementwiseRule = { takes: ["i32"], gives: "f32" };
const LOGICAL: ElementwiseRule = { takes: ["bool"], gives: "same" };

/** Type rules of the unary operations. */
export const UNARY: { readonly [name in UnaryName]: ElementwiseRule } = {
  neg: NUMBER,
  abs: NUMBER,
  exp: FLOAT,
  log: FLOAT,
  sqrt: FLOAT,
  sin: FLOAT,
  cos: FLOAT,
  tanh: FLOAT,
  floor: FLOAT,
  lowHalf: HALF,
  highHalf: HALF,
  not: LOGICAL,
};

/** Type rules of the binary operations. */
export const BINARY: { readonly [name in BinaryName]: ElementwiseRule } = {
  add: NUMBER,
  sub: NUMBER,
  mul: NUMBER,
  div: FLOAT,
  max: NUMBER,
  min: NUMBER,
  less: { takes: ["f32", "i32"], gives: "bool" },
  equal: { takes: ["f32", "i32", "bool"], gives: "bool" },
  packHalves: { takes: ["f32"], gives: "i32" },
  and: LOGICAL,
  or: LOGICAL,
};
