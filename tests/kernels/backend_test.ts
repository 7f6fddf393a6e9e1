import { assertEquals, assertThrows } from "@std/assert";
import { createAllocator, sizeClass } from "../../src/backends/wasm/allocator.ts";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { packMatrix } from "../../src/core/mod.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import { bytesOf, countingPlan, f32Port, handPlan, line } from "./hand_plan.ts";
import { assertClose, assertSameBits, randomFloats } from "./run_kernel.ts";

Deno.test("a plan of several families runs in order through slots and constants", async () => {
  // Embedding -> sum of squares per row -> packed head -> attention of each row over all rows.
  const [rows, width, vocabulary] = [5, 16, 11];
  const backend = wasmBackend();
  const table = randomFloats(1, vocabulary * width);
  const head = randomFloats(2, width * width);
  const ids = Int32Array.of(3, 0, 10, 7, 3);
  const heads = { heads: 2, keyValueHeads: 2, headWidth: 8, extras: 0, scale: 0.5 };
  const plan = handPlan({
    inputPorts: [f32Port([vocabulary, width]), { shape: [rows], type: "i32", bytes: 4 * rows }, {
      shape: [width, width],
      type: "packed_f32",
      bytes: 4 * width * width,
    }],
    outputPorts: [f32Port([rows, width]), f32Port([rows])],
    buffers: [
      { home: "input", index: 0 },
      { home: "input", index: 1 },
      { home: "input", index: 2 },
      { home: "output", index: 0 },
      { home: "output", index: 1 },
      { home: "slot", index: 0 },
      { home: "slot", index: 1 },
      { home: "constant", data: new Int32Array(rows) },
      { home: "constant", data: Int32Array.of(1, 2, 3, 4, 5) },
    ],
    slots: [4 * rows * width, 4 * rows * width],
    commands: [
      {
        spec: { family: "gather", table: "f32", tableRows: vocabulary, rows, width },
        args: [0, 1, 5],
      },
      {
        spec: {
          family: "reduce",
          shape: [rows, width],
          reduced: 1,
          inputs: [{ type: "f32", strides: [width, 1], offset: 0 }],
          output: line("f32"),
          body: [{ op: "load", access: 0, type: "f32" }, { op: "mul", args: [0, 0], type: "f32" }],
          combine: "sum",
        },
        args: [5, 4],
      },
      {
        spec: { family: "packedMatmul", weights: "packed_f32", m: rows, n: width, k: width },
        args: [5, 2, 6],
      },
      {
        spec: { family: "attention", rows, slots: rows, ...heads, storage: "f32" },
        args: [6, 5, 5, 7, 8, 3],
      },
    ],
  });
  const executable = backend.prepare(plan);
  const upload = (array: Float32Array | Int32Array | Uint8Array): number => {
    const allocation = backend.allocate(array.byteLength);
    backend.write(allocation, bytesOf(array), 0);
    return allocation;
  };
  const inputs = [upload(table), upload(ids), upload(packMatrix("packed_f32", width, width, head))];
  const outputs = [backend.allocate(4 * rows * width), backend.allocate(4 * rows)];
  executable.run(inputs, outputs);
  const read = async (allocation: number, bytes: number): Promise<Float32Array> =>
    new Float32Array((await backend.read(allocation, 0, bytes)).buffer);
  const embedded = [...ids].map((id) => [...table.subarray(id * width, (id + 1) * width)]);
  const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
  assertClose(await read(outputs[1], 4 * rows), embedded.map((row) => dot(row, row)), 1e-5, "sums");
  const queries = embedded.map((row) =>
    Array.from(
      { length: width },
      (_, n) => dot(row, [...head.subarray(n * width, (n + 1) * width)]),
    )
  );
  const expected = queries.flatMap((query, row) =>
    [0, 1].flatMap((h) => {
      const part = (vector: number[]): number[] => vector.slice(8 * h, 8 * h + 8);
      const powers = embedded.slice(0, row + 1).map((key) =>
        Math.exp(0.5 * dot(part(query), part(key)))
      );
      const sum = powers.reduce((a, b) => a + b, 0);
      return Array.from({ length: 8 }, (_, d) =>
        powers.reduce((out, power, i) => out + power / sum * embedded[i][8 * h + d], 0));
    })
  );
  assertClose(await read(outputs[0], 4 * rows * width), expected, 1e-4, "attention");
  executable.release();
  for (const allocation of [...inputs, ...outputs]) backend.release(allocation);
  assertEquals(backend.liveAllocations, 1, "only the arena is left");
  backend.close();
});

