import { assert, assertAlmostEquals } from "@std/assert";
import { DOUBLE, evaluateGraph, evaluateIn, type Value } from "../../src/backends/reference/mod.ts";
import { input } from "../../src/core/movement_ops.ts";
import { keyOf, normals } from "../../src/core/random.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { reorderRopeRows } from "../../src/io/rope_rows.ts";
import { rope, ropeAngles, type RopePairing } from "../../src/nn/mod.ts";
import { turnHead } from "./plain_llama.ts";
import { smallConfig } from "./small_models.ts";

const PAIRINGS: readonly RopePairing[] = ["half", "interleaved"];
const HEADS = 3;
const POSITIONS = Int32Array.of(0, 1, 2, 17, 63, 5);

/** Turns `[positions, heads, headWidth]` with the library, in doubles. */
function turned(x: Float64Array, headWidth: number, pairing: RopePairing): Float64Array {
  const config = smallConfig({ headWidth, ropePairing: pairing });
  const rows = input([POSITIONS.length, HEADS, headWidth], "f32", "x");
  const positions = input([POSITIONS.length], "i32", "positions");
  const output = rope(rows, ropeAngles(config, positions), pairing);
  const bindings = new Map<Tensor, Value>([[rows, x], [positions, POSITIONS]]);
  return Float64Array.from(evaluateIn(DOUBLE, [output], bindings)[0]);
}

function rowsOf(headWidth: number, seed: number): Float64Array {
  return Float64Array.from(normals(keyOf(seed), POSITIONS.length * HEADS * headWidth));
}

for (const pairing of PAIRINGS) {
  Deno.test(`rope turns ${pairing} pairs by position times their own rate`, () => {
    for (const headWidth of [2, 4, 6, 32]) {
      const x = rowsOf(headWidth, headWidth);
      const expected = x.slice();
      POSITIONS.forEach((position, row) => {
        for (let head = 0; head < HEADS; head++) {
          const from = (row * HEADS + head) * headWidth;
          turnHead(expected, { from, width: headWidth, position, base: 100, pairing });
        }
      });
      // The tables are f32, so that every backend sees the same numbers.
      turned(x, headWidth, pairing).forEach((value, i) =>
        assertAlmostEquals(value, expected[i], 1e-6, `width ${headWidth}, element ${i}`)
      );
    }
  });

  Deno.test(`rope keeps the length of ${pairing} pairs, and position 0 in place`, () => {
    const x = rowsOf(8, 3);
    const y = turned(x, 8, pairing);
    const norm = (values: Float64Array) => Math.hypot(...values);
    for (let row = 0; row < POSITIONS.length * HEADS; row++) {
      const part = (values: Float64Array) => values.subarray(row * 8, row * 8 + 8);
      assertAlmostEquals(norm(part(y)), norm(part(x)), 1e-6);
    }
    for (let i = 0; i < HEADS * 8; i++) assertAlmostEquals(y[i], x[i], 0);
  });

  Deno.test(`scores of ${pairing} pairs depend on the distance of positions alone`, () => {
    const config = smallConfig({ headWidth: 8, ropePairing: pairing });
    const [query, key] = [normals(keyOf(1), 8), normals(keyOf(2), 8)];
    const score = (from: number, to: number): number => {
      const rows = input([2, 1, 8], "f32", "x");
      const positions = input([2], "i32", "positions");
      const output = rope(rows, ropeAngles(config, positions), pairing);
      const both = Float32Array.of(...query, ...key);
      const bindings = new Map<Tensor, Value>([
        [rows, both],
        [positions, Int32Array.of(from, to)],
      ]);
      const [y] = evaluateGraph([output], bindings);
      return Array.from({ length: 8 }, (_, i) => y[i] * y[8 + i]).reduce((a, b) => a + b);
    };
    const near = score(3, 1);
    for (const shift of [1, 10, 50]) assertAlmostEquals(score(3 + shift, 1 + shift), near, 2e-6);
    assert(Math.abs(score(9, 1) - near) > 0.01, "the distance matters");
  });
}

Deno.test("the two pairings are one another after a reordering of a head's elements", () => {
  for (const headWidth of [2, 4, 8, 64]) {
    const x = rowsOf(headWidth, 40 + headWidth);
    const config = smallConfig({ headWidth, width: 1, ropePairing: "half" });
    const reordered = (values: Float64Array) =>
      Float64Array.from(reorderRopeRows(Float32Array.from(values), config, "interleaved"));
    const single = Float64Array.from(Float32Array.from(x));
    const viaHalf = reordered(turned(single, headWidth, "half"));
    const viaInterleaved = turned(reordered(single), headWidth, "interleaved");
    viaHalf.forEach((value, i) =>
      assertAlmostEquals(value, Math.fround(viaInterleaved[i]), 0, `width ${headWidth}, ${i}`)
    );
  }
});

Deno.test("angles are those of the mathematical functions in every position of a long context", () => {
  const config = smallConfig({ headWidth: 8, contextLength: 5000, ropeBase: 10_000 });
  const positions = Int32Array.from([0, 1, 63, 64, 65, 127, 128, 1023, 1024, 4095, 4990, 4999]);
  const rows = input([positions.length], "i32", "positions");
  const { cosine, sine } = ropeAngles(config, rows);
  const [cosines, sines] = evaluateGraph([cosine, sine], new Map([[rows, positions]]));
  positions.forEach((position, row) => {
    for (let pair = 0; pair < 4; pair++) {
      const angle = position * 10_000 ** (-pair / 4);
      assertAlmostEquals(cosines[row * 4 + pair], Math.cos(angle), 6e-8, `cosine of ${position}`);
      assertAlmostEquals(sines[row * 4 + pair], Math.sin(angle), 6e-8, `sine of ${position}`);
    }
  });
});
