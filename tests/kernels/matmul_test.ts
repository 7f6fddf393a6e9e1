import { generateKernel } from "../../kernels/wasm/mod.ts";
import { dequantizeRows, packMatrix, quantizeRows, unpackMatrix } from "../../src/core/mod.ts";
import type { PackedType } from "../../src/core/dtype.ts";
import type { KernelSpec, MatmulSpec, MatrixAccess } from "../../src/plan/kernel_spec.ts";
import {
  assertClose,
  assertSameBits,
  FEATURE_SETS,
  kernelRunner,
  randomFloats,
  SPLITS,
  type Words,
} from "./run_kernel.ts";

const PACKED_TYPES: readonly PackedType[] = [
  "packed_f32",
  "packed_f16",
  "packed_q8_0",
  "packed_q4_0",
  "packed_q4_1",
];

/** A [rows, columns] matrix per batch, row-major or column-major, with an offset in front. */
function layout(order: "rows" | "columns" | "spread", rows: number, columns: number): MatrixAccess {
  const offset = 3;
  if (order === "rows") {
    return { offset, batchStride: rows * columns, rowStride: columns, columnStride: 1 };
  }
  if (order === "columns") {
    return { offset, batchStride: rows * columns, rowStride: 1, columnStride: rows };
  }
  return { offset, batchStride: 2 * rows * columns, rowStride: 2 * columns, columnStride: 2 };
}

function elements(access: MatrixAccess, batch: number, rows: number, columns: number): number {
  return 3 + access.batchStride * batch + access.rowStride * rows + access.columnStride * columns;
}

function naive(spec: MatmulSpec, left: Float32Array, right: Float32Array): Float32Array {
  const { batch, m, n, k } = spec;
  const at = (a: MatrixAccess, b: number, r: number, c: number): number =>
    a.offset + b * a.batchStride + r * a.rowStride + c * a.columnStride;
  const out = new Float32Array(batch * m * n);
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let x = 0; x < k; x++) {
          sum = Math.fround(
            sum + Math.fround(left[at(spec.left, b, i, x)] * right[at(spec.right, b, x, j)]),
          );
        }
        out[(b * m + i) * n + j] = sum;
      }
    }
  }
  return out;
}

const ORDERS = ["rows", "columns", "spread"] as const;