Deno.test("2,000 commands run in one call, and equal specs compile once per backend", async () => {
  for (const memory of ["shared", "unshared"] as const) {
    const backend = wasmBackend({ memory });
    const executable = backend.prepare(countingPlan(37, 2000));
    assertEquals(backend.kernelsCompiled, 1);
    const [input, output] = [backend.allocate(4 * 37), backend.allocate(4 * 37)];
    backend.write(input, bytesOf(Float32Array.from({ length: 37 }, (_, i) => i)), 0);
    executable.run([input], [output]);
    const result = new Float32Array((await backend.read(output, 0, 4 * 37)).buffer);
    assertSameBits(result, Float32Array.from({ length: 37 }, (_, i) => i + 2000), memory);
    backend.prepare(countingPlan(37, 3));
    assertEquals(backend.kernelsCompiled, 1);
    backend.prepare(countingPlan(38, 3));
    assertEquals(backend.kernelsCompiled, 2);
    backend.close();
  }
});

Deno.test("a plan still runs after a larger one has moved the arena of temporaries", async () => {
  const backend = wasmBackend();
  const small = backend.prepare(countingPlan(5, 4));
  const [input, output] = [backend.allocate(20), backend.allocate(20)];
  backend.write(input, bytesOf(new Float32Array(5)), 0);
  small.run([input], [output]);
  const large = backend.prepare(countingPlan(300_000, 4));
  const [bigInput, bigOutput] = [backend.allocate(1_200_000), backend.allocate(1_200_000)];
  backend.write(bigInput, bytesOf(new Float32Array(300_000).fill(3)), 0);
  large.run([bigInput], [bigOutput]);
  backend.write(output, new Uint8Array(20), 0);
  small.run([input], [output]);
  const result = new Float32Array((await backend.read(output, 0, 20)).buffer);
  assertSameBits(result, new Float32Array(5).fill(4), "small plan");
  const big = new Float32Array((await backend.read(bigOutput, 0, 1_200_000)).buffer);
  assertSameBits(big, new Float32Array(300_000).fill(7), "large plan");
  backend.close();
});

Deno.test("misuse of the backend gives one clear error", () => {
  const backend = wasmBackend();
  const executable = backend.prepare(countingPlan(4, 2));
  assertThrows(() => executable.run([], [64]), OutriderError, "1 inputs, found 0");
  executable.release();
  executable.release();
  assertThrows(() => executable.run([64], [64]), OutriderError, "a released one");
  const allocation = backend.allocate(8);
  backend.release(allocation);
  assertThrows(() => backend.release(allocation), OutriderError, "allocation in use");
  assertThrows(() => backend.allocate(2 ** 33), OutriderError, "free bytes");
  const other = backend.allocate(8);
  assertThrows(() => backend.write(other, new Uint8Array(1), 2 ** 33), OutriderError, "a part of");
  assertThrows(() => backend.read(other, 60, 8), OutriderError, "a part of");
  backend.close();
  assertThrows(() => backend.allocate(8), OutriderError, "closed");
});

Deno.test("the allocator never hands out overlapping ranges, reuses them, and ends at its limit", () => {
  const limit = 2 ** 20;
  const allocator = createAllocator(limit, (bytes) => bytes <= limit);
  const live = new Map<number, number>();
  for (let step = 0; step < 4000; step++) {
    const key = foldIn(keyOf(9), step);
    if (uniformInteger(key, 2) === 0 && live.size > 0) {
      const address = [...live.keys()][uniformInteger(foldIn(key, 1), live.size)];
      allocator.release(address);
      live.delete(address);
      continue;
    }
    const bytes = uniformInteger(foldIn(key, 2), 9000);
    try {
      const address = allocator.allocate(bytes);
      assertEquals(address % 64, 0);
      for (const [other, length] of live) {
        const apart = address + bytes <= other || other + length <= address;
        if (!apart || address === other) throw new Error(`${address} overlaps ${other}`);
      }
      live.set(address, bytes);
    } catch (error) {
      if (!(error instanceof OutriderError)) throw error;
    }
  }
  for (const address of live.keys()) allocator.release(address);
  assertEquals([allocator.liveRanges, allocator.liveBytes], [0, 0]);
  for (const bytes of [0, 1, 64, 65, 1000, 4097, 1e6, 123456789]) {
    const size = sizeClass(bytes);
    if (size < bytes || size % 64 !== 0 || size > Math.max(64, bytes * 1.125 + 64)) {
      throw new Error(`${bytes} -> ${size}`);
    }
  }
});
