import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import { OutriderError, type Tensor } from "../../src/core/mod.ts";
import {
  compile,
  createDevice,
  type Device,
  downloadTree,
  read,
  releaseTree,
  upload,
  uploadTree,
  view,
} from "../../src/runtime/mod.ts";
import { BACKENDS, testOn } from "./backends.ts";
import { packedMatrix } from "./cases_product.ts";

const floats = (...values: number[]) => core.hostTensor(Float32Array.from(values));
const matrix = (rows: number, columns: number) =>
  core.hostTensor(core.normals(core.keyOf(rows), rows * columns), [rows, columns]);

/** What a user of any backend relies on. */
const PROMISES: { readonly [promise: string]: (device: Device) => Promise<void> } = {
  "what is uploaded comes back, whole and in parts": async (device) => {
    const array = upload(device, matrix(3, 5));
    const all = await read(array);
    assertEquals(all, core.normals(core.keyOf(3), 15));
    assertEquals(await read(array, 4, 3), all.slice(4, 7));
    assertEquals(await read(array, 15), new Float32Array());
    await assertRejects(() => read(array, 10, 6), OutriderError, "range");
    await assertRejects(() => read(array, -1, 2), OutriderError, "range");
    array.release();
  },

  "a view shows an array as it is, while others come and go, until it dies": async (device) => {
    using array = upload(device, matrix(3, 5));
    const seen = view(array);
    assertEquals(seen !== undefined, device.backend.view !== undefined);
    if (seen === undefined) return;
    const others = [1, 2, 3].map((size) =>
      upload(device, core.hostTensor(new Float32Array(size * 3e6)))
    );
    assertEquals(seen, core.normals(core.keyOf(3), 15));
    releaseTree(others);
    assertEquals(await read(array), seen);
    array.release();
    assertThrows(() => view(array), OutriderError, "release");
  },

  "weights that come again and again are refused once one has died": async (device) => {
    const weights = uploadTree(device, { a: floats(1, 2), b: floats(3, 4) });
    const sum = compile(device, ({ a, b }: { a: Tensor; b: Tensor }) => core.add(a, b));
    for (let i = 0; i < 4; i++) {
      using made = sum(weights);
      assertEquals(await read(made), Float32Array.of(4, 6));
    }
    // An array elsewhere, and one that another tree shares.
    using other = upload(device, floats(1));
    sum({ a: weights.b, b: weights.b }).release();
    other.release();
    sum(weights).release();
    weights.b.release();
    for (let i = 0; i < 2; i++) {
      assertThrows(() => sum(weights), OutriderError, "release");
      assertThrows(() => sum({ a: weights.a, b: weights.b }), OutriderError, "release");
    }
    releaseTree(weights);
    assertEquals(device.counters().liveSlots, 0);
  },

  "a second run of the same shapes compiles nothing": async (device) => {
    const step = compile(
      device,
      (x: Tensor, position: Tensor) => core.add(x, core.cast(position, "f32")),
    );
    const run = async (value: number, position: number) => {
      const args = [floats(value, 1), core.hostTensor(Int32Array.of(position), [])] as const;
      const [x, at] = args.map((tensor) => upload(device, tensor));
      const result = step(x, at);
      const values = await read(result);
      releaseTree([x, at, result]);
      return [...values];
    };
    assertEquals(await run(5, 1), [6, 2]);
    const { compiles } = device.counters();
    assertEquals(await run(7, 30), [37, 31]);
    assertEquals(device.counters().compiles, compiles);
    assertEquals(device.counters().runs, 2);
  },

  "equal graphs of different functions are one plan; other shapes are others": async (device) => {
    const x = upload(device, floats(1, 2));
    const longer = upload(device, floats(1, 2, 3));
    const first = compile(device, (p: Tensor) => core.mul(core.identity(p), 3));
    const second = compile(device, (q: Tensor) => core.mul(q, core.full([2], 3)));
    const results = [first(x), second(x)];
    assertEquals(device.counters().compiles, 1);
    assertEquals(await read(results[0]), await read(results[1]));
    const other = first(longer);
    assertEquals(device.counters().compiles, 2);
    assertEquals(await read(other), Float32Array.of(3, 6, 9));
    releaseTree([x, longer, other, results]);
  },

  "numbers among the arguments are constants: another value is another plan": async (device) => {
    const scaled = compile(device, (x: Tensor, by: { factor: number }) => core.mul(x, by.factor));
    const x = upload(device, floats(1, 2));
    const results = [scaled(x, { factor: 2 }), scaled(x, { factor: 3 }), scaled(x, { factor: 2 })];
    assertEquals(device.counters().compiles, 2);
    const values = await Promise.all(results.map((result) => read(result)));
    assertEquals(values.map(([first]) => first), [2, 3, 2]);
    releaseTree([x, results]);
  },

  "trees go in and come out with their structure": async (device) => {
    const parameters = { layers: [{ w: floats(2) }, { w: floats(3) }], bias: floats(10) };
    const arrays = uploadTree(device, parameters);
    const update = compile(device, (p: { layers: { w: Tensor }[]; bias: Tensor }) => ({
      product: p.layers.map(({ w }) => w).reduce((a, b) => core.mul(a, b)),
      steps: 1,
      nested: [core.neg(p.bias)],
    }));
    const results = update({ layers: [...arrays.layers], bias: arrays.bias });
    assertEquals(await downloadTree(results), {
      product: core.hostTensor(Float32Array.of(6)),
      steps: 1,
      nested: [core.hostTensor(Float32Array.of(-10))],
    });
    releaseTree([arrays, results]);
  },

  "a released array is dead, a second release does nothing": async (device) => {
    const double = compile(device, (x: Tensor) => core.add(x, x));
    const x = upload(device, floats(1));
    x.release();
    x.release();
    assertEquals(x.live, false);
    assertThrows(() => double(x), OutriderError, "release");
    await assertRejects(() => read(x), OutriderError, "release");
  },

  "`using` releases at the end of its block": async (device) => {
    {
      using x = upload(device, floats(1));
      assertEquals(device.counters().liveSlots, 1);
      assertEquals(await read(x), Float32Array.of(1));
    }
    assertEquals(device.counters().liveSlots, 0);
    assertEquals(device.counters().liveBytes, 0);
  },

  "a donated array's memory becomes the result's, and the old handle names who took it": async (
    device,
  ) => {
    const step = compile(
      device,
      (cache: Tensor, rows: Tensor, at: Tensor) => ({
        cache: core.scatterSet(cache, at, rows),
        seen: core.sum(core.gather(cache, at)),
      }),
      { name: "step", donate: [0] },
    );
    const cache = upload(device, matrix(7, 3));
    const rows = upload(device, matrix(2, 3));
    const at = upload(device, core.hostTensor(Int32Array.of(5, 1)));
    const place = cache.memory.look();
    const before = device.counters().liveBytes;
    const result = step(cache, rows, at);
    assertEquals(result.cache.memory.look(), place);
    assertEquals(device.counters().liveBytes, before + 4);
    const [old, fresh] = [core.normals(core.keyOf(7), 21), core.normals(core.keyOf(2), 6)];
    const expected = old.slice();
    expected.set(fresh.subarray(0, 3), 15);
    expected.set(fresh.subarray(3, 6), 3);
    assertEquals(await read(result.cache), expected);
    const [seen] = await read(result.seen);
    const total = [15, 16, 17, 3, 4, 5].reduce((sum, i) => sum + old[i], 0);
    assert(Math.abs(seen - total) < 1e-5, "the old rows are read before they are replaced");
    assertThrows(() => step(cache, rows, at), OutriderError, "step");
    await assertRejects(() => read(cache), OutriderError, "step");
    releaseTree([rows, at, result]);
  },

  "a donated table in place of which nothing else is read is changed without a copy": (device) => {
    const cache = core.input([7, 2, 3]);
    const rows = core.input([2, 6]);
    const at = core.input([2], "i32");
    const table = core.scatterSet(core.reshape(cache, [7, 6]), at, core.neg(rows));
    const graph = { inputs: [cache, rows, at], outputs: [core.reshape(table, [7, 2, 3])] };
    const { commands } = device.executable(graph, [0]).plan;
    assertEquals(commands.map(({ spec }) => spec.family), ["map", "scatter"]);
    return Promise.resolve();
  },

  "what others still need of a donated array is read before it changes": async (device) => {
    const swap = compile(
      device,
      (a: Tensor, b: Tensor) => [core.add(b, 1), core.add(a, core.sum(b))],
      { donate: [0, 1] },
    );
    const [a, b] = [upload(device, floats(1, 2)), upload(device, floats(10, 20))];
    const [x, y] = swap(a, b);
    assertEquals(await read(x), Float32Array.of(11, 21));
    assertEquals(await read(y), Float32Array.of(31, 32));
    releaseTree([x, y]);
  },

  "a donation that no result can take over is refused before anything runs": (device) => {
    const shrink = compile(device, (x: Tensor) => core.sum(x), { donate: [0] });
    const x = upload(device, floats(1, 2));
    assertThrows(() => shrink(x), OutriderError, "donated input 0");
    assertEquals(x.live, true);
    x.release();
    return Promise.resolve();
  },

  "an array cannot be donated and passed a second time": (device) => {
    const both = compile(device, (a: Tensor, b: Tensor) => core.add(a, b), { donate: [0] });
    const x = upload(device, floats(1, 2));
    assertThrows(() => both(x, x), OutriderError, "twice");
    assertEquals(x.live, true);
    x.release();
    return Promise.resolve();
  },

  "results that are equal, or that are an argument, are arrays of their own": async (device) => {
    const echo = compile(device, (x: Tensor) => {
      const doubled = core.mul(x, 2);
      return [x, doubled, doubled, core.reshape(x, [2, 1])];
    });
    const x = upload(device, floats(1, 2));
    const results = echo(x);
    x.release();
    results[1].release();
    assertEquals(await read(results[0]), Float32Array.of(1, 2));
    assertEquals(await read(results[2]), Float32Array.of(2, 4));
    assertEquals(await read(results[3]), Float32Array.of(1, 2));
    releaseTree(results);
  },

  "packed weights pass through by donation only": async (device) => {
    const weight = upload(device, packedMatrix("packed_q8_0", 17, 32));
    const keep = compile(device, (w: Tensor) => ({ w, first: core.sum(core.dense(w), [1]) }));
    assertThrows(() => keep(weight), OutriderError, "packed");
    const moved = compile(device, (w: Tensor) => ({ w, first: core.sum(core.dense(w), [1]) }), {
      donate: [0],
    })(weight);
    assertEquals(weight.live, false);
    assertEquals((await read(moved.first)).length, 17);
    await assertRejects(() => read(moved.w), OutriderError, "computed type");
    releaseTree(moved);
  },

  "more memory than there is gives one clear error": (device) => {
    assertThrows(() => device.reserve(2 ** 45), OutriderError);
    assertEquals(device.counters().liveSlots, 0);
    return Promise.resolve();
  },

  "closing gives everything back": (device) => {
    upload(device, floats(1));
    device.close();
    assertEquals(device.counters().liveSlots, 0);
    assertEquals(device.counters().liveBytes, 0);
    return Promise.resolve();
  },
};

for (const backend of BACKENDS) {
  for (const [promise, check] of Object.entries(PROMISES)) {
    testOn(backend, promise, async (opened) => {
      const device = createDevice(opened);
      await check(device);
      assertEquals(device.counters().liveSlots, 0);
      device.close();
    });
  }
}
