import { assert } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import type { Tensor } from "../../src/core/mod.ts";
import { DOUBLE, evaluateIn } from "../../src/backends/reference/mod.ts";
import { checkDerivatives, type Differentiable, positive } from "./finite_differences.ts";

const ids = (...values: number[]): Tensor => core.constant(Int32Array.from(values));

function rmsNorm(x: Tensor, gain: Tensor): Tensor {
  return core.mul(
    core.div(x, core.sqrt(core.add(core.meanKeeping(core.mul(x, x), [-1]), 1e-5))),
    gain,
  );
}

/** Rotates pairs of columns by angles that grow with the row. */
function rotate(x: Tensor): Tensor {
  const [rows, width] = x.shape;
  const angle = core.mul(core.cast(core.iota([rows, width / 2], 0), "f32"), 0.3);
  const [left, right] = [0, 1].map((i) => core.sliceAxis(x, 1, i * width / 2, width / 2));
  const [sine, cosine] = [core.sin(angle), core.cos(angle)];
  return core.concat([
    core.sub(core.mul(left, cosine), core.mul(right, sine)),
    core.add(core.mul(left, sine), core.mul(right, cosine)),
  ], 1);
}

function crossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const [rows, vocabulary] = logits.shape;
  const hit = core.equal(core.iota([rows, vocabulary], 1), core.reshape(targets, [rows, 1]));
  return core.neg(core.mean(core.sum(core.where(hit, core.logSoftmax(logits), 0), [1])));
}

function causalBlock(x: Tensor, query: Tensor, key: Tensor, value: Tensor): Tensor {
  const [rows, width] = x.shape;
  const heads = (weight: Tensor) => core.reshape(core.linear(x, weight), [rows, 2, width / 2]);
  const mixed = core.attention({
    query: heads(query),
    key: heads(key),
    value: heads(value),
    start: core.full([rows], 0, "i32"),
    end: core.add(core.iota([rows], 0), 1),
  });
  return core.add(x, core.reshape(mixed, [rows, width]));
}

const CASES: { readonly [name: string]: Differentiable } = {
  softmax: { f: core.softmax, shapes: [[3, 5]] },
  logSoftmax: { f: core.logSoftmax, shapes: [[3, 5]] },
  logSumExp: { f: core.logSumExp, shapes: [[3, 5]] },
  "softmax of logits far from zero": {
    f: (x) => core.softmax(core.add(core.mul(x, 3), 1000)),
    shapes: [[2, 4]],
  },
  sigmoid: { f: core.sigmoid, shapes: [[6]] },
  silu: { f: core.silu, shapes: [[6]] },
  "rmsNorm with a gain": { f: rmsNorm, shapes: [[3, 4], [4]] },
  "rotary embedding": { f: rotate, shapes: [[4, 6]] },
  "cross entropy": { f: (x) => crossEntropy(x, ids(2, 0, 4)), shapes: [[3, 5]] },
  "divergence of two distributions": {
    f: (a, b) =>
      core.sum(core.mul(core.softmax(a), core.sub(core.logSoftmax(a), core.logSoftmax(b)))),
    shapes: [[2, 5], [2, 5]],
  },
  "embedding, norm and tied head": {
    f: (table, gain) => {
      const hidden = rmsNorm(core.gather(table, ids(1, 3, 1)), gain);
      return crossEntropy(core.linear(hidden, table), ids(3, 1, 0));
    },
    shapes: [[4, 3], [3]],
  },
  "gated feed-forward": {
    f: (x, gate, up, down) =>
      core.linear(core.mul(core.silu(core.linear(x, gate)), core.linear(x, up)), down),
    shapes: [[2, 3], [5, 3], [5, 3], [3, 5]],
  },
  "causal attention block": { f: causalBlock, shapes: [[4, 6], [6, 6], [6, 6], [6, 6]] },
  "cache written by scatter and read by attention": {
    f: (cache, rows, query) => {
      const slots = core.scatterSet(core.reshape(cache, [5, 6]), ids(3, 1), rows);
      const key = core.reshape(slots, [5, 2, 3]);
      return core.attention({ query, key, value: key, start: ids(0, 1), end: ids(4, 2) });
    },
    shapes: [[5, 2, 3], [2, 6], [2, 2, 3]],
  },
  "quotient of norms": {
    f: (a, b) => core.div(core.sqrt(core.sum(core.mul(a, a))), core.log(core.sum(core.exp(b)))),
    shapes: [[4], [4]],
    draw: positive,
  },
};

for (const [name, each] of Object.entries(CASES)) {
  Deno.test(`${name}: first and second derivatives are finite differences`, () => {
    for (const seed of [1, 2]) checkDerivatives(each, seed);
  });
}

/** Both forms of attention on the same random operands, with and without extra slots. */
function attentionOperands(rows: number, slots: number, extras: number): Tensor[] {
  const draw = (shape: number[], seed: number) =>
    core.constant(core.normals(core.keyOf(seed), core.sizeOf(shape)), shape);
  const operands = [draw([rows, 4, 3], 1), draw([slots, 2, 3], 2), draw([slots, 2, 3], 3)];
  const start = Int32Array.from({ length: rows }, (_, r) => r % 3);
  const end = start.map((from, r) => r % 4 === 3 ? from : Math.min(slots - extras, from + r));
  const beyond = Int32Array.from(
    { length: rows * extras },
    (_, i) => i % 3 === 0 ? -1 : slots - extras + i % extras,
  );
  const windows = [core.constant(start), core.constant(end)];
  return extras === 0
    ? [...operands, ...windows]
    : [...operands, ...windows, core.constant(beyond, [rows, extras])];
}

for (const [rows, slots, extras] of [[7, 9, 0], [7, 9, 2], [1, 1, 0], [0, 4, 0], [3, 0, 0]]) {
  Deno.test(`attention of ${rows} rows, ${slots} slots and ${extras} extra is its parts`, () => {
    const operands = attentionOperands(rows, slots, extras);
    const attributes = { scale: 0.7 };
    const cotangent = core.constant(core.normals(core.keyOf(4), rows * 12), [rows, 4, 3]);
    const fused = core.node({ name: "attention", attributes }, operands);
    const grads = (["query", "key", "value"] as const).map((operand) =>
      [
        core.node({ name: "attentionGrad", attributes: { ...attributes, operand } }, [
          ...operands,
          cotangent,
        ]),
        core.attentionGradByParts([...operands, cotangent], { ...attributes, operand }),
      ] as const
    );
    const both = [[fused, core.attentionByParts(operands, attributes)] as const, ...grads];
    const values = evaluateIn(DOUBLE, both.flat(), new Map());
    for (let i = 0; i < values.length; i += 2) {
      values[i].forEach((value, j) => {
        assert(Math.abs(value - values[i + 1][j]) <= 1e-12, `${i}, ${j}: ${value}`);
      });
    }
  });
}
