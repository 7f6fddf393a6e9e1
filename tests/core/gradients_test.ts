import { assertEquals } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import type { AttentionOperands, OpName, Tensor } from "../../src/core/mod.ts";
import { evaluateGraph } from "../../src/backends/reference/mod.ts";
import {
  checkDerivatives,
  type Differentiable,
  positive,
  separated,
} from "./finite_differences.ts";

const ids = (...values: number[]): Tensor => core.constant(Int32Array.from(values));

/** Windows, an empty row, and extra slots beyond the window of a tree. */
const seen = {
  start: ids(0, 1, 2, 3),
  end: ids(2, 4, 2, 5),
  extra: core.constant(Int32Array.of(4, -1, -1, 5, -1, -1, 0, 1), [4, 2]),
};

/** [rows, heads, d] over [slots, keyValueHeads, d]: two query heads share a key head. */
const attentionShapes = [[4, 4, 3], [6, 2, 3], [6, 2, 3]];

function attentionGrad(operand: "query" | "key" | "value"): Differentiable {
  return {
    shapes: [...attentionShapes, [4, 4, 3]],
    f: (query, key, value, cotangent) =>
      core.node(
        { name: "attentionGrad", attributes: { scale: 0.6, operand } },
        [query, key, value, seen.start, seen.end, seen.extra, cotangent],
      ),
  };
}

/** Where an operation has no gradient: a result of it, which must then be a constant. */
interface Flat {
  readonly flat: (x: Tensor) => Tensor;
}

const vector = [[5]];
const pair = [[2, 3], [2, 3]];
const identityOf = (x: Tensor) => core.identity(x);

/** sum(e^x) with its gradient given. */
function knownGradient(x: Tensor): Tensor {
  const grown = core.exp(x);
  return core.withGradients(core.sum(grown), [{ of: x, gradient: grown }]);
}

