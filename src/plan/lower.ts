/**
 * Lowering: the table that turns every operation into fused values and kernel commands.
 *
 * @module
 */
import { type DType, isPacked } from "../core/dtype.ts";
import type { BinaryName, UnaryName } from "../core/elementwise.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { OpTable, Tensor } from "../core/tensor.ts";
import {
  addBuffer,
  type Builder,
  computedType,
  emitMap,
  emitStore,
  materialize,
  resultBuffer,
  valueOf,
} from "./builder.ts";
import type { Instruction } from "./kernel_spec.ts";
import { lowerAttention, lowerAttentionGrad } from "./lower_attention.ts";
import {
  lowerDequantize,
  lowerGather,
  lowerMatmul,
  lowerReduction,
  lowerScatter,
} from "./lower_kernels.ts";
import {
  broadcastValue,
  bufferValue,
  combineValues,
  constantValue,
  coordinateValue,
  costOf,
  fullLeaves,
  permuteValue,
  reshapeValue,
  sliceValue,
  type Value,
} from "./value.ts";
import { contiguousStrides } from "../core/shape.ts";

type Lower = [t: Tensor, builder: Builder];

/** Beyond this a fused body spills more than it saves. */
const MOST_LEAVES = 8;
const MOST_STEPS = 48;
/** A body at most this dear is computed again by each user rather than stored. */
const CHEAP = 2;
/** A value repeated so often is computed once, however cheap it is. */
const MANY = 256;

function solidValue(builder: Builder, t: Tensor): Value {
  return bufferValue(materialize(builder, t), t.shape, computedType(t));
}

/** Applies an elementwise step; operands that would make the body too large are stored first. */
function combine(
  builder: Builder,
  t: Tensor,
  make: (results: readonly number[], type: DType) => Instruction,
): Value {
  const type = computedType(t);
  const fuse = () =>
    combineValues(t.inputs.map((o) => valueOf(builder, o)), type, (results) => make(results, type));
  let fused = fuse();
  while (fused.leaves.length > MOST_LEAVES || fused.steps.length > MOST_STEPS) {
    const largest = t.inputs.reduce((best, operand) =>
      valueOf(builder, operand).steps.length > valueOf(builder, best).steps.length ? operand : best
    );
    if (valueOf(builder, largest).steps.length === 1) break;
    materialize(builder, largest);
    fused = fuse();
  }
  return fused;
}

const unary = (op: UnaryName) => (_: unknown, t: Tensor, builder: Builder): Value =>
  combine(builder, t, ([a], type) => ({ op, args: [a], type }));

const binary = (op: BinaryName) => (_: unknown, t: Tensor, builder: Builder): Value =>
  combine(builder, t, ([a, b], type) => ({ op, args: [a, b], type }));

/** True where each of so many repetitions would compute what is better stored. */
function repeatsWork(value: Value, to: Shape): boolean {
  const repetitions = sizeOf(to) / Math.max(1, sizeOf(value.shape));
  const reads = value.leaves.some(({ buffer }) => buffer !== undefined);
  return costOf(value) > (reads && repetitions >= MANY ? 0 : CHEAP) && repetitions > 1;
}

