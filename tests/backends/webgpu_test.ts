import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type UsableAdapter,
  webgpuAdapter,
  type WebgpuBackend,
  webgpuBackend,
} from "../../src/backends/webgpu/mod.ts";
import { watchDevice } from "../../src/backends/webgpu/faults.ts";
import * as core from "../../src/core/mod.ts";
import { OutriderError, type Tensor } from "../../src/core/mod.ts";
import {
  compile,
  createDevice,
  type DeviceArray,
  read,
  releaseTree,
  upload,
} from "../../src/runtime/mod.ts";
import { dice } from "../property/random_graph.ts";

const found = await webgpuAdapter();
const reason = found.found === "none" ? ` (skipped: ${found.reason})` : "";

/** A test of the opened backend. */
function test(promise: string, check: (adapter: GPUAdapter) => Promise<void>): void {
  Deno.test({
    name: promise + reason,
    ignore: found.found === "none",
    fn: async () => {
      const again = await webgpuAdapter();
      if (again.found === "adapter") await check(again.adapter);
    },
  });
}

/** The adapter, and the device that it gives. */
function spied(adapter: GPUAdapter): { adapter: UsableAdapter; device: () => GPUDevice } {
  const devices: GPUDevice[] = [];
  return {
    adapter: {
      features: adapter.features,
      limits: adapter.limits,
      requestDevice: async (descriptor) => {
        const device = await adapter.requestDevice(descriptor);
        devices.push(device);
        return device;
      },
    },
    device: () => devices[0],
  };
}

Deno.test("an adapter that gives no device is one clear error", async () => {
  if (found.found === "none") {
    await assertRejects(() => webgpuBackend(), OutriderError, "adapter");
    return;
  }
  const { features, limits } = found.adapter;
  const adapter: UsableAdapter = {
    features,
    limits,
    requestDevice: () => Promise.reject(new Error("it is used up")),
  };
  await assertRejects(() => webgpuBackend({ adapter }), OutriderError, "it is used up");
});

test("any bytes can be written and read, in any order and at any place", async (adapter) => {
  const backend = await webgpuBackend({ adapter });
  for (let seed = 0; seed < 20; seed++) {
    const roll = dice(core.keyOf(seed));
    const size = 1 + roll.below(60);
    const allocation = backend.allocate(size);
    const mirror = new Uint8Array(size);
    // What nobody wrote is undefined, so that everything is written first, in some order of parts.
    const cuts = [0, roll.below(size + 1), roll.below(size + 1), size].sort((a, b) => a - b);
    const order = core.permutation(core.keyOf(seed), 3);
    const write = (from: number, to: number): void => {
      const bytes = Uint8Array.from({ length: to - from }, () => roll.below(256));
      mirror.set(bytes, from);
      backend.write(allocation, bytes, from);
    };
    for (const part of order) write(cuts[part], cuts[part + 1]);
    for (let i = 0; i < 5; i++) {
      const [from, to] = [roll.below(size + 1), roll.below(size + 1)].sort((a, b) => a - b);
      write(from, to);
      const [first, last] = [roll.below(size + 1), roll.below(size + 1)].sort((a, b) => a - b);
      assertEquals(
        await backend.read(allocation, first, last - first),
        mirror.slice(first, last),
      );
    }
    assertEquals(await backend.read(allocation, 0, size), mirror);
    backend.release(allocation);
  }
  assertEquals([backend.liveAllocations, backend.liveBytes], [0, 0]);
  backend.close();
});

test("both ways to read give the same bytes", async (adapter) => {
  for (const readback of ["awaited", "at once"] as const) {
    const backend = await webgpuBackend({ adapter, readback });
    for (const length of [4, 1000, 70_000, 300_000]) {
      const bytes = new Uint8Array(core.normals(core.keyOf(length), length / 4).buffer);
      const allocation = backend.allocate(length);
      for (let round = 0; round < 3; round++) {
        bytes[0] = round;
        backend.write(allocation, bytes, 0);
        assertEquals(await backend.read(allocation, 0, length), bytes);
      }
      const room = new Uint8Array(length);
      assert(await backend.read(allocation, 0, length, room) === room);
      assertEquals(room, bytes);
      backend.release(allocation);
    }
    assertEquals(backend.readbacks, 16);
    if (readback === "awaited") assertEquals(backend.readbackRoute, "awaited");
    backend.close();
  }
});

