/** A run that fails gives back what it reserved, and leaves what it was given. */
import { assertEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { add, mul } from "../../src/core/elementwise_ops.ts";
import { hostTensor } from "../../src/core/host_tensor.ts";
import { sum } from "../../src/core/linear_ops.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { compile, createDevice, read, upload } from "../../src/runtime/mod.ts";
import { failingBackend } from "../decode/failing_backend.ts";

/** One output in the donated memory, and two that need memory of their own. */
const step = (state: Tensor, x: Tensor) => ({
  state: add(state, x),
  squares: mul(x, x),
  total: sum(x),
});

Deno.test("memory that runs out during a call leaves donated arrays alive and nothing else", async () => {
  const backend = failingBackend();
  const device = createDevice(backend);
  const run = compile(device, step, { donate: [0] });
  const state = upload(device, hostTensor(Float32Array.of(1, 2, 3)));
  const x = upload(device, hostTensor(Float32Array.of(10, 20, 30)));
  for (const allocations of [0, 1]) {
    backend.failAfter(allocations);
    assertThrows(() => run(state, x), OutriderError, "free memory");
    assertEquals([state.live, x.live, device.counters().liveSlots], [true, true, 2]);
  }
  const made = run(state, x);
  assertEquals(await read(made.state), Float32Array.of(11, 22, 33));
  assertEquals(await read(made.squares), Float32Array.of(100, 400, 900));
  assertEquals(await read(made.total), Float32Array.of(60));
  assertEquals([state.live, device.counters().liveSlots], [false, 4]);
  device.close();
});

Deno.test("a backend that fails while it runs gives outputs back as well", () => {
  const backend = failingBackend();
  let broken = true;
  const device = createDevice({
    ...backend,
    prepare: (plan) => {
      const executable = backend.prepare(plan);
      return {
        ...executable,
        run: (inputs, outputs) => {
          if (broken) throw new OutriderError("a working device", "a lost one", "open it again");
          executable.run(inputs, outputs);
        },
      };
    },
  });
  const run = compile(device, step, { donate: [0] });
  const state = upload(device, hostTensor(Float32Array.of(1, 2, 3)));
  const x = upload(device, hostTensor(Float32Array.of(10, 20, 30)));
  assertThrows(() => run(state, x), OutriderError, "a lost one");
  assertEquals([state.live, device.counters().liveSlots], [true, 2]);
  broken = false;
  run(state, x);
  assertEquals([state.live, device.counters().liveSlots], [false, 4]);
  device.close();
});
