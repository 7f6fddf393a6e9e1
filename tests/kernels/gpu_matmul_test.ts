/**
 * Shapes that change the kernel of a product on WebGPU: few rows, many, and so many that its tiles
 * are high. Whichever runs, rows have the same bits.
 */
import {
  dequantizeRows,
  isInteger,
  keyOf,
  normals,
  type PackedType,
  packMatrix,
  quantizedRowBytes,
  quantizeRows,
  unpackMatrix,
} from "../../src/core/mod.ts";
import type { MatmulSpec } from "../../src/plan/kernel_spec.ts";
import { BACKENDS, testOn } from "../conformance/backends.ts";
import { runCommands } from "./run_gpu_kernel.ts";
import { assertClose, assertSameBits } from "./run_kernel.ts";

const WEBGPU = BACKENDS.filter(({ name }) => name === "webgpu");

/** Columns and rows for which tiles are high, and fewer rows. */
const [COLUMNS, MANY] = [4100, 100];
const FEWER = [1, 5, 16, 40];

const values = (count: number, seed: number) => Float32Array.from(normals(keyOf(seed), count));

/** out[m, n] of rows [m, k] and a matrix [n, k], in double precision. */
function product(x: Float32Array, w: Float32Array, m: number, n: number, k: number): Float32Array {
  return Float32Array.from({ length: m * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n) * k, i % n * k];
    let sum = 0;
    for (let j = 0; j < k; j++) sum += x[row + j] * w[column + j];
    return sum;
  });
}

/** [k, n] of [n, k]. */
function transposed(w: Float32Array, n: number, k: number): Float32Array {
  return Float32Array.from({ length: n * k }, (_, i) => w[i % n * k + Math.floor(i / n)]);
}

function plainSpec(m: number, n: number, k: number, form: "A B" | "A Bt"): MatmulSpec {
  const [rowStride, columnStride] = form === "A B" ? [n, 1] : [1, k];
  return {
    family: "matmul",
    batch: 1,
    m,
    n,
    k,
    left: { offset: 0, batchStride: 0, rowStride: k, columnStride: 1 },
    right: { offset: 0, batchStride: 0, rowStride, columnStride },
  };
}

for (const backend of WEBGPU) {
  testOn(backend, "rows of a product have the same bits in tiles of every height", async (gpu) => {
    const k = 100;
    const [x, w] = [values(MANY * k, 1), values(COLUMNS * k, 2)];
    const right = { "A B": transposed(w, COLUMNS, k), "A Bt": w };
    const run = (m: number, form: "A B" | "A Bt") =>
      runCommands(gpu, { inputs: [x.slice(0, m * k), right[form]], output: m * COLUMNS }, [
        { spec: plainSpec(m, COLUMNS, k, form), args: [0, 1, 2] },
      ]);
    const all = await run(MANY, "A B");
    assertClose(all, product(x, w, MANY, COLUMNS, k), 1e-5, "many rows");
    for (const m of [...FEWER, MANY]) {
      for (const form of ["A B", "A Bt"] as const) {
        const found = await run(m, form);
        assertSameBits(found, all.slice(0, m * COLUMNS), `${m} rows, ${form}`);
      }
    }
  });

  for (const type of ["packed_q4_1", "integer_q4_1"] as const satisfies readonly PackedType[]) {
    testOn(backend, `rows of a product with ${type} weights have the same bits`, async (gpu) => {
      const k = 96;
      const x = values(MANY * k, 1);
      const packed = packMatrix(type, COLUMNS, k, values(COLUMNS * k, 2));
      const weights = new Int32Array(packed.buffer, packed.byteOffset, packed.byteLength / 4);
      const quantized = quantizeRows(x, MANY, k);
      const levels = new Int32Array(quantized.buffer);
      const left = (m: number) =>
        isInteger(type) ? levels.slice(0, m * quantizedRowBytes(k) / 4) : x.slice(0, m * k);
      const run = (m: number) =>
        runCommands(gpu, { inputs: [left(m), weights], output: m * COLUMNS }, [
          {
            spec: { family: "packedMatmul", weights: type, m, n: COLUMNS, k },
            args: [0, 1, 2],
          },
        ]);
      const all = await run(MANY);
      const read = isInteger(type) ? dequantizeRows(quantized, MANY, k) : x;
      const dense = unpackMatrix(type, COLUMNS, k, packed);
      assertClose(all, product(read, dense, MANY, COLUMNS, k), 1e-5, "many rows");
      for (const m of FEWER) {
        assertSameBits(await run(m), all.slice(0, m * COLUMNS), `${m} rows`);
      }
    });
  }
}
