/**
 * Elementwise bodies: one WGSL constant per instruction.
 *
 * A bool is a WGSL bool in a body, and an i32 of 1 or 0 in memory. Sums of a product are written as
 * `fma`, so that no compiler has a choice that could differ between shaders.
 *
 * @module
 */
import type { DType } from "../../src/core/dtype.ts";
import type { BinaryName, UnaryName } from "../../src/core/elementwise.ts";
import { OutriderError } from "../../src/core/errors.ts";
import type { Instruction } from "../../src/plan/kernel_spec.ts";
import { floatText, integerText } from "./literals.ts";

/** Where a body finds its leaves. */
export interface BodySource {
  /** The element of input number `access`, as memory has it. */
  load(access: number): string;
  /** The index along an axis, as i32. */
  iota(axis: number): string;
}

/** The code of a body. */
export interface BodyCode {
  /** Declarations of constants. */
  readonly lines: readonly string[];
  /** The result as memory has it. */
  readonly value: string;
  /** Its factors where it is a product of f32. */
  readonly factors?: Factors;
}

type Factors = readonly [string, string];

const call = (name: string) => (a: string): string => `${name}(${a})`;

const UNARY_CODE: { readonly [name in UnaryName]: (a: string, type: DType) => string } = {
  neg: (a) => `-${a}`,
  abs: call("abs"),
  exp: call("exp_f32"),
  log: call("log_f32"),
  sqrt: call("sqrt"),
  sin: call("sin_f32"),
  cos: call("cos_f32"),
  tanh: call("tanh_f32"),
  floor: call("floor"),
  lowHalf: (a) => `half_value(bitcast<u32>(${a}))`,
  highHalf: (a) => `half_value(bitcast<u32>(${a}) >> 16u)`,
  not: (a) => `!${a}`,
};

const infix = (operator: string) => (a: string, b: string): string => `${a} ${operator} ${b}`;
const byType = (name: "max" | "min") => (a: string, b: string, type: DType): string =>
  `${type === "f32" ? `${name}_f32` : name}(${a}, ${b})`;

const BINARY_CODE: {
  readonly [name in BinaryName]: (a: string, b: string, type: DType) => string;
} = {
  add: infix("+"),
  sub: infix("-"),
  mul: infix("*"),
  div: infix("/"),
  max: byType("max"),
  min: byType("min"),
  less: infix("<"),
  equal: infix("=="),
  packHalves: (a, b) => `bitcast<i32>(half_bits(${a}) | (half_bits(${b}) << 16u))`,
  and: infix("&"),
  or: infix("|"),
};

function isUnary(op: string): op is UnaryName {
  return op in UNARY_CODE;
}

function isBinary(op: string): op is BinaryName {
  return op in BINARY_CODE;
}

function constantCode(value: number, type: DType): string {
  if (type === "f32") return floatText(value);
  return type === "bool" ? String(value !== 0) : integerText(value);
}

/** From a body's form to memory's. */
function toMemory(value: string, type: DType): string {
  return type === "bool" ? `i32(${value})` : value;
}

function castCode(value: string, from: DType, to: DType): string {
  if (from === to) return value;
  if (to === "f32") return `f32(${value})`;
  if (to === "i32") return from === "f32" ? `truncate_f32(${value})` : `i32(${value})`;
  return from === "f32" ? `(bitcast<u32>(${value}) & 0x7fffffffu) != 0u` : `${value} != 0i`;
}

/** a + b or a - b where one of them is a product. */
function fusedSum(
  op: "add" | "sub",
  [a, b]: readonly [string, string],
  [first, second]: readonly [Factors | undefined, Factors | undefined],
): string | undefined {
  const sign = op === "add" ? "" : "-";
  if (first !== undefined) return `fma(${first[0]}, ${first[1]}, ${sign}${b})`;
  if (second !== undefined) return `fma(${sign}${second[0]}, ${second[1]}, ${a})`;
  return undefined;
}

/** Emits a body. */
export function bodyCode(body: readonly Instruction[], source: BodySource): BodyCode {
  const factors: (Factors | undefined)[] = [];
  const name = (index: number): string => `v${index}`;
  const code = (step: Instruction): string => {
    if (step.op === "load") {
      const loaded = source.load(step.access);
      return step.type === "bool" ? `${loaded} != 0i` : loaded;
    }
    if (step.op === "constant") return constantCode(step.value, step.type);
    if (step.op === "iota") return source.iota(step.axis);
    const [first, second] = step.args.map(name);
    if (step.op === "where") return `select(${name(step.args[2])}, ${second}, ${first})`;
    const type = body[step.args[0]].type;
    if (step.op === "cast") return castCode(first, type, step.type);
    if (isUnary(step.op)) return UNARY_CODE[step.op](first, type);
    if (step.op === "add" || step.op === "sub") {
      const [a, b] = step.args;
      const fused = fusedSum(step.op, [first, second], [factors[a], factors[b]]);
      if (fused !== undefined) return fused;
    }
    if (isBinary(step.op)) return BINARY_CODE[step.op](first, second, type);
    throw new OutriderError("an elementwise operation", String(step.op), "report this plan");
  };
  const lines = body.map((step, i) => {
    const isProduct = step.op === "mul" && step.type === "f32";
    factors.push(isProduct ? [name(step.args[0]), name(step.args[1])] : undefined);
    return `let ${name(i)} = ${code(step)};`;
  });
  const last = body.length - 1;
  if (last < 0) throw new OutriderError("a body of one step or more", "none", "report it");
  return { lines, value: toMemory(name(last), body[last].type), factors: factors[last] };
}
