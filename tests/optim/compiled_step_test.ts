/** A whole training step as one compiled plan with donated state. */
import { assert, assertEquals } from "@std/assert";
import { referenceBackend } from "../../src/backends/reference/mod.ts";
import {
  foldIn,
  hostTensor,
  keyOf,
  linear,
  normals,
  type Tensor,
  valueAndGrad,
} from "../../src/core/mod.ts";
import { acceptance, tvdPlusPlus } from "../../src/losses/mod.ts";
import { accumulate, adamW, applyUpdates, ema, skipNonFinite } from "../../src/optim/mod.ts";
import { warmupCosine } from "../../src/optim/mod.ts";
import {
  compile,
  createDevice,
  read,
  releaseTree,
  upload,
  uploadTree,
} from "../../src/runtime/mod.ts";

const [rows, width, vocabulary] = [16, 6, 10];

function draw(name: string, shape: readonly number[]) {
  const count = shape.reduce((product, size) => product * size, 1);
  return hostTensor(normals(foldIn(keyOf(3), name), count), shape);
}

Deno.test("forward, gradients and optimiser compile once, run many times and leak nothing", async () => {
  const device = createDevice(referenceBackend());
  const rate = warmupCosine({ warmupSteps: 4, totalSteps: 60, peak: 0.1 });
  const optimizer = skipNonFinite(accumulate(adamW({ rate }), 2));
  const average = ema(0.9);
  const start = (parameters: { head: Tensor }) => ({
    parameters,
    optimizer: optimizer.init(parameters),
    average: average.init(parameters),
  });
  const advance = (state: ReturnType<typeof start>, x: Tensor, target: Tensor, mask: Tensor) => {
    const loss = (p: { head: Tensor }) => tvdPlusPlus(linear(x, p.head), target, mask);
    const { gradients } = valueAndGrad(loss)(state.parameters);
    const made = optimizer.update(gradients, state.optimizer, state.parameters);
    const parameters = applyUpdates(state.parameters, made.updates);
    const next = {
      parameters,
      optimizer: made.state,
      average: average.step(state.average, parameters),
    };
    return { next, alpha: acceptance(linear(x, parameters.head), target, mask) };
  };
  const [x, target] = [draw("x", [rows, width]), draw("target", [rows, vocabulary])]
    .map((tensor) => upload(device, tensor));
  const mask = upload(device, hostTensor(new Float32Array(rows).fill(1)));
  const parameters = { head: draw("head", [vocabulary, width]) };
  let state = compile(device, start, { donate: [0] })(uploadTree(device, parameters));
  const step = compile(device, advance, { donate: [0] });
  const alphas: number[] = [];
  for (let i = 0; i < 60; i++) {
    const made = step(state, x, target, mask);
    state = made.next;
    alphas.push((await read(made.alpha))[0]);
    releaseTree(made.alpha);
  }
  assertEquals(device.counters().compiles, 2);
  assert(alphas[59] > alphas[0] + 0.1, `${alphas[0]} to ${alphas[59]}`);
  assertEquals(await read(state.optimizer.skipped), Int32Array.of(0));
  assertEquals(await read(state.optimizer.inner.inner[3].step), Int32Array.of(30));
  releaseTree([state, x, target, mask]);
  assertEquals(device.counters().liveSlots, 0);
});
