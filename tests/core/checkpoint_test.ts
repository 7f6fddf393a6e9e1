/** Checkpoints change neither values nor gradients by a bit, and what is computed when. */
import { assert, assertEquals } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import type { Tensor } from "../../src/core/mod.ts";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { evaluateGraph } from "../../src/backends/reference/mod.ts";
import { makePlan, type Plan } from "../../src/plan/mod.ts";
import { compile, createDevice, read, upload } from "../../src/runtime/mod.ts";

const SHAPE = [6, 6] as const;
const drawn = (seed: number) => core.hostTensor(core.normals(core.keyOf(seed), 36), SHAPE);

type Step = (x: Tensor) => Tensor;
/** A composition of two weights, with each of its steps run through `keep`. */
type Composition = (keep: (f: Step) => Step, x: Tensor, a: Tensor, b: Tensor) => Tensor;

function norm(x: Tensor): Tensor {
  return core.div(x, core.sqrt(core.add(core.meanKeeping(core.mul(x, x), [-1]), 1e-5)));
}

const COMPOSITIONS: { readonly [name: string]: Composition } = {
  "elementwise steps": (keep, x) =>
    [core.sin, core.exp, core.tanh].reduce((t, f) => keep((y) => core.mul(f(y), 0.5))(t), x),
  "a residual layer that captures its weights": (keep, x, a, b) => {
    const layer = (weight: Tensor) =>
      keep((y) => core.add(y, core.linear(core.silu(core.linear(norm(y), weight)), weight)));
    return layer(b)(layer(a)(x));
  },
  "attention": (keep, x, a, b) =>
    keep((y) => {
      const heads = (weight: Tensor) => core.reshape(core.linear(y, weight), [6, 2, 3]);
      const query = heads(a);
      const [start, end] = [core.full([6], 0, "i32"), core.add(core.iota([6], 0), 1)];
      const mixed = core.attention({ query, key: heads(b), value: query, start, end });
      return core.add(y, core.reshape(mixed, SHAPE));
    })(x),
  "checkpoints inside a checkpoint": (keep, x, a, b) =>
    keep((y) => {
      const first = keep((z) => core.tanh(core.matmul(z, a)))(y);
      return keep((z) => core.softmax(core.mul(core.matmul(z, b), first)))(core.exp(first));
    })(x),
  "a lookup and what captures its own argument's past": (keep, x, a) => {
    const past = core.exp(x);
    const indices = core.constant(Int32Array.of(3, 0, 0, 5, -1, 2));
    return keep((y) => core.mul(core.gather(core.matmul(y, a), indices), past))(core.sin(past));
  },
};

/** The value of a composition and all gradients of its elements weighed unevenly. */
function scored(compose: Composition, keep: (f: Step) => Step) {
  return (x: Tensor, a: Tensor, b: Tensor): Tensor[] => {
    const weights = core.sin(core.cast(core.iota(SHAPE, 0), "f32"));
    const made = core.valueAndGrad((p: readonly Tensor[]) => {
      const [first, ...rest] = p;
      const result = compose(keep, core.sin(first), rest[0], rest[1]);
      return core.sum(core.mul(core.exp(core.mul(result, 0.3)), weights));
    })([x, a, b]);
    return [made.value, ...made.gradients];
  };
}

/** The steps under fresh names, which adds parts of gradients in the order that checkpoints do. */
const renamed = (f: Step): Step => (x) => f(core.identity(x));

function planOf(compose: Composition, keep: (f: Step) => Step): Plan {
  const inputs = [1, 2, 3].map(() => core.input(SHAPE));
  const [x, a, b] = inputs;
  return makePlan({ inputs, outputs: scored(compose, keep)(x, a, b) });
}

for (const [name, compose] of Object.entries(COMPOSITIONS)) {
  Deno.test(`${name}: value and gradients have the same bits with checkpoints`, async () => {
    const device = createDevice(wasmBackend());
    const [x, a, b] = [1, 2, 3].map((seed) => upload(device, drawn(seed)));
    const plain = compile(device, scored(compose, renamed))(x, a, b);
    const saving = compile(device, scored(compose, core.checkpoint))(x, a, b);
    for (const [i, found] of saving.entries()) {
      assertEquals(await read(found), await read(plain[i]), `wasm, output ${i}`);
    }
    device.close();
    const operands = [1, 2, 3].map((seed) =>
      core.constant(core.normals(core.keyOf(seed), 36), SHAPE)
    );
    const [u, v, w] = operands;
    assertEquals(
      evaluateGraph(scored(compose, core.checkpoint)(u, v, w), new Map()),
      evaluateGraph(scored(compose, renamed)(u, v, w), new Map()),
      "reference",
    );
  });
}

Deno.test("what a checkpoint computes is computed twice, and without gradients once", () => {
  const count = ({ commands }: Plan) =>
    commands.filter(({ spec }) => spec.family === "matmul").length;
  const layer = COMPOSITIONS["a residual layer that captures its weights"];
  const [plain, saving] = [renamed, core.checkpoint].map((keep) => count(planOf(layer, keep)));
  assertEquals(saving - plain, 2, "the first product of each layer; nobody needs the second again");
  const x = core.input(SHAPE);
  const forward = (keep: (f: Step) => Step) =>
    count(makePlan({ inputs: [x], outputs: [layer(keep, x, x, x)] }));
  assertEquals(forward(core.checkpoint), forward(renamed));
});

Deno.test("a checkpoint whose cotangent is a constant has nothing to wait for", () => {
  const x = core.input(SHAPE);
  const slope = (f: Step) =>
    makePlan({ inputs: [x], outputs: [core.grad((p: Tensor) => core.sum(f(core.exp(p))))(x)] });
  const f: Step = (y) => core.matmul(core.tanh(core.matmul(y, y)), y);
  assertEquals(slope(core.checkpoint(f)).commands.length, slope(renamed(f)).commands.length);
});

Deno.test("trees are arguments, and numbers in them stay what they are", () => {
  const f = core.checkpoint((p: { x: Tensor; scale: number }, shift: Tensor) =>
    core.add(core.mul(core.exp(p.x), p.scale), shift)
  );
  const x = core.constant(Float32Array.of(0), []);
  const gradient = core.grad((x: Tensor) => f({ x, scale: 3 }, core.mul(x, 2)))(x);
  assertEquals(evaluateGraph([gradient], new Map()), [Float32Array.of(5)]);
});

Deno.test("a packed weight is read packed, captured or given", () => {
  const inputs = [core.input([4, 64]), core.input([64, 64], "packed_q8_0")];
  const [x, weight] = inputs;
  const captured = core.checkpoint((y: Tensor) => core.tanh(core.linear(y, weight)));
  const given = core.checkpoint((y: Tensor, w: Tensor) => core.tanh(core.linear(y, w)));
  const families = (output: Tensor) =>
    makePlan({ inputs, outputs: [output] }).commands.map(({ spec }) => spec.family);
  for (const f of [captured, (y: Tensor) => given(y, weight)]) {
    assert(!families(f(x)).includes("dequantize"));
    const slope = core.grad((p: Tensor) => core.sum(core.mul(f(p), f(p))))(x);
    assertEquals(families(slope).filter((family) => family === "packedMatmul").length, 2);
  }
});
