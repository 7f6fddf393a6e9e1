import type { GatherSpec, ScatterSpec } from "../../src/plan/kernel_spec.ts";
import {
  assertSameBits,
  FEATURE_SETS,
  kernelRunner,
  randomFloats,
  randomIntegers,
  SPLITS,
} from "./run_kernel.ts";

const [FEATURES] = FEATURE_SETS;

Deno.test("gather copies table rows, and gives zeros for indices outside of the table", () => {
  for (
    const [tableRows, rows, width] of [[1, 1, 1], [5, 9, 3], [7, 4, 64], [3, 11, 130], [4, 0, 5], [
      4,
      3,
      0,
    ]]
  ) {
    const table = randomFloats(width, tableRows * width);
    const indices = randomIntegers(rows, rows, -2, tableRows + 2);
    const expected = new Float32Array(rows * width);
    indices.forEach((index, r) => {
      if (index < 0 || index >= tableRows) return;
      expected.set(table.subarray(index * width, (index + 1) * width), r * width);
    });
    const spec: GatherSpec = { family: "gather", table: "f32", tableRows, rows, width };
    for (const split of SPLITS) {
      const out = new Float32Array(rows * width).fill(NaN);
      kernelRunner(spec, FEATURES)([table, indices, out], split);
      assertSameBits(out, expected, `${tableRows} ${rows} ${width}`);
    }
  }
});

Deno.test("scatter adds or sets rows in order, and drops indices outside of the table", () => {
  for (const type of ["f32", "i32"] as const) {
    for (const mode of ["add", "set"] as const) {
      for (
        const [tableRows, rows, width] of [[1, 1, 1], [5, 19, 3], [7, 4, 64], [3, 11, 130], [
          4,
          0,
          5,
        ], [6, 8, 200]]
      ) {
        const numbers = (seed: number, count: number): Float32Array | Int32Array =>
          type === "f32" ? randomFloats(seed, count) : randomIntegers(seed, count, -100, 100);
        const table = numbers(1, tableRows * width);
        const updates = numbers(2, rows * width);
        const indices = randomIntegers(rows, rows, -2, tableRows + 2);
        const expected = table.slice();
        indices.forEach((index, r) => {
          if (index < 0 || index >= tableRows) return;
          for (let i = 0; i < width; i++) {
            const old = mode === "add" ? expected[index * width + i] : 0;
            expected[index * width + i] = old + updates[r * width + i];
          }
        });
        const spec: ScatterSpec = { family: "scatter", ...{ mode, type, tableRows, rows, width } };
        for (const split of SPLITS) {
          const out = table.slice();
          kernelRunner(spec, FEATURES)([indices, updates, out], split);
          assertSameBits(out, expected, `${mode} ${type} ${tableRows} ${rows} ${width}`);
        }
      }
    }
  }
});
