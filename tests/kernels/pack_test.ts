import { assertEquals, assertThrows } from "@std/assert";
import { wasmBackend, type WasmOptions } from "../../src/backends/wasm/mod.ts";
import {
  foldIn,
  keyOf,
  normals,
  OutriderError,
  packBlocks,
  packedBytes,
  type PackedType,
  packMatrix,
  type PackOutcome,
  SAME_FORMAT,
  STORED_BYTES,
  type StoredFormat,
  uniformInteger,
} from "../../src/core/mod.ts";
import { dequantize } from "../../src/io/quantization.ts";
import { assertSameBits } from "./run_kernel.ts";

const FORMATS = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"] as const;
const TYPES = [
  "packed_f32",
  "packed_f16",
  "packed_q8_0",
  "packed_q4_0",
  "packed_q4_1",
  "integer_q8_0",
  "integer_q4_0",
  "integer_q4_1",
] as const;

/** Values that rounding and signs trip over; the last ones make factors that overflow. */
const AWKWARD: readonly (readonly number[])[] = [
  [0, -0, 0, -0],
  [-0, 0, 1, -1, 0.5, -0.5, 1.5, -1.5, 127, -127, 63.5, -63.5],
  [-0, ...Array.from({ length: 31 }, (_, i) => i + 1)],
  [127, 0.5 - 2 ** -25, 2 ** -25 - 0.5, 0.5, -0.5, 1.5 - 2 ** -23, 126.5 - 2 ** -17],
  [2 ** -14, 2 ** -15, 2 ** -24, 2 ** -25, -(2 ** -25), 3 * 2 ** -25, 2 ** -14 - 2 ** -25],
  [65504, -65504, 65519, -65519, 65520, 70000],
  [1 + 2 ** -11, 1 + 3 * 2 ** -11, -1 - 2 ** -11, 2048 + 1, 4096 + 2, 4096 + 6],
  [1e-40, -1e-40, 2e-45, 0],
  [1e-38, -3e-39, 5e-39],
];

/** Random bits of finite 16-bit floats between 2^-14 and 2, and 0 and subnormal ones now and then. */
function halfBits(seed: number, i: number): number {
  const random = uniformInteger(foldIn(keyOf(seed), i), 1 << 16);
  if (random % 37 === 0) return random & 0x8000;
  if (random % 41 === 0) return random & 0x83ff;
  return (random & 0x83ff) | ((1 + (random >> 10) % 15) << 10);
}

/** Rows as a file may hold them. */
function storedRows(
  format: StoredFormat,
  [rows, columns]: readonly [number, number],
): Uint8Array {
  const count = rows * columns;
  const blockBytes = STORED_BYTES[format];
  const bytes = new Uint8Array(count / 32 * blockBytes);
  const view = new DataView(bytes.buffer);
  if (format === "F16") {
    for (let i = 0; i < count; i++) view.setUint16(2 * i, halfBits(1, i), true);
    return bytes;
  }
  if (format === "F32" || format === "BF16") {
    const values = normals(keyOf(count), count);
    for (let at = 0, i = 0; at + 32 <= count; at += 64, i++) {
      const awkward = AWKWARD[i % AWKWARD.length];
      const turn = Math.floor(i / AWKWARD.length);
      for (let j = 0; j < 32; j++) values[at + j] = awkward[(turn + j) % awkward.length];
    }
    if (format === "F32") return new Uint8Array(values.buffer);
    const words = new Uint32Array(values.buffer);
    words.forEach((word, i) => view.setUint16(2 * i, word >>> 16, true));
    return bytes;
  }
  for (let i = 0; i < bytes.length; i++) bytes[i] = uniformInteger(foldIn(keyOf(2), i), 256);
  for (let at = 0; at < bytes.length; at += blockBytes) {
    view.setUint16(at, halfBits(3, at), true);
    if (format === "Q4_1") view.setUint16(at + 2, halfBits(4, at), true);
  }
  return bytes;
}

function expectedBytes(
  format: StoredFormat,
  type: PackedType,
  [rows, columns]: readonly [number, number],
  bytes: Uint8Array,
): Uint8Array {
  return SAME_FORMAT[type] === format
    ? packBlocks(type, rows, columns, bytes)
    : packMatrix(type, rows, columns, dequantize(format, bytes));
}

/** Packs a matrix on a backend, in parts of so many rows; gives its bytes and the first refusal. */
async function packed(
  backend: ReturnType<typeof wasmBackend>,
  format: StoredFormat,
  type: PackedType,
  [rows, columns]: readonly [number, number],
  bytes: Uint8Array,
  step = rows,
): Promise<{ bytes: Uint8Array; outcome: PackOutcome }> {
  const length = packedBytes(type, rows, columns);
  const allocation = backend.allocate(length);
  backend.write(allocation, new Uint8Array(length).fill(0xee), 0);
  const rowBytes = columns / 32 * STORED_BYTES[format];
  let outcome: PackOutcome = "packed";
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first);
    const part = bytes.subarray(first * rowBytes, (first + count) * rowBytes);
    const stored = { format, first, rows: count, columns, bytes: part };
    if (backend.pack?.(allocation, type, stored) === "unfit") outcome = "unfit";
  }
  const found = await backend.read(allocation, 0, length);
  backend.release(allocation);
  return { bytes: found, outcome };
}

