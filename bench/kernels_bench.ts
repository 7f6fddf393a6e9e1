/**
 * How fast the WebAssembly kernels are on one thread: GFLOP/s of matmuls, GB/s of what streams.
 *
 *     deno run -A bench/kernels_bench.ts [part of a name]   prints these rates
 *     deno bench -A bench/kernels_bench.ts                  prints times per call
 */
import { MINIMUM_PAGES } from "../kernels/wasm/assembler_module.ts";
import { generateKernel, probeFeatures } from "../kernels/wasm/mod.ts";
import { engineVectors } from "../src/backends/wasm/engine_vectors.ts";
import { packedBytes } from "../src/core/packed.ts";
import { quantizedBytes } from "../src/core/quantized_rows.ts";
import type { Instruction, KernelSpec, MatmulSpec } from "../src/plan/kernel_spec.ts";

/** One row of the table. */
interface Case {
  readonly name: string;
  readonly spec: KernelSpec;
  /** Bytes of each argument, in order. */
  readonly argumentBytes: readonly number[];
  readonly unit: "GFLOP/s" | "GB/s";
  /** Floating point operations, or bytes, of one call. */
  readonly amount: number;
  /** Fills arguments that must not be random. */
  readonly fill?: (words: Int32Array, argument: number) => void;
}

type Order = "rows" | "columns";

function matmul(m: number, k: number, n: number, left: Order, right: Order): Case {
  const access = (order: Order, rows: number, columns: number): MatmulSpec["left"] =>
    order === "rows"
      ? { offset: 0, batchStride: rows * columns, rowStride: columns, columnStride: 1 }
      : { offset: 0, batchStride: rows * columns, rowStride: 1, columnStride: rows };
  const spec: MatmulSpec = {
    family: "matmul",
    ...{ batch: 1, m, n, k },
    left: access(left, m, k),
    right: access(right, k, n),
  };
  return {
    name: `matmul ${m} x ${k} x ${n}, left by ${left}, right by ${right}`,
    spec,
    argumentBytes: [4 * m * k, 4 * k * n, 4 * m * n],
    unit: "GFLOP/s",
    amount: 2 * m * n * k,
  };
}

function packed(
  weights: "packed_f32" | "packed_f16" | "packed_q8_0" | "packed_q4_1",
  m: number,
  k: number,
  n: number,
): Case {
  const bytes = packedBytes(weights, n, k);
  return {
    name: `packedMatmul ${weights}, ${m} rows, ${k} -> ${n}`,
    spec: { family: "packedMatmul", weights, m, n, k },
    argumentBytes: [4 * m * k, bytes, 4 * m * n],
    unit: "GB/s",
    amount: bytes,
    // Levels and scales of any bits would bring slow subnormal numbers.
    fill: (words, argument) => argument === 1 && words.fill(0x3c003c00),
  };
}

/** Products in integers count multiply-adds as two operations, whatever memory gives. */
function integer(
  weights: "integer_q8_0" | "integer_q4_1",
  m: number,
  k: number,
  n: number,
): Case {
  return {
    name: `packedMatmul ${weights}, ${m} rows, ${k} -> ${n}`,
    spec: { family: "packedMatmul", weights, m, n, k },
    argumentBytes: [quantizedBytes(m, k), packedBytes(weights, n, k), 4 * m * n],
    unit: "GFLOP/s",
    amount: 2 * m * n * k,
    fill: (words, argument) => argument === 1 && words.fill(0x3c003c00),
  };
}

function map(name: string, count: number, body: Instruction[]): Case {
  const line = { type: "f32", strides: [1], offset: 0 } as const;
  return {
    name: `map ${name}, ${count} elements`,
    spec: { family: "map", shape: [count], inputs: [line], output: line, body },
    argumentBytes: [4 * count, 4 * count],
    unit: "GB/s",
    amount: 8 * count,
  };
}

function reduce(name: string, rows: number, columns: number, strides: [number, number]): Case {
  return {
    name: `reduce ${name}, ${rows} sums of ${columns}`,
    spec: {
      family: "reduce",
      shape: [rows, columns],
      reduced: 1,
      inputs: [{ type: "f32", strides, offset: 0 }],
      output: { type: "f32", strides: [1], offset: 0 },
      body: [{ op: "load", access: 0, type: "f32" }],
      combine: "sum",
    },
    argumentBytes: [4 * rows * columns, 4 * rows],
    unit: "GB/s",
    amount: 4 * rows * columns,
  };
}

/** Causal attention of sequences of `length` rows. */
function attention(operand: "forward" | "query" | "key" | "value", length: number): Case {
  const [sequences, heads, keyValueHeads, headWidth] = [8, 8, 4, 16];
  const rows = sequences * length;
  const sizes = {
    ...{ rows, slots: rows, heads, keyValueHeads, headWidth, extras: 0, scale: 0.25 },
    storage: "f32" as const,
  };
  const query = 4 * rows * heads * headWidth;
  const key = 4 * rows * keyValueHeads * headWidth;
  const inputs = [query, key, key, 4 * rows, 4 * rows];
  const products = { forward: 2, query: 3, key: 3, value: 2 }[operand];
  return {
    name: `attention ${operand}, ${sequences} x ${length} causal rows`,
    spec: operand === "forward"
      ? { family: "attention", ...sizes }
      : { family: "attentionGrad", operand, ...sizes },
    argumentBytes: operand === "forward"
      ? [...inputs, query]
      : [...inputs, query, operand === "query" ? query : key],
    unit: "GFLOP/s",
    amount: products * sequences * length * (length + 1) * heads * headWidth,
    fill(words, argument) {
      if (argument === 3) words.forEach((_, row) => words[row] = row - row % length);
      if (argument === 4) words.forEach((_, row) => words[row] = row + 1);
    },
  };
}

