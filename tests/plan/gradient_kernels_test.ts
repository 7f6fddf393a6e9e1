import { assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import {
  attention,
  constant,
  full,
  hostTensor,
  input,
  iota,
  keyOf,
  matmul,
  maximum,
  maxKeeping,
  normals,
  pullback,
  type Tensor,
  transpose,
} from "../../src/core/mod.ts";
import { makePlan, printPlan } from "../../src/plan/mod.ts";
import { compile, createDevice, read, upload } from "../../src/runtime/mod.ts";

const SHAPE = [6, 4, 8] as const;
const drawn = (seed: number): Float32Array<ArrayBuffer> =>
  Float32Array.from(normals(keyOf(seed), SHAPE[0] * SHAPE[1] * SHAPE[2]));

function gradients(query: Tensor, key: Tensor, value: Tensor, cotangent: Tensor): Tensor[] {
  const start = full([SHAPE[0]], 0, "i32");
  const mixed = attention({ query, key, value, start, end: iota([SHAPE[0]], 0) });
  return pullback(mixed, cotangent, [query, key, value]).map((found) => found ?? full([], NaN));
}

Deno.test("all gradients of an attention are one kernel, with the bits of three", async () => {
  const inputs = [1, 2, 3, 4].map(() => input(SHAPE));
  const [query, key, value, cotangent] = inputs;
  const outputs = gradients(query, key, value, cotangent);
  const plan = printPlan(makePlan({ inputs, outputs }));
  assertEquals(plan.match(/attentionGrad/g)?.length, 1, plan);

  const device = createDevice(wasmBackend());
  const arrays = [1, 2, 3, 4].map((seed) => upload(device, hostTensor(drawn(seed), SHAPE)));
  const [a, b, c, d] = arrays;
  const together = compile(device, gradients)(a, b, c, d);
  for (const [operand, found] of together.entries()) {
    const alone = compile(
      device,
      (q: Tensor, k: Tensor, v: Tensor, g: Tensor) => gradients(q, k, v, g)[operand],
    )(a, b, c, d);
    assertEquals(await read(found), await read(alone), `operand ${operand}`);
  }
  device.close();
});

Deno.test("the gradient of a weight is computed in the order in which it is read", () => {
  const inputs = [input([5, 3]), input([4, 3]), input([5, 4])];
  const [x, weight, cotangent] = inputs;
  const [gradient = full([], 0)] = pullback(matmul(x, transpose(weight)), cotangent, [weight]);
  const { commands } = makePlan({ inputs, outputs: [gradient] });
  assertEquals(commands.map(({ spec }) => spec.family), ["matmul"]); // no copy of a transpose
});

Deno.test("a maximum with a value that is not a number is not a number", async () => {
  const device = createDevice(wasmBackend());
  const x = new Float32Array(64).fill(-2);
  x[17] = NaN;
  x[40] = 7;
  const largest = compile(device, () => [
    maxKeeping(constant(x, [2, 32]), [1]),
    maxKeeping(constant(x, [32, 2]), [0]),
    maximum(constant(x), -1),
  ])();
  const [rows, columns, bounded] = await Promise.all(largest.map((t) => read(t)));
  assertEquals([...rows], [NaN, 7]);
  assertEquals([...columns], [7, NaN]);
  assertEquals([...bounded], [...x].map((value) => Math.max(value, -1)));
  device.close();
});