const SHAPES = [[16, 32], [48, 96], [512, 64], [32, 1536]] as const;
const MACHINES: readonly WasmOptions[] = [
  { threads: 1 },
  { threads: 2 },
  { threads: 3 },
  { memory: "unshared" },
];

for (const options of MACHINES) {
  const where = options.memory ?? `${options.threads} threads`;
  Deno.test(`every stored format is packed to the bits of the host's packing: ${where}`, async () => {
    const backend = wasmBackend(options);
    for (const format of FORMATS) {
      for (const shape of SHAPES) {
        const bytes = storedRows(format, shape);
        for (const type of TYPES) {
          const expected = expectedBytes(format, type, shape, bytes);
          for (const step of [shape[0], 16]) {
            const found = await packed(backend, format, type, shape, bytes, step);
            assertEquals(found.outcome, "packed", `${format} as ${type}`);
            assertSameBits(found.bytes, expected, `${format} as ${type} ${shape} by ${step}`);
          }
        }
      }
    }
    backend.close();
  });
}

/** One row of 32 values that a type cannot hold, in each format that can. */
const UNFIT: readonly (readonly [StoredFormat, PackedType, number])[] = [
  ...(["F32", "BF16"] as const).flatMap((format) =>
    TYPES.flatMap((type): [StoredFormat, PackedType, number][] => [
      [format, type, NaN],
      [format, type, -Infinity],
    ])
  ),
  ["F32", "integer_q8_0", 65520 * 127],
  ["F32", "integer_q4_0", -65520 * 8],
  ["F32", "integer_q4_1", 65520 * 15],
  ["F32", "integer_q4_1", -65520],
  ["F32", "integer_q4_1", 3e38],
];

Deno.test("what a type cannot hold is unfit, wherever it stands, and the host says why", async () => {
  const backend = wasmBackend({ threads: 2 });
  const shape = [32, 64] as const;
  for (const [format, type, value] of UNFIT) {
    for (const place of [0, 31, 17 * 64 + 40, 32 * 64 - 1]) {
      const values = new Float32Array(32 * 64);
      values[place] = value;
      // The other end of the range, so that it has no finite width.
      if (value === 3e38) values[place - place % 32 + (place + 1) % 32] = -value;
      const bytes = format === "F32"
        ? new Uint8Array(values.buffer)
        : new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), (w) => w >>> 16).buffer);
      const found = await packed(backend, format, type, shape, bytes);
      assertEquals(found.outcome, "unfit", `${value} at ${place} as ${type}`);
      const isPlain = type === "packed_f32" || type === "packed_f16";
      if (!isPlain) assertThrows(() => expectedBytes(format, type, shape, bytes), OutriderError);
    }
  }
  for (const format of ["Q8_0", "Q4_0", "Q4_1", "F16"] as const) {
    for (const type of TYPES) {
      for (const at of format === "Q4_1" ? [0, 2] : [0]) {
        const bytes = storedRows(format, shape);
        new DataView(bytes.buffer).setUint16(37 * STORED_BYTES[format] + at, 0x7c01, true);
        const { outcome } = await packed(backend, format, type, shape, bytes);
        assertEquals(outcome, "unfit", `${format} as ${type}`);
      }
    }
  }
  backend.close();
});

Deno.test("values just small enough for a type are packed", async () => {
  const backend = wasmBackend();
  const largest: readonly (readonly [PackedType, number])[] = [
    ["integer_q8_0", 65519 * 127],
    ["integer_q4_0", -65519 * 8],
    ["integer_q4_1", 65519 * 15],
    ["packed_f16", 1e30],
  ];
  for (const [type, value] of largest) {
    const values = new Float32Array(16 * 32);
    values[100] = value;
    const bytes = new Uint8Array(values.buffer);
    const found = await packed(backend, "F32", type, [16, 32], bytes);
    assertEquals(found.outcome, "packed");
    assertSameBits(found.bytes, expectedBytes("F32", type, [16, 32], bytes), type);
  }
  backend.close();
});

Deno.test("rows that are not those of the matrix are refused", () => {
  const backend = wasmBackend();
  const allocation = backend.allocate(packedBytes("packed_f16", 32, 32));
  const pack = (first: number, rows: number, length: number) => () =>
    backend.pack?.(allocation, "packed_f16", {
      format: "F32",
      first,
      rows,
      columns: 32,
      bytes: new Uint8Array(length),
    });
  assertThrows(pack(0, 16, 16 * 128 - 4), OutriderError, "bytes");
  assertThrows(pack(0, 15, 15 * 128), OutriderError, "whole panels");
  assertThrows(pack(32, 16, 16 * 128), OutriderError, "rows to 48");
  backend.close();
});

Deno.test("packing keeps no memory but that of its plans", async () => {
  const backend = wasmBackend({ threads: 2 });
  const once = async () => {
    for (const rows of [16, 64, 512]) {
      await packed(backend, "F32", "integer_q8_0", [rows, 32], storedRows("F32", [rows, 32]));
    }
    return backend.liveAllocations;
  };
  const after = await once();
  assertEquals(await once(), after);
  backend.close();
});
