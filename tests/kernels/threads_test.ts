import { assertEquals, assertThrows } from "@std/assert";
import { type WasmBackend, wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { bytesOf, countingPlan, f32Port, handPlan } from "./hand_plan.ts";
import { assertSameBits, randomFloats } from "./run_kernel.ts";

/** out = (x x) x for a square matrix, and the sums of the rows of it, which others may overtake. */
function squarePlan(n: number): Plan {
  const rows = { offset: 0, batchStride: 0, rowStride: n, columnStride: 1 };
  const product = { family: "matmul", batch: 1, m: n, n, k: n, left: rows, right: rows } as const;
  return handPlan({
    inputPorts: [f32Port([n, n])],
    outputPorts: [f32Port([n, n]), f32Port([n])],
    buffers: [
      { home: "input", index: 0 },
      { home: "output", index: 0 },
      { home: "output", index: 1 },
      { home: "slot", index: 0 },
    ],
    slots: [4 * n * n],
    commands: [
      { spec: product, args: [0, 0, 3] },
      { spec: product, args: [3, 0, 1] },
      {
        spec: {
          family: "reduce",
          shape: [n, n],
          reduced: 1,
          inputs: [{ type: "f32", strides: [n, 1], offset: 0 }],
          output: { type: "f32", strides: [1], offset: 0 },
          body: [{ op: "load", access: 0, type: "f32" }],
          combine: "sum",
        },
        args: [3, 2],
      },
    ],
  });
}

/** Runs a plan once on fresh memory; gives all output bytes. */
async function runOnce(
  backend: WasmBackend,
  plan: Plan,
  input: Float32Array,
): Promise<Uint8Array[]> {
  const executable = backend.prepare(plan);
  const inputs = [backend.allocate(input.byteLength)];
  backend.write(inputs[0], bytesOf(input), 0);
  const outputs = plan.outputPorts.map(({ bytes }) => backend.allocate(bytes));
  executable.run(inputs, outputs);
  const results = await Promise.all(
    outputs.map((output, i) => backend.read(output, 0, plan.outputPorts[i].bytes)),
  );
  executable.release();
  [...inputs, ...outputs].forEach(backend.release);
  return results;
}

/** Runs small plans until all workers of a backend take part. */
async function untilComplete(backend: WasmBackend): Promise<void> {
  const plan = countingPlan(8, 2);
  const deadline = performance.now() + 20_000;
  while (backend.lastThreads < backend.threads) {
    if (performance.now() > deadline) throw new Error("the workers did not come");
    await runOnce(backend, plan, new Float32Array(8));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

Deno.test("1, 2 and 3 threads give the same bits", async () => {
  const matrix = randomFloats(5, 200 * 200).map((x) => x / 10);
  const expected = wasmBackend();
  const wanted = await runOnce(expected, squarePlan(200), matrix);
  const line = randomFloats(6, 50_001);
  const [wantedLine] = await runOnce(expected, countingPlan(line.length, 40), line);
  expected.close();
  for (const threads of [2, 3]) {
    const backend = wasmBackend({ threads });
    for (let round = 0; round < 20; round++) {
      await untilComplete(backend);
      const found = await runOnce(backend, squarePlan(200), matrix);
      found.forEach((bytes, i) => assertSameBits(bytes, wanted[i], `${threads} threads`));
      const [foundLine] = await runOnce(backend, countingPlan(line.length, 40), line);
      assertSameBits(foundLine, wantedLine, `${threads} threads`);
    }
    backend.close();
  }
});

Deno.test("workers that ended for want of work come back", async () => {
  const backend = wasmBackend({ threads: 2 });
  await untilComplete(backend);
  const before = backend.liveAllocations;
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const input = randomFloats(1, 999);
  const [alone] = await runOnce(backend, countingPlan(999, 3), input);
  assertEquals(backend.lastThreads, 1);
  await untilComplete(backend);
  const [together] = await runOnce(backend, countingPlan(999, 3), input);
  assertSameBits(together, alone, "one and two threads");
  // One module more: the kernel of 999 elements.
  assertEquals(backend.liveAllocations, before + 1);
  backend.close();
});

Deno.test("plans with little or no work can run again before the workers have left the last run", async () => {
  const backend = wasmBackend({ threads: 3 });
  await untilComplete(backend);
  for (const count of [0, 1]) {
    const executable = backend.prepare(countingPlan(count, 1));
    const [input, output] = [backend.allocate(4 * count), backend.allocate(4 * count)];
    backend.write(input, bytesOf(new Float32Array(count).fill(2)), 0);
    for (let round = 0; round < 5000; round++) executable.run([input], [output]);
    const found = await backend.read(output, 0, 4 * count);
    assertSameBits(found, new Float32Array(count).fill(3), `${count} elements`);
  }
  backend.close();
});

Deno.test("without shared memory there is one thread, and impossible numbers are refused", () => {
  const backend = wasmBackend({ threads: 2, memory: "unshared" });
  assertEquals(backend.threads, 1);
  backend.close();
  for (const threads of [0, -1, 1.5, NaN, 1e9]) {
    assertThrows(() => wasmBackend({ threads }), OutriderError, "threads");
  }
});
