/**
 * The pullback of every operation, and reverse-mode differentiation of a graph by them.
 *
 * A pullback gives, for the cotangent of a result, the cotangent of each operand (undefined where
 * it is zero). It builds ordinary tensors, so gradients differentiate again.
 *
 * @module
 */
import { after } from "./after.ts";
import { attentionGradByParts } from "./attention_parts.ts";
import { add, cast, cos, div, equal, full, less, mul, neg, sin, sub } from "./elementwise_ops.ts";
import { where } from "./elementwise_ops.ts";
import { isPacked } from "./dtype.ts";
import { OutriderError } from "./errors.ts";
import { node } from "./infer.ts";
import { gather, matmul, scatterAdd, scatterSet, sumKeeping, sumTo } from "./linear_ops.ts";
import { broadcastTo, identity, pad, permute, reshape, slice, transpose } from "./movement_ops.ts";
import { shapeText } from "./shape.ts";
import { substitute } from "./substitute.ts";
import { interpret, type OpTable, type Tensor, topologicalOrder } from "./tensor.ts";

type Cotangents = readonly (Tensor | undefined)[];
type Pull = [result: Tensor, cotangent: Tensor];

const nothing = (_: unknown, result: Tensor): Cotangents => result.inputs.map(() => undefined);

function tieToFirst(result: Tensor, cotangent: Tensor): Cotangents {
  const first = equal(result, result.inputs[0]);
  return [where(first, cotangent, 0), where(first, 0, cotangent)];
}

/**
 * Differentiates an operation through an equal composition of primitives. The composition is built
 * on fresh names, so that an operand which occurs twice is two variables.
 */
function throughParts(
  inputs: readonly Tensor[],
  build: (inputs: readonly Tensor[]) => Tensor,
  cotangent: Tensor,
): Cotangents {
  const fresh = inputs.map(identity);
  return pullback(build(fresh), cotangent, fresh);
}

/**
 * The cotangents of a result's arguments and of what it captured, through a graph that is built
 * again on the arguments as they are after the cotangent: nothing of the first pass is read.
 */
function throughRebuilt(
  [result, ...bounds]: readonly Tensor[],
  count: number,
  cotangent: Tensor,
): Cotangents {
  const again = bounds.map((t, i) => i < count && !isPacked(t.type) ? after(t, [cotangent]) : t);
  const rebuilt = substitute(result, new Map(bounds.map((t, i) => [t, again[i]])));
  const found = pullback(rebuilt, cotangent, again);
  const made = found.filter((t) => t !== undefined);
  // What is in front of the arguments waits for all gradients here, so that what was computed
  // again for them is soon free.
  const last = (t: Tensor | undefined, i: number): Tensor | undefined =>
    t === undefined || i >= count ? t : after(t, made.filter((other) => other !== t));
  return [undefined, ...found.map(last)];
}

