/** AdamW and its parts against the same steps in plain numbers. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { DOUBLE, type NumberArray, SINGLE } from "../../src/backends/reference/mod.ts";
import { foldIn, input, keyOf, normals } from "../../src/core/mod.ts";
import { adamW, linearDecay, scaleByAdam } from "../../src/optim/mod.ts";
import { runLoop } from "./stepper.ts";

const parameters = { gain: input([3]), layers: [{ weight: input([2, 4]) }] };
const sizes = [3, 8];
const gradients = { gain: input([3]), layers: [{ weight: input([2, 4]) }] };
const gradientLeaves = [gradients.gain, gradients.layers[0].weight];

function draws(seed: number): Float32Array[] {
  return sizes.map((size, i) => normals(foldIn(foldIn(keyOf(seed), i), "draw"), size));
}

const start = draws(100);
const steps = [0, 1, 2, 3, 4].map(draws);
const feeds = steps.map((step) => gradientLeaves.map((t, i) => [t, step[i]] as const));

/** AdamW by its definition: clip, moments with bias correction, decay of matrices, rate. */
function plainAdamW(rateOf: (step: number) => number): Float64Array[] {
  const [beta1, beta2, epsilon, decay, clip] = [0.8, 0.99, 1e-8, 0.1, 2];
  const weights = start.map((x) => Float64Array.from(x));
  const [m, v] = [0, 1].map(() => sizes.map((size) => new Float64Array(size)));
  steps.forEach((step, t) => {
    const norm = Math.hypot(...step.flatMap((leaf) => [...leaf]));
    step.forEach((leaf, k) =>
      leaf.forEach((raw, i) => {
        const g = raw * Math.min(1, clip / norm);
        m[k][i] = beta1 * m[k][i] + (1 - beta1) * g;
        v[k][i] = beta2 * v[k][i] + (1 - beta2) * g * g;
        const mean = m[k][i] / (1 - beta1 ** (t + 1));
        const root = Math.sqrt(v[k][i] / (1 - beta2 ** (t + 1)));
        const shrink = k === 1 ? decay * weights[k][i] : 0;
        weights[k][i] -= rateOf(t) * (mean / (root + epsilon) + shrink);
      })
    );
  });
  return weights;
}

function assertNear(found: readonly NumberArray[], expected: Float64Array[], tolerance: number) {
  found.forEach((leaf, k) =>
    leaf.forEach((x, i) => assertAlmostEquals(x, expected[k][i], tolerance))
  );
}

Deno.test("AdamW takes the steps of its definition, in f32 to 1e-6 and in doubles to 1e-12", () => {
  const options = { beta1: 0.8, beta2: 0.99, weightDecay: 0.1, clip: 2 };
  const rate = linearDecay({ warmupSteps: 2, totalSteps: 10, peak: 0.1 });
  const rateOf = (step: number) => step < 2 ? 0.1 * (step + 1) / 2 : 0.1 * (1 - (step - 1) / 8);
  const expected = plainAdamW(rateOf);
  for (const [precision, tolerance] of [[SINGLE, 1e-6], [DOUBLE, 1e-12]] as const) {
    const loop = {
      transformation: adamW({ ...options, rate }),
      parameters,
      gradients: () => gradients,
      precision,
    };
    const ran = runLoop(loop, start, feeds);
    assertNear(ran[ran.length - 1].parameters, expected, tolerance);
  }
});

Deno.test("Adam's first step is the sign of the gradient, however small, in f32", () => {
  const variable = input([4]);
  const loop = {
    transformation: scaleByAdam({ epsilon: 0 }),
    parameters: input([4]),
    gradients: () => variable,
    precision: SINGLE,
  };
  const feed = [[variable, Float32Array.of(3, -1e-9, 1e9, -0.25)] as const];
  const [{ updates }] = runLoop(loop, [new Float32Array(4)], [feed]);
  updates[0].forEach((x, i) => assertAlmostEquals(x, [1, -1, 1, -1][i], 3e-7));
});

Deno.test("Adam does not see a constant factor on all gradients, such as a batch sigma", () => {
  const updatesAt = (factor: number) => {
    const loop = {
      transformation: scaleByAdam({ epsilon: 0 }),
      parameters,
      gradients: () => gradients,
      precision: DOUBLE,
    };
    const scaled = steps.map((step) =>
      gradientLeaves.map((t, i) => [t, Float64Array.from(step[i], (x) => x * factor)] as const)
    );
    return runLoop(loop, start, scaled).map((step) => step.updates);
  };
  const [plain, scaled] = [updatesAt(1), updatesAt(7.3)];
  plain.forEach((updates, t) =>
    updates.forEach((leaf, k) =>
      leaf.forEach((x, i) => assertAlmostEquals(scaled[t][k][i], x, 1e-12))
    )
  );
});

Deno.test("bias correction stays exact after thousands of steps", () => {
  const variable = input([1]);
  const loop = {
    transformation: scaleByAdam(),
    parameters: input([1]),
    gradients: () => variable,
    precision: SINGLE,
  };
  const feed = [[variable, Float32Array.of(0.3)] as const];
  const ran = runLoop(loop, [new Float32Array(1)], Array.from({ length: 5000 }, () => feed));
  for (const { updates } of ran) assert(Math.abs(updates[0][0] - 1) < 1e-4, `${updates[0][0]}`);
});

Deno.test("the state names each average by the path of its parameter", () => {
  const { first, second } = scaleByAdam().init(parameters);
  assertEquals(Object.keys(first), ["gain", "layers.0.weight"]);
  assertEquals(second["layers.0.weight"].shape, [2, 4]);
});
