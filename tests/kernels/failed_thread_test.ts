/** A thread that fails ends the run with one error, and the backend can be opened again. */
import { assertEquals, assertThrows } from "@std/assert";
import { type WasmBackend, wasmBackend } from "../../src/backends/wasm/mod.ts";
import { engineVectors } from "../../src/backends/wasm/engine_vectors.ts";
import { OutriderError } from "../../src/core/errors.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { bytesOf, countingPlan, f32Port, handPlan } from "./hand_plan.ts";
import { assertSameBits } from "./run_kernel.ts";

/** An address that ends within the memory's last page, which is never handed out. */
const NOWHERE = 0xffff_0000;

/** Two sums that need nothing of each other: one thread takes each. */
function twoSums(count: number): Plan {
  const sum = {
    family: "reduce",
    shape: [1, count],
    reduced: 1,
    inputs: [{ type: "f32", strides: [count, 1], offset: 0 }],
    output: { type: "f32", strides: [1], offset: 0 },
    body: [{ op: "load", access: 0, type: "f32" }],
    combine: "sum",
  } as const;
  return handPlan({
    inputPorts: [f32Port([count]), f32Port([count])],
    outputPorts: [f32Port([1]), f32Port([1])],
    buffers: [
      { home: "input", index: 0 },
      { home: "input", index: 1 },
      { home: "output", index: 0 },
      { home: "output", index: 1 },
    ],
    slots: [],
    commands: [{ spec: sum, args: [0, 2] }, { spec: sum, args: [1, 3] }],
  });
}

async function untilComplete(backend: WasmBackend): Promise<void> {
  const executable = backend.prepare(countingPlan(8, 2));
  const [input, output] = [backend.allocate(32), backend.allocate(32)];
  const deadline = performance.now() + 20_000;
  while (backend.lastThreads < backend.threads) {
    if (performance.now() > deadline) throw new Error("the workers did not come");
    executable.run([input], [output]);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Where the engine leaves out the checks of bounds, an address beyond the memory ends the process. */
const isChecked = engineVectors() === "apart";
const reason = isChecked ? "" : " (skipped: this engine does not check bounds)";

for (const threads of [1, 2, 3]) {
  const name = `a thread that traps gives one error and no hang, ${threads} threads${reason}`;
  Deno.test({ name, ignore: !isChecked }, async () => {
    const count = 1_000_000;
    for (let round = 0; round < 3; round++) {
      const backend = wasmBackend({ threads });
      await untilComplete(backend);
      const good = backend.allocate(4 * count);
      const outputs = [backend.allocate(4), backend.allocate(4)];
      const executable = backend.prepare(twoSums(count));
      executable.run([good, good], outputs);
      const start = performance.now();
      // The second sum traps: most often in a worker, since the caller is still at the first.
      const error = assertThrows(() => executable.run([good, NOWHERE], outputs), OutriderError);
      assertEquals(error.message.includes("open a new one"), true, error.message);
      assertEquals(performance.now() - start < 2000, true, "the run took too long to fail");
      if (threads > 1) {
        assertThrows(() => executable.run([good, good], outputs), OutriderError, "earlier");
      }
      backend.close();
    }
    const backend = wasmBackend({ threads });
    await untilComplete(backend);
    const executable = backend.prepare(countingPlan(1000, 3));
    const [input, output] = [backend.allocate(4000), backend.allocate(4000)];
    backend.write(input, bytesOf(new Float32Array(1000).fill(2)), 0);
    executable.run([input], [output]);
    const found = await backend.read(output, 0, 4000);
    assertSameBits(found, new Float32Array(1000).fill(5), "a new backend");
    backend.close();
  });
}