const CASES: { readonly [name in OpName]: readonly (Differentiable | Flat)[] } = {
  input: [{ flat: () => core.full([3], 2) }],
  full: [{ flat: () => core.full([3], 2) }],
  data: [{ flat: () => core.constant(Float32Array.of(1, 2)) }],
  iota: [{ flat: () => core.cast(core.iota([3], 0), "f32") }],
  stopGradient: [{ flat: core.stopGradient }],
  floor: [{ flat: core.floor }],
  lowHalf: [{ flat: (x) => core.lowHalf(core.packHalves(x, 0)) }],
  highHalf: [{ flat: (x) => core.highHalf(core.packHalves(0, x)) }],
  packHalves: [{ flat: (x) => core.cast(core.packHalves(x, x), "f32") }],
  not: [{ flat: (x) => core.cast(core.not(core.less(x, 0)), "f32") }],
  less: [{ flat: (x) => core.cast(core.less(x, 0), "f32") }],
  equal: [{ flat: (x) => core.cast(core.equal(x, 0), "f32") }],
  and: [{ flat: (x) => core.cast(core.and(core.less(x, 0), core.less(x, 1)), "f32") }],
  or: [{ flat: (x) => core.cast(core.or(core.less(x, 0), core.less(x, 1)), "f32") }],
  argmax: [{ flat: (x) => core.cast(core.argmax(x), "f32") }],
  cast: [{ flat: (x) => core.cast(core.cast(x, "i32"), "f32") }],
  dequantize: [{
    flat: () => core.dense(core.input([4, 4], "packed_f32")),
  }],
  identity: [{ f: identityOf, shapes: vector }],
  after: [{ f: (x, y) => core.mul(core.after(core.exp(x), [core.sin(y)]), y), shapes: pair }],
  rematerialize: [
    { f: core.checkpoint((x: Tensor) => core.exp(core.sin(x))), shapes: vector },
    { f: (x, y) => core.checkpoint((x: Tensor) => core.exp(core.mul(x, y)))(x), shapes: pair },
    {
      f: core.checkpoint((x: Tensor, y: Tensor) => {
        const inner = core.checkpoint((x: Tensor) => core.tanh(core.mul(x, y)));
        return core.mul(core.exp(inner(core.sin(x))), x);
      }),
      shapes: pair,
    },
  ],
  withGradients: [
    { f: knownGradient, shapes: vector },
    { f: (x) => core.exp(core.mul(knownGradient(core.sin(x)), 0.1)), shapes: vector },
  ],
  neg: [{ f: core.neg, shapes: vector }],
  abs: [{ f: core.abs, shapes: vector, draw: separated }],
  exp: [{ f: core.exp, shapes: vector }],
  log: [{ f: core.log, shapes: vector, draw: positive }],
  sqrt: [{ f: core.sqrt, shapes: vector, draw: positive }],
  sin: [{ f: core.sin, shapes: vector }],
  cos: [{ f: core.cos, shapes: vector }],
  tanh: [{ f: core.tanh, shapes: vector }],
  add: [{ f: core.add, shapes: pair }, { f: core.add, shapes: [[2, 3], [3]] }],
  sub: [{ f: core.sub, shapes: pair }, { f: core.sub, shapes: [[2, 1], [1, 3]] }],
  mul: [{ f: core.mul, shapes: pair }, { f: (x) => core.mul(x, x), shapes: vector }],
  div: [{ f: core.div, shapes: pair, draw: positive }],
  max: [
    { f: (x) => core.maximum(x, 0.5), shapes: vector, draw: separated },
    { f: core.maximum, shapes: pair },
  ],
  min: [
    { f: (x) => core.minimum(x, 0.5), shapes: vector, draw: separated },
    { f: core.minimum, shapes: pair },
  ],
  where: [{
    f: (a, b) => core.where(core.less(core.iota([2, 3], 1), 2), core.mul(a, b), core.exp(b)),
    shapes: pair,
  }],
  reshape: [{ f: (x) => core.exp(core.reshape(x, [3, 2])), shapes: [[2, 3]] }],
  permute: [{ f: (x) => core.exp(core.permute(x, [2, 0, 1])), shapes: [[2, 3, 4]] }],
  broadcast: [{ f: (x) => core.exp(core.broadcastTo(x, [4, 2, 3])), shapes: [[2, 1]] }],
  slice: [{ f: (x) => core.exp(core.slice(x, [1, 0], [2, 2])), shapes: [[4, 3]] }],
  pad: [{ f: (x) => core.exp(core.pad(x, [1, 0], [0, 2])), shapes: [[2, 3]] }],
  concat: [{
    f: (a, b) => core.exp(core.concat([a, core.mul(a, b), b], 1)),
    shapes: pair,
  }],
  sum: [
    { f: (x) => core.exp(core.sum(x)), shapes: [[2, 3]] },
    { f: (x) => core.exp(core.sumKeeping(x, [0, 2])), shapes: [[2, 3, 2]] },
    { f: (x) => core.exp(core.mean(x, [1])), shapes: [[2, 3]] },
  ],
  reduceMax: [{
    f: (x) => core.exp(core.maxKeeping(x, [1])),
    shapes: [[3, 4]],
    draw: separated,
  }],
  matmul: [
    { f: core.matmul, shapes: [[3, 4], [4, 2]] },
    { f: core.matmul, shapes: [[2, 3, 4], [2, 4, 2]] },
    { f: (x) => core.matmul(x, core.transpose(x)), shapes: [[3, 2]] },
  ],
  gather: [{
    f: (table) => core.exp(core.gather(table, ids(2, 0, 2, -1, 7))),
    shapes: [[3, 2]],
  }],
  scatter: [
    {
      f: (table, rows) => core.exp(core.scatterAdd(table, ids(2, 0, 2, -1, 7), rows)),
      shapes: [[3, 2], [5, 2]],
    },
    {
      f: (table, rows) => core.exp(core.scatterSet(table, ids(2, -1, 0, 9), rows)),
      shapes: [[3, 2], [4, 2]],
    },
  ],
  attention: [
    {
      f: (query, key, value) => core.attention({ query, key, value, ...seen }),
      shapes: attentionShapes,
    },
    {
      f: (query, key, value) => {
        const operands: AttentionOperands = { query, key, value, start: seen.start, end: seen.end };
        return core.attention(operands, { scale: -1.5 });
      },
      shapes: attentionShapes,
    },
    {
      f: (x) => core.attention({ query: x, key: x, value: x, start: seen.start, end: seen.end }),
      shapes: [[4, 2, 3]],
    },
  ],
  attentionGrad: [attentionGrad("query"), attentionGrad("key"), attentionGrad("value")],
};

for (const [name, cases] of Object.entries(CASES)) {
  cases.forEach((each, i) => {
    const label = cases.length > 1 ? `${name} (${i + 1})` : name;
    if ("f" in each) {
      Deno.test(`${label}: first and second derivatives are finite differences`, () => {
        checkDerivatives(each);
      });
    } else {
      Deno.test(`${label}: has a gradient of zero`, () => {
        const x = core.constant(Float32Array.of(0.3, -1.2, 2.5));
        const gradient = core.grad((p: Tensor) => core.sum(core.mul(core.sum(each.flat(p)), 3)))(x);
        assertEquals(evaluateGraph([gradient], new Map()), [new Float32Array(3)]);
      });
    }
  });
}