const PULLBACK: OpTable<Pull, Cotangents> = {
  input: nothing,
  full: nothing,
  data: nothing,
  iota: nothing,
  stopGradient: nothing,
  floor: nothing,
  lowHalf: nothing,
  highHalf: nothing,
  not: nothing,
  less: nothing,
  equal: nothing,
  packHalves: nothing,
  and: nothing,
  or: nothing,
  argmax: nothing,
  dequantize: nothing,
  identity: (_, __, g) => [g],
  after: (_, { inputs: [, ...earlier] }, g) => [g, ...earlier.map(() => undefined)],
  rematerialize: ({ arguments: count }, { inputs }, g) => throughRebuilt(inputs, count, g),
  withGradients: (_, { inputs: [, ...rest] }, g) => {
    const variables = rest.slice(0, rest.length / 2);
    const gradients = rest.slice(variables.length);
    const pulled = gradients.map((t) => mul(broadcastTo(g, t.shape), t));
    return [undefined, ...pulled, ...gradients.map(() => undefined)];
  },
  neg: (_, __, g) => [neg(g)],
  abs: (_, { inputs: [x] }, g) => [where(less(x, 0), neg(g), g)],
  exp: (_, result, g) => [mul(g, result)],
  log: (_, { inputs: [x] }, g) => [div(g, x)],
  sqrt: (_, result, g) => [div(g, mul(result, 2))],
  sin: (_, { inputs: [x] }, g) => [mul(g, cos(x))],
  cos: (_, { inputs: [x] }, g) => [neg(mul(g, sin(x)))],
  tanh: (_, result, g) => [mul(g, sub(1, mul(result, result)))],
  add: (_, __, g) => [g, g],
  sub: (_, __, g) => [g, neg(g)],
  mul: (_, { inputs: [a, b] }, g) => [mul(g, b), mul(g, a)],
  div: (_, result, g) => {
    const b = result.inputs[1];
    return [div(g, b), neg(div(mul(g, result), b))];
  },
  max: (_, result, g) => tieToFirst(result, g),
  min: (_, result, g) => tieToFirst(result, g),
  where: (_, { inputs: [condition] }, g) => [
    undefined,
    where(condition, g, 0),
    where(condition, 0, g),
  ],
  cast: ({ to }, { inputs: [x] }, g) => [x.type === "f32" && to === "f32" ? g : undefined],
  reshape: (_, { inputs: [x] }, g) => [reshape(g, x.shape)],
  permute: ({ order }, _, g) => [permute(g, order.map((_, axis) => order.indexOf(axis)))],
  broadcast: (_, { inputs: [x] }, g) => [sumTo(g, x.shape)],
  slice: ({ start, sizes }, { inputs: [x] }, g) => [
    pad(g, start, x.shape.map((size, axis) => size - start[axis] - sizes[axis])),
  ],
  pad: ({ before }, { inputs: [x] }, g) => [slice(g, before, x.shape)],
  concat: ({ axis }, { inputs }, g) => {
    let from = 0;
    return inputs.map((part) => {
      const start = part.shape.map((_, i) => i === axis ? from : 0);
      from += part.shape[axis];
      return slice(g, start, part.shape);
    });
  },
  sum: (_, { inputs: [x] }, g) => [broadcastTo(g, x.shape)],
  reduceMax: ({ axes }, result, g) => {
    const [x] = result.inputs;
    const hits = cast(equal(x, broadcastTo(result, x.shape)), "f32");
    return [mul(hits, broadcastTo(div(g, sumKeeping(hits, axes)), x.shape))];
  },
  matmul: (_, { inputs: [a, b] }, g) => [matmul(g, transpose(b)), matmul(transpose(a), g)],
  gather: (_, { inputs: [table, indices] }, g) => [
    scatterAdd(full(table.shape, 0), indices, g),
    undefined,
  ],
  scatter: ({ mode }, { inputs: [, indices, updates] }, g) => [
    mode === "add" ? g : scatterSet(g, indices, full(updates.shape, 0)),
    undefined,
    gather(g, indices),
  ],
  attention: ({ scale }, { inputs }, g) => {
    const operands = ["query", "key", "value"] as const;
    const grads = operands.map((operand) =>
      node({ name: "attentionGrad", attributes: { scale, operand } }, [...inputs, g])
    );
    return inputs.map((_, i) => grads[i]);
  },
  attentionGrad: (attributes, { inputs }, g) =>
    throughParts(inputs, (fresh) => attentionGradByParts(fresh, attributes), g),
};

/** The nodes among `order` that depend on one of the variables. */
function dependents(order: readonly Tensor[], variables: readonly Tensor[]): Set<Tensor> {
  const found = new Set<Tensor>(variables);
  for (const t of order) if (t.inputs.some((operand) => found.has(operand))) found.add(t);
  return found;
}

/**
 * The cotangents of `variables` for a cotangent of `output`; undefined where output does not
 * depend on the variable. Variables are treated as independent of one another.
 *
 * @throws OutriderError where the cotangent does not have the output's shape
 * @example
 * ```ts
 * import { constant, full, input, mul, pullback } from "@outrider/outrider/core";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const x = constant(Float32Array.of(3));
 * const [cotangent, none] = pullback(mul(x, x), full([1], 1), [x, input([1])]);
 * assertEquals(none, undefined);
 * if (cotangent) assertEquals(evaluateGraph([cotangent], new Map()), [Float32Array.of(6)]);
 * ```
 */
export function pullback(
  output: Tensor,
  cotangent: Tensor,
  variables: readonly Tensor[],
): (Tensor | undefined)[] {
  if (shapeText(output.shape) !== shapeText(cotangent.shape)) {
    throw new OutriderError(
      `a cotangent of shape ${shapeText(output.shape)}`,
      shapeText(cotangent.shape),
      "give one number per element of the output",
    );
  }
  const ends = new Set(variables);
  const order = topologicalOrder([output], ends);
  const active = dependents(order, variables);
  const collected = new Map<Tensor, Tensor>([[output, cotangent]]);
  for (let i = order.length - 1; i >= 0; i--) {
    const current = order[i];
    const gradient = collected.get(current);
    if (gradient === undefined || ends.has(current) || !active.has(current)) continue;
    const pulled = interpret(PULLBACK, current.op, current, gradient);
    current.inputs.forEach((operand, k) => {
      const part = pulled[k];
      if (part === undefined || !active.has(operand) || operand.type !== "f32") return;
      const before = collected.get(operand);
      collected.set(operand, before === undefined ? part : add(before, part));
    });
  }
  return variables.map((variable) => active.has(output) ? collected.get(variable) : undefined);
}