for (const features of FEATURE_SETS) {
  const label = `fused multiply-add ${features.relaxedMadd}`;

  Deno.test(`matmul equals naive loops for every stride order and awkward size, ${label}`, () => {
    const sizes = [[1, 1, 1], [2, 17, 5], [3, 16, 8], [4, 31, 3], [6, 8, 130], [7, 33, 9]];
    sizes.push([13, 5, 400], [125, 18, 7], [5, 3, 0], [61, 16, 769], [129, 261, 400]);
    // Sums this long are held to the naive loops' bits, where a product is rounded on its own.
    if (features.relaxedMadd === "absent") sizes.push([33, 18, 4100], [70, 18, 4100]);
    for (const [m, n, k] of sizes) {
      for (const leftOrder of ORDERS) {
        for (const rightOrder of ORDERS) {
          const batch = m > 20 ? 1 : 2;
          const spec: MatmulSpec = {
            family: "matmul",
            ...{ batch, m, n, k },
            left: layout(leftOrder, m, k),
            right: layout(rightOrder, k, n),
          };
          const left = randomFloats(m, elements(spec.left, batch, m, k));
          const right = randomFloats(n, elements(spec.right, batch, k, n));
          const expected = naive(spec, left, right);
          const run = kernelRunner(spec, features);
          const name = `${m}x${n}x${k} ${leftOrder} ${rightOrder}`;
          for (const split of SPLITS) {
            const out = new Float32Array(batch * m * n).fill(NaN);
            run([left, right, out], split);
            if (features.relaxedMadd === "absent") assertSameBits(out, expected, name);
            else assertClose(out, expected, 2e-5, name);
          }
        }
      }
    }
  });

  Deno.test(`a row of a matmul has the same bits alone and among 1 to 16 rows, ${label}`, () => {
    const [n, k] = [37, 451];
    const left = randomFloats(1, 16 * k + 3);
    for (const order of ORDERS) {
      const right = layout(order, k, n);
      const weights = randomFloats(2, elements(right, 1, k, n));
      const rowsOf = (first: number, m: number): Float32Array => {
        const access = { offset: 3 + first * k, batchStride: 0, rowStride: k, columnStride: 1 };
        const out = new Float32Array(m * n);
        const spec: MatmulSpec = { family: "matmul", batch: 1, m, n, k, left: access, right };
        kernelRunner(spec, features)([left, weights, out]);
        return out;
      };
      const alone = Array.from({ length: 16 }, (_, row) => rowsOf(row, 1));
      for (let m = 1; m <= 16; m++) {
        const together = rowsOf(0, m);
        for (let row = 0; row < m; row++) {
          const part = together.subarray(row * n, (row + 1) * n);
          assertSameBits(part, alone[row], `${order}, row ${row} of ${m}`);
        }
      }
    }
  });

  Deno.test(`packed weights give the bits of the f32 matmul of their values, ${label}`, () => {
    for (const type of PACKED_TYPES) {
      const isPlain = type === "packed_f32" || type === "packed_f16";
      for (
        const [n, k] of [
          [16, 32],
          [37, 64],
          [64, 96],
          [48, 416],
          ...(isPlain ? [[5, 7], [33, 1], [384, 41], [576, 9], [768, 19]] : []),
        ]
      ) {
        const values = randomFloats(n * k, n * k);
        const packed = packMatrix(type, n, k, values);
        const weights = unpackMatrix(type, n, k, packed);
        for (const m of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 16, 17, 40]) {
          const x = randomFloats(m + 1, m * k);
          const expected = new Float32Array(m * n);
          kernelRunner({
            family: "matmul",
            ...{ batch: 1, m, n, k },
            left: { offset: 0, batchStride: 0, rowStride: k, columnStride: 1 },
            right: { offset: 0, batchStride: 0, rowStride: 1, columnStride: k },
          }, features)([x, weights, expected]);
          const run = kernelRunner({ family: "packedMatmul", weights: type, m, n, k }, features);
          for (const split of SPLITS) {
            const out = new Float32Array(m * n).fill(NaN);
            run([x, packed, out], split);
            assertSameBits(out, expected, `${type} ${m}x${n}x${k} ${split}`);
          }
        }
      }
    }
  });

  Deno.test(`dequantize and gather give the exact values of packed weights, ${label}`, () => {
    for (const type of PACKED_TYPES) {
      const isPlain = type === "packed_f32" || type === "packed_f16";
      for (const [n, k] of [[16, 32], [37, 96], ...(isPlain ? [[5, 7], [33, 1]] : [])]) {
        const packed = packMatrix(type, n, k, randomFloats(n * k, n * k));
        const weights = unpackMatrix(type, n, k, packed);
        for (const split of SPLITS) {
          const out = new Float32Array(n * k).fill(NaN);
          kernelRunner({ family: "dequantize", weights: type, n, k }, features)(
            [packed, out],
            split,
          );
          assertSameBits(out, weights, `dequantize ${type} ${n}x${k}`);
          const indices = Int32Array.of(n - 1, 0, -1, Math.floor(n / 2), n, 0);
          const rows = new Float32Array(indices.length * k).fill(NaN);
          const spec = {
            family: "gather",
            table: type,
            tableRows: n,
            rows: indices.length,
            width: k,
          } as const;
          kernelRunner(spec, features)([packed, indices, rows], split);
          const expected = new Float32Array(rows.length);
          indices.forEach((index, r) => {
            if (index < 0 || index >= n) return;
            expected.set(weights.subarray(index * k, (index + 1) * k), r * k);
          });
          assertSameBits(rows, expected, `gather ${type} ${n}x${k}`);
        }
      }
    }
  });
}

