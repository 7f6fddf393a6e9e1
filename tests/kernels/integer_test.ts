import {
  packMatrix,
  QUANTIZED_BLOCK,
  quantizedRowBytes,
  quantizeRows,
} from "../../src/core/mod.ts";
import type { PackedMatmulSpec, QuantizeSpec } from "../../src/plan/kernel_spec.ts";
import { assertSameBits, FEATURE_SETS, kernelRunner, randomFloats, SPLITS } from "./run_kernel.ts";

/** Blocks with what rounding and signs trip over among random ones. */
function awkwardRows(m: number, k: number): Float32Array {
  const values = randomFloats(m + k, m * k);
  const special = [0, -0, 127, -127, 0.5, -0.5, 63.5, 1e-38, -3e38];
  return values.map((value, i) => {
    const block = Math.floor(i / 32);
    if (block % 5 === 3) return 0;
    return block % 5 === 4 ? special[(i + block) % special.length] : value;
  });
}

Deno.test("quantised rows have the bits of the reference, words where products read them", () => {
  for (const [m, k] of [[1, 32], [3, 96], [16, 576]]) {
    const x = awkwardRows(m, k);
    const expected = quantizeRows(x, m, k);
    const records = m * quantizedRowBytes(k);
    const spec: QuantizeSpec = { family: "quantize", m, k };
    for (const features of FEATURE_SETS) {
      for (const split of SPLITS) {
        const out = new Uint8Array(expected.length);
        kernelRunner(spec, features)([x, out], split);
        const length = features.byteDot === "exact" ? records : out.length;
        assertSameBits(out.subarray(0, length), expected.subarray(0, length), `${m} x ${k}`);
      }
    }
  }
});

Deno.test("products in integers are those of levels and scales, for every number of rows", () => {
  const [n, k] = [36, 96];
  for (const type of ["integer_q8_0", "integer_q4_0", "integer_q4_1"] as const) {
    // Levels of 8 bits that are negative saturate on no machine, so each may run as if it were exact.
    const values = randomFloats(5, n * k).map((value) => -Math.abs(value));
    const weights = packMatrix(type, n, k, values);
    const product = (m: number, x: Uint8Array, features: typeof FEATURE_SETS[number]) => {
      const spec: PackedMatmulSpec = { family: "packedMatmul", weights: type, m, n, k };
      const out = new Float32Array(m * n);
      kernelRunner(spec, features)([x, weights, out]);
      return out;
    };
    const fused = FEATURE_SETS.filter(({ relaxedMadd }) => relaxedMadd === "present");
    const all = fused.flatMap((features) => [
      features,
      { ...features, byteDot: "exact" } as const,
    ]);
    for (const m of [1, 2, 3, 4, 5, 8, 9, 16]) {
      const rows = awkwardRows(m, k).map((value) => Math.abs(value) > 1e30 ? 1 : value);
      const [first, ...others] = all.map((features) =>
        product(m, quantizeRows(rows, m, k), features)
      );
      for (const out of others) assertSameBits(out, first, `${m} rows, ${type}`);
      for (let row = 0; row < m; row++) {
        const alone = product(
          1,
          quantizeRows(rows.subarray(row * k, (row + 1) * k), 1, k),
          fused[0],
        );
        assertSameBits(
          first.subarray(row * n, (row + 1) * n),
          alone,
          `row ${row} of ${m}, ${type}`,
        );
      }
    }
  }
});

Deno.test("a block's levels as words are those of its record", () => {
  const [m, k] = [2, 64];
  const bytes = quantizeRows(randomFloats(1, m * k), m, k);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < m * k; i++) {
    const block = Math.floor(i / 32);
    const place = [0, 2, 1, 3][i % 4];
    const word = m * quantizedRowBytes(k) + 2 * (i - i % 4 + place);
    const level = view.getInt8(block * QUANTIZED_BLOCK.bytes + QUANTIZED_BLOCK.head + i % 32);
    if (view.getInt16(word, true) !== level) throw new Error(`column ${i}: ${level}`);
  }
});