/** Row `name` lowers operation `name`; `undefined` is a packed matrix, which only kernels read. */
export const LOWER: OpTable<Lower, Value | undefined> = {
  neg: unary("neg"),
  abs: unary("abs"),
  exp: unary("exp"),
  log: unary("log"),
  sqrt: unary("sqrt"),
  sin: unary("sin"),
  cos: unary("cos"),
  tanh: unary("tanh"),
  floor: unary("floor"),
  lowHalf: unary("lowHalf"),
  highHalf: unary("highHalf"),
  not: unary("not"),
  add: binary("add"),
  sub: binary("sub"),
  mul: binary("mul"),
  div: binary("div"),
  max: binary("max"),
  min: binary("min"),
  less: binary("less"),
  equal: binary("equal"),
  packHalves: binary("packHalves"),
  and: binary("and"),
  or: binary("or"),
  where: (_, t, builder) =>
    combine(builder, t, ([a, b, c], type) => ({ op: "where", args: [a, b, c], type })),
  cast: (_, t, builder) => combine(builder, t, ([a], type) => ({ op: "cast", args: [a], type })),
  input: (_, t, builder) => {
    const buffer = builder.inputs.get(t) ?? -1;
    return isPacked(t.type) ? undefined : bufferValue(buffer, t.shape, t.type);
  },
  full: ({ value }, t) => constantValue(value, t.shape, computedType(t)),
  data: ({ data }, t, builder) => {
    const buffer = addBuffer(builder, { home: "constant", data, bytes: data.byteLength });
    return bufferValue(buffer, t.shape, computedType(t));
  },
  iota: ({ axis }, t) => coordinateValue(axis, t.shape),
  identity: (_, { inputs: [x] }, builder) => valueOf(builder, x),
  stopGradient: (_, { inputs: [x] }, builder) => valueOf(builder, x),
  // Stored, or what is waited for would be computed later, inside a kernel that reads it.
  after: (_, t, builder) => {
    const [buffer] = t.inputs.map((operand) => materialize(builder, operand));
    return bufferValue(buffer, t.shape, computedType(t));
  },
  rematerialize: (_, { inputs: [x] }, builder) => valueOf(builder, x),
  withGradients: (_, { inputs: [x] }, builder) => valueOf(builder, x),
  reshape: ({ shape }, { inputs: [x] }, builder) =>
    reshapeValue(valueOf(builder, x), shape) ??
      { ...bufferValue(materialize(builder, x), shape, computedType(x)) },
  permute: ({ order }, { inputs: [x] }, builder) =>
    isPacked(x.type) || !builder.values.has(x)
      ? undefined
      : permuteValue(valueOf(builder, x), order),
  broadcast: ({ shape }, { inputs: [x] }, builder) => {
    const value = valueOf(builder, x);
    return broadcastValue(repeatsWork(value, shape) ? solidValue(builder, x) : value, shape);
  },
  slice: ({ start, sizes }, { inputs: [x] }, builder) =>
    sliceValue(valueOf(builder, x), start, sizes),
  pad: ({ before }, t, builder) => {
    const [x] = t.inputs;
    const target = resultBuffer(builder, t);
    const type = computedType(t);
    emitStore(builder, constantValue(0, t.shape, type), target);
    storeBox(builder, valueOf(builder, x), t.shape, before, target);
    return bufferValue(target, t.shape, type);
  },
  concat: ({ axis }, t, builder) => {
    const target = resultBuffer(builder, t);
    let from = 0;
    for (const part of t.inputs) {
      const start = t.shape.map((_, i) => i === axis ? from : 0);
      storeBox(builder, valueOf(builder, part), t.shape, start, target);
      from += part.shape[axis];
    }
    return bufferValue(target, t.shape, computedType(t));
  },
  sum: ({ axes }, t, builder) => lowerReduction(builder, t, axes, "sum"),
  reduceMax: ({ axes }, t, builder) => lowerReduction(builder, t, axes, "max"),
  argmax: ({ axis }, t, builder) => lowerReduction(builder, t, [axis], "argmax"),
  matmul: (_, t, builder) => lowerMatmul(builder, t),
  dequantize: (_, t, builder) => lowerDequantize(builder, t),
  gather: (_, t, builder) => lowerGather(builder, t),
  scatter: ({ mode }, t, builder) => lowerScatter(builder, t, mode),
  attention: ({ scale }, t, builder) => lowerAttention(builder, t, scale),
  attentionGrad: ({ scale, operand }, t, builder) => lowerAttentionGrad(builder, t, scale, operand),
};

/** Writes a value into the box of `target` (of shape `whole`) that begins at `start`. */
function storeBox(
  builder: Builder,
  value: Value,
  whole: Shape,
  start: readonly number[],
  target: number,
): void {
  const strides = contiguousStrides(whole);
  const offset = strides.reduce((sum, stride, axis) => sum + stride * start[axis], 0);
  emitMap(builder, value, target, { type: value.type, strides, offset });
}

/** True where a value that several users read is better stored than computed by each. */
export function worthStoring(value: Value): boolean {
  const cost = costOf(value);
  return cost > CHEAP || (cost > 0 && fullLeaves(value) > 1);
}