Deno.test("tiles for joined vectors give the bits of the others", () => {
  const fused = FEATURE_SETS.filter(({ relaxedMadd }) => relaxedMadd === "present");
  const bitsOf = (spec: KernelSpec, inputs: readonly Words[], count: number): Float32Array[] =>
    fused.map((features) => {
      const out = new Float32Array(count).fill(NaN);
      kernelRunner(spec, features)([...inputs, out]);
      return out;
    });
  for (const [n, k] of [[16, 32], [384, 96], [768, 288]]) {
    const values = randomFloats(n * k, n * k);
    for (const m of [1, 2, 4, 7, 8, 12, 16, 33]) {
      const x = randomFloats(m, m * k);
      const access = (columns: number) =>
        ({ offset: 0, batchStride: 0, rowStride: columns, columnStride: 1 }) as const;
      const plain: MatmulSpec = {
        family: "matmul",
        ...{ batch: 1, m, n, k },
        left: access(k),
        right: access(n),
      };
      const products: [KernelSpec, Words][] = [[plain, values]];
      for (const weights of PACKED_TYPES) {
        const spec = { family: "packedMatmul", weights, m, n, k } as const;
        products.push([spec, packMatrix(weights, n, k, values)]);
      }
      for (const [spec, weights] of products) {
        const [first, ...others] = bitsOf(spec, [x, weights], m * n);
        for (const out of others) assertSameBits(out, first, `${spec.family} ${m}x${n}x${k}`);
      }
    }
  }
});

Deno.test("kernels of empty products have no work", () => {
  const [features] = FEATURE_SETS;
  const access = { offset: 0, batchStride: 0, rowStride: 1, columnStride: 1 };
  for (const [m, n] of [[0, 4], [4, 0]]) {
    const spec: MatmulSpec = {
      family: "matmul",
      batch: 1,
      m,
      n,
      k: 3,
      left: access,
      right: access,
    };
    if (generateKernel(spec, features).units !== 0) throw new Error(`${m}x${n} has units`);
  }
});

Deno.test("integer products are the same by every way of multiplying that the engine has", () => {
  const [n, k] = [36, 96];
  for (const type of ["integer_q8_0", "integer_q4_0", "integer_q4_1"] as const) {
    // Levels and activations as large as they come, of either sign.
    const values = randomFloats(5, n * k).map((x, i) => i % 3 === 0 ? x : Math.sign(x));
    const weights = packMatrix(type, n, k, values);
    for (const m of [1, 2, 3, 4, 5, 8, 9, 17]) {
      const x = quantizeRows(randomFloats(m, m * k).map((v) => v > 0 ? 1 : -1), m, k);
      const results = FEATURE_SETS.map((features) => {
        const out = new Float32Array(m * n).fill(NaN);
        const spec = { family: "packedMatmul", weights: type, m, n, k } as const;
        kernelRunner(spec, features)([x, weights, out]);
        return out;
      });
      const expected = productOf(dequantizeRows(x, m, k), unpackMatrix(type, n, k, weights), [
        m,
        n,
        k,
      ]);
      // One level amiss is 1e-4 or more; three blocks of up to 32 in f32 are within 1e-5.
      for (const out of results) assertClose(out, expected, 1e-5, `${type}, ${m} rows`);
    }
  }
});

/** x w^T in doubles. */
function productOf(
  x: Float32Array,
  w: Float32Array,
  [m, n, k]: readonly [number, number, number],
): Float32Array {
  return Float32Array.from({ length: m * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n), i % n];
    let sum = 0;
    for (let j = 0; j < k; j++) sum += x[row * k + j] * w[column * k + j];
    return sum;
  });
}
