import { assertAlmostEquals, assertEquals } from "@std/assert";
import { DOUBLE, evaluateGraph, evaluateIn } from "../../src/backends/reference/mod.ts";
import { input } from "../../src/core/movement_ops.ts";
import { keyOf, normals } from "../../src/core/random.ts";
import { rmsNorm } from "../../src/nn/mod.ts";

Deno.test("rmsNorm divides every row by its own root mean square", () => {
  const epsilon = 1e-5;
  for (const width of [1, 3, 64, 129]) {
    const [x, weight] = [normals(keyOf(width), 5 * width), normals(keyOf(7), width)];
    const rows = input([5, width], "f32", "x");
    const scale = input([width], "f32", "weight");
    const bindings = new Map([[rows, x], [scale, weight]]);
    const [y] = evaluateIn(DOUBLE, [rmsNorm(rows, scale, epsilon)], bindings);
    for (let row = 0; row < 5; row++) {
      const squares = x.subarray(row * width, (row + 1) * width).reduce((s, v) => s + v * v, 0);
      for (let i = 0; i < width; i++) {
        const expected = x[row * width + i] / Math.sqrt(squares / width + epsilon) * weight[i];
        assertAlmostEquals(y[row * width + i], expected, 1e-10);
      }
    }
  }
});

Deno.test("rmsNorm of zeros is zero, and nothing of it is NaN", () => {
  const rows = input([2, 4], "f32", "x");
  const scale = input([4], "f32", "weight");
  const bindings = new Map([[rows, new Float32Array(8)], [scale, new Float32Array(4).fill(3)]]);
  assertEquals(evaluateGraph([rmsNorm(rows, scale, 1e-6)], bindings)[0], new Float32Array(8));
});