const EXP: Instruction[] = [
  { op: "load", access: 0, type: "f32" },
  { op: "exp", args: [0], type: "f32" },
];
const SCALE: Instruction[] = [
  { op: "load", access: 0, type: "f32" },
  { op: "mul", args: [0, 0], type: "f32" },
];

const CASES: readonly Case[] = [
  matmul(1024, 1024, 1024, "rows", "rows"),
  matmul(1024, 1024, 1024, "rows", "columns"),
  matmul(1024, 1024, 1024, "columns", "rows"),
  matmul(2048, 128, 352, "rows", "rows"),
  matmul(2048, 352, 128, "rows", "rows"),
  matmul(2048, 352, 128, "rows", "columns"),
  matmul(352, 2048, 128, "columns", "rows"),
  matmul(2048, 128, 8192, "rows", "columns"),
  matmul(2048, 8192, 128, "rows", "rows"),
  matmul(8192, 2048, 128, "columns", "rows"),
  matmul(1, 576, 1536, "rows", "rows"),
  matmul(1, 576, 1536, "rows", "columns"),
  matmul(4, 576, 1536, "rows", "columns"),
  ...[1, 2, 3, 4, 6, 8, 16, 512].map((m) => packed("packed_f32", m, 576, 1536)),
  ...[1, 2, 4, 8, 16].map((m) => packed("packed_f32", m, 1536, 576)),
  ...[1, 2, 4, 8, 16].map((m) => packed("packed_f32", m, 576, 49152)),
  ...[1, 2, 4, 8].map((m) => packed("packed_f16", m, 576, 49152)),
  ...[1, 2, 4, 8].map((m) => packed("packed_q8_0", m, 576, 49152)),
  ...[1, 2, 4, 8].map((m) => packed("packed_q4_1", m, 576, 49152)),
  ...[[576, 576], [576, 1536], [1536, 576], [576, 49152]].flatMap(([k, n]) =>
    [1, 2, 4, 8, 16].flatMap((m) => [
      integer("integer_q8_0", m, k, n),
      integer("integer_q4_1", m, k, n),
    ])
  ),
  map("x * x", 4096, SCALE),
  map("x * x", 4_000_000, SCALE),
  map("exp", 4096, EXP),
  reduce("along", 2048, 8192, [8192, 1]),
  reduce("across", 512, 2048, [1, 512]),
  attention("forward", 256),
  attention("query", 256),
  attention("key", 256),
  attention("value", 256),
];

const MILLISECONDS_PER_CASE = 300;
const PAGE_BYTES = 65536;

/** Seconds of one warm call: the median, and the best, which other programs disturb less. */
interface Timing {
  readonly median: number;
  readonly best: number;
}

function secondsPerCall(run: () => void): Timing {
  const start = performance.now();
  const times: number[] = [];
  while (performance.now() - start < 2 * MILLISECONDS_PER_CASE || times.length < 5) {
    const before = performance.now();
    run();
    if (before - start > MILLISECONDS_PER_CASE) times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  return { median: times[Math.floor(times.length / 2)] / 1000, best: times[0] / 1000 };
}

/** Generates a case's kernel, fills its arguments, and gives what calls it once. */
function prepare(test: Case): () => void {
  const kernel = generateKernel(test.spec, probeFeatures("shared", engineVectors()));
  const addresses: number[] = [];
  let end = 64;
  for (const bytes of test.argumentBytes) {
    addresses.push(end);
    end += Math.ceil(bytes / 64) * 64;
  }
  const pages = Math.ceil((end + kernel.scratchBytes) / PAGE_BYTES) + 1;
  const memory = new WebAssembly.Memory({
    initial: Math.max(pages, MINIMUM_PAGES),
    maximum: PAGE_BYTES,
    shared: true,
  });
  addresses.forEach((address, i) => {
    const floats = new Float32Array(memory.buffer, address, test.argumentBytes[i] / 4);
    floats.forEach((_, j) => floats[j] = (j * 7919 % 1000) / 500 - 1);
    test.fill?.(new Int32Array(memory.buffer, address, floats.length), i);
  });
  const module = new WebAssembly.Module(kernel.bytes);
  const { run } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  if (typeof run !== "function") throw new Error("the kernel exports no function");
  return () => run(...addresses, end, 0, kernel.units);
}

/** Prints the rate of every case whose name has the wanted part. */
function printRates(wanted: string): void {
  for (const test of CASES.filter((one) => one.name.includes(wanted))) {
    const { median, best } = secondsPerCall(prepare(test));
    const rate = (seconds: number): string => (test.amount / seconds / 1e9).toFixed(1).padStart(6);
    const microseconds = (median * 1e6).toFixed(0).padStart(8);
    const rates = `${rate(median)} ${test.unit.padEnd(7)} (best ${rate(best)})`;
    console.log(`${rates} ${microseconds} us  ${test.name}`);
  }
}

/** Hands every case to `deno bench`; only the memory of the case at work is kept. */
function register(): void {
  let ready: { readonly test: Case; readonly run: () => void } | undefined;
  for (const test of CASES) {
    Deno.bench({
      name: test.name,
      fn: () => {
        if (ready?.test !== test) ready = { test, run: prepare(test) };
        ready.run();
      },
    });
  }
}

if (import.meta.main) printRates(Deno.args.find((argument) => argument !== "--") ?? "");
else register();
