/** Every loss as it is compiled for Wasm, against the reference in doubles. */
import { assertAlmostEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { constant, hostTensor, type Tensor, valueAndGrad } from "../../src/core/mod.ts";
import { type DistillationLoss, losses, onPolicyCorrection } from "../../src/losses/mod.ts";
import { compile, createDevice, download, upload } from "../../src/runtime/mod.ts";
import { measure, randomProblem } from "./problem.ts";

const depths = constant(Int32Array.from({ length: 37 }, (_, row) => row % 4 === 3 ? row % 5 : -1));
const all: Readonly<Record<string, DistillationLoss>> = {
  ...losses,
  "on-policy": (draft, target, mask) => onPolicyCorrection(draft, target, mask, depths),
};

Deno.test("every loss and its gradient on Wasm are those of the reference", async () => {
  const device = createDevice(wasmBackend());
  const problem = randomProblem(11, 37, 65);
  const { rows, vocabulary } = problem;
  const place = (values: Float64Array, shape: readonly number[]) =>
    upload(device, hostTensor(Float32Array.from(values), shape));
  const draft = place(problem.draft, [rows, vocabulary]);
  const target = place(problem.target, [rows, vocabulary]);
  const mask = place(problem.mask, [rows]);
  for (const [name, loss] of Object.entries(all)) {
    const run = compile(device, (z: Tensor, q: Tensor, counts: Tensor) => {
      const { value, gradients } = valueAndGrad((p: Tensor) => loss(p, q, counts))(z);
      return { value, gradients };
    });
    const found = run(draft, target, mask);
    const expected = measure(loss, problem);
    assertAlmostEquals((await download(found.value)).data[0], expected.value, 1e-5, name);
    (await download(found.gradients)).data.forEach((g, i) =>
      assertAlmostEquals(g, expected.gradient[i], 1e-7, `${name}, element ${i}`)
    );
  }
  device.close();
});