/** x -> 2 x + 1, a number of times, with nothing read in between. */
function repeated(backend: WebgpuBackend, length: number) {
  const device = createDevice(backend);
  const step = compile(device, (x: Tensor) => core.add(core.mul(x, 2), 1));
  return {
    device,
    step,
    start: (value: number): DeviceArray =>
      upload(device, core.hostTensor(new Float32Array(length).fill(value))),
  };
}

test("runs between which nothing is read are one submission, and compile nothing new", async (adapter) => {
  const backend = await webgpuBackend({ adapter });
  const { device, step, start } = repeated(backend, 4);
  const chain = async (runs: number): Promise<number> => {
    let x = start(0);
    for (let i = 0; i < runs; i++) {
      const next = step(x);
      x.release();
      x = next;
    }
    const [value] = await read(x);
    x.release();
    return value;
  };
  assertEquals(await chain(3), 7);
  const { pipelinesCompiled, submits, readbacks } = backend;
  assertEquals(await chain(5), 31);
  assertEquals(backend.lastDispatches, 1);
  assertEquals(backend.pipelinesCompiled, pipelinesCompiled);
  assertEquals(backend.submits, submits + 1);
  assertEquals(backend.readbacks, readbacks + 1);
  device.close();
});

test("memory that waiting commands read is not overwritten before they run", async (adapter) => {
  const backend = await webgpuBackend({ adapter });
  // Small arrays and such as are large enough to be used again at once.
  for (const length of [3, 40_000]) {
    const { step, start } = repeated(backend, length);
    const results: DeviceArray[] = [];
    for (let i = 0; i < 10; i++) {
      const x = start(i);
      results.push(step(x));
      x.release();
    }
    for (const [i, result] of results.entries()) {
      assertEquals((await read(result)).at(-1), 2 * i + 1);
    }
    releaseTree(results);
  }
  assertEquals(backend.liveAllocations, 0);
  backend.close();
});

test("arrays that are too large are refused by name of the limit", async (adapter) => {
  const backend = await webgpuBackend({ adapter });
  const most = 2 ** 34;
  for (const bytes of [most + 1, NaN]) {
    assertThrows(() => backend.allocate(bytes), OutriderError, `${most}`);
  }
  backend.close();
});

test("a lost device is one clear error at every call, and closing still works", async (adapter) => {
  const spy = spied(adapter);
  const backend = await webgpuBackend({ adapter: spy.adapter });
  const { device, step, start } = repeated(backend, 4);
  const x = start(1);
  const y = step(x);
  assertEquals(await read(y), new Float32Array(4).fill(3));
  const z = step(y);
  spy.device().destroy();
  for (let i = 0; i < 2; i++) {
    const error = await assertRejects(() => read(z), OutriderError, "lost");
    assertStringIncludes(error.cure, "last committed token");
  }
  for (const call of [() => start(1), () => step(x), () => backend.allocate(4)]) {
    assertThrows(call, OutriderError, "lost");
  }
  releaseTree([x, y, z]);
  assertEquals(device.counters().liveSlots, 0);
  device.close();
});

test("a program goes on after a loss with a new device", async (adapter) => {
  const spy = spied(adapter);
  const lost = await webgpuBackend({ adapter: spy.adapter });
  spy.device().destroy();
  lost.close();
  const backend = await webgpuBackend();
  const { device, step, start } = repeated(backend, 2);
  assertEquals(await read(step(start(4))), Float32Array.of(9, 9));
  device.close();
});

test("what the GPU refuses becomes an error of one line at the next read", async (adapter) => {
  const device = await adapter.requestDevice();
  const faults = watchDevice(device);
  faults.check();
  await faults.settled();
  faults.watch("validation", "a shader", () => device.createShaderModule({ code: "fn f( {\n" }));
  const error = await assertRejects(() => faults.settled(), OutriderError, "a shader");
  assertEquals(error.message.includes("\n"), false);
  assertThrows(() => faults.check(), OutriderError);
  faults.end();
  device.destroy();
});

test("closing twice, and using a closed backend", async (adapter) => {
  const backend = await webgpuBackend({ adapter });
  backend.close();
  backend.close();
  assertThrows(() => backend.allocate(4), OutriderError, "closed");
  await assertRejects(() => backend.read(1, 0, 4), OutriderError, "closed");
});
