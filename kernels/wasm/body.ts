/**
 * Elementwise bodies on four lanes: one vector expression per instruction.
 *
 * A bool is a mask of ones or zeros in a register, and 1 or 0 in memory.
 *
 * @module
 */
import type { DType } from "../../src/core/dtype.ts";
import type { BinaryName, UnaryName } from "../../src/core/elementwise.ts";
import { OutriderError } from "../../src/core/errors.ts";
import type { Instruction } from "../../src/plan/kernel_spec.ts";
import type { Expression } from "./assembler_code.ts";
import { f32x4, i32x4, v128 } from "./assembler_ops.ts";
import { highHalves, lowHalves, packedHalves } from "./half_float.ts";
import { cos, exp, log, type MathContext, sin, tanh } from "./math.ts";

type V128 = Expression<"v128">;

/** Where a body finds its leaves. */
export interface BodySource {
  /** The vector of input number `access`, as it is in memory. */
  load(access: number): V128;
  /** The index along an axis, for every lane. */
  iota(axis: number): V128;
}

type UnaryEmitter = (context: MathContext, a: V128, type: DType) => V128;
type BinaryEmitter = (a: V128, b: V128, type: DType, context: MathContext) => V128;

const UNARY_CODE: { readonly [name in UnaryName]: UnaryEmitter } = {
  neg: (_, a, type) => type === "f32" ? f32x4.neg(a) : i32x4.neg(a),
  abs: (_, a, type) => type === "f32" ? f32x4.abs(a) : i32x4.abs(a),
  exp,
  log,
  sqrt: (_, a) => f32x4.sqrt(a),
  sin,
  cos,
  tanh,
  floor: (_, a) => f32x4.floor(a),
  lowHalf: ({ builder }, a) => lowHalves(builder, builder.local(a)),
  highHalf: ({ builder }, a) => highHalves(builder, builder.local(a)),
  not: (_, a) => v128.not(a),
};

/** Integer and float forms of one operation, chosen by the operands' type. */
function byType(float: BinaryEmitter, integer: BinaryEmitter): BinaryEmitter {
  return (a, b, type, context) => (type === "f32" ? float : integer)(a, b, type, context);
}

const BINARY_CODE: { readonly [name in BinaryName]: BinaryEmitter } = {
  add: byType(f32x4.add, i32x4.add),
  sub: byType(f32x4.sub, i32x4.sub),
  mul: byType(f32x4.mul, i32x4.mul),
  div: f32x4.div,
  max: byType(f32x4.max, i32x4.maxS),
  min: byType(f32x4.min, i32x4.minS),
  less: byType(f32x4.lt, i32x4.ltS),
  equal: byType(f32x4.eq, i32x4.eq),
  packHalves: (a, b, _, { builder }) => packedHalves(builder, builder.local(a), builder.local(b)),
  and: v128.and,
  or: v128.or,
};

function isUnary(op: string): op is UnaryName {
  return op in UNARY_CODE;
}

function isBinary(op: string): op is BinaryName {
  return op in BINARY_CODE;
}

/** A constant in every lane, in register form. */
export function constantLanes(value: number, type: DType): V128 {
  if (type === "f32") return f32x4.constant(value);
  const lane = type === "bool" ? (value === 0 ? 0 : -1) : value;
  return i32x4.constant(lane, lane, lane, lane);
}

/** From memory form to register form. */
export function fromMemory(context: MathContext, value: V128, type: DType): V128 {
  return type === "bool"
    ? i32x4.ne(value, context.builder.constant(constantLanes(0, "i32")))
    : value;
}

/** From register form to memory form. */
export function toMemory(context: MathContext, value: V128, type: DType): V128 {
  return type === "bool"
    ? v128.and(value, context.builder.constant(constantLanes(1, "i32")))
    : value;
}

function castCode(context: MathContext, value: V128, from: DType, to: DType): V128 {
  const constant = (number: number, type: DType): V128 =>
    context.builder.constant(constantLanes(number, type));
  if (from === to) return value;
  if (to === "f32") {
    return from === "i32" ? f32x4.convertI32(value) : v128.and(value, constant(1, "f32"));
  }
  if (to === "i32") {
    return from === "f32" ? i32x4.truncate(value) : v128.and(value, constant(1, "i32"));
  }
  return from === "f32"
    ? v128.not(f32x4.eq(value, constant(0, "f32")))
    : i32x4.ne(value, constant(0, "i32"));
}

/** The result type of instruction `index`; operands of comparisons are typed by it. */
function operandType(body: readonly Instruction[], index: number): DType {
  return body[index].type;
}

/**
 * max(x, c) for an f32 constant c that is neither 0 nor NaN takes one instruction where
 * `f32x4.max` takes eight; x passes where it is NaN. Gives the arguments as [x, c].
 */
function maxWithConstant(
  body: readonly Instruction[],
  step: Instruction,
): readonly [number, number] | undefined {
  if (step.op !== "max" || step.type !== "f32") return undefined;
  const [first, second] = step.args;
  const bounds = (place: number): boolean => {
    const bound = body[place];
    return bound.op === "constant" && Math.abs(bound.value) > 0;
  };
  if (bounds(second)) return [first, second];
  return bounds(first) ? [second, first] : undefined;
}

/** Emits a body; gives the vector of its last instruction, in register form. */
export function emitBody(
  context: MathContext,
  body: readonly Instruction[],
  source: BodySource,
): V128 {
  const values: V128[] = [];
  const code = (step: Instruction): V128 => {
    if (step.op === "load") return fromMemory(context, source.load(step.access), step.type);
    if (step.op === "constant") {
      return context.builder.constant(constantLanes(step.value, step.type));
    }
    if (step.op === "iota") return source.iota(step.axis);
    if (step.op === "where") {
      const [condition, whenTrue, whenFalse] = step.args;
      return v128.bitselect(values[whenTrue], values[whenFalse], values[condition]);
    }
    const type = operandType(body, step.args[0]);
    if (step.op === "cast") return castCode(context, values[step.args[0]], type, step.type);
    if (isUnary(step.op)) return UNARY_CODE[step.op](context, values[step.args[0]], type);
    const bounded = maxWithConstant(body, step);
    if (bounded !== undefined) return f32x4.pmax(values[bounded[0]], values[bounded[1]]);
    const [first, second] = step.args;
    if (isBinary(step.op) && second !== undefined) {
      return BINARY_CODE[step.op](values[first], values[second], type, context);
    }
    throw new OutriderError("an elementwise operation", String(step.op), "report this plan");
  };
  for (const step of body) {
    const value = code(step);
    values.push(step.op === "constant" ? value : context.builder.local(value));
  }
  const last = values.at(-1);
  if (last === undefined) {
    throw new OutriderError("a body of one step or more", "none", "report it");
  }
  return last;
}
