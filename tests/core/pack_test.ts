import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  foldIn,
  keyOf,
  normals,
  OutriderError,
  packBlocks,
  packedBytes,
  type PackedType,
  packMatrix,
  threefry,
  unpackMatrix,
} from "../../src/core/mod.ts";
import { dequantize, quantize, type WritableFormat } from "../../src/io/quantization.ts";

const FORMATS: { readonly [type in PackedType]: WritableFormat } = {
  packed_f32: "F32",
  packed_f16: "F16",
  packed_q8_0: "Q8_0",
  packed_q4_0: "Q4_0",
  packed_q4_1: "Q4_1",
  integer_q8_0: "Q8_0",
  integer_q4_0: "Q4_0",
  integer_q4_1: "Q4_1",
};
const TYPES = Object.entries(FORMATS).map(([type, format]) => ({ type, format }))
  .filter((entry): entry is { type: PackedType; format: WritableFormat } => entry.type in FORMATS);
const SHAPES = [[1, 32], [16, 64], [17, 96], [35, 32], [0, 32], [3, 0]] as const;

/** Bytes of a matrix in its file format, every bit pattern of finite scales allowed. */
function anyBlocks(format: WritableFormat, count: number): Uint8Array {
  const bytes = quantize(format, normals(keyOf(count), count));
  const noise = (i: number) => threefry(keyOf(7), i, count)[0];
  if (format === "F32" || format === "F16") return bytes;
  const blockBytes = bytes.length / (count / 32);
  return bytes.map((byte, i) => i % blockBytes >= (format === "Q4_1" ? 4 : 2) ? noise(i) : byte);
}

for (const { type, format } of TYPES) {
  Deno.test(`${type}: blocks of a file are kept bit for bit`, () => {
    for (const [rows, columns] of SHAPES) {
      const bytes = anyBlocks(format, rows * columns);
      const packed = packBlocks(type, rows, columns, bytes);
      assertEquals(packed.length, packedBytes(type, rows, columns));
      assertEquals(unpackMatrix(type, rows, columns, packed), dequantize(format, bytes));
    }
  });

  Deno.test(`${type}: packing numbers equals writing them to a file and packing that`, () => {
    for (const [rows, columns] of SHAPES) {
      const values = normals(foldIn(keyOf(rows), columns), rows * columns);
      values.forEach((value, i) => values[i] = value * 10 ** (i % 5 - 2));
      const blocks = packBlocks(type, rows, columns, quantize(format, values));
      assertEquals(packMatrix(type, rows, columns, values), blocks);
    }
  });

  Deno.test(`${type}: bytes at an odd address pack alike`, () => {
    const bytes = anyBlocks(format, 17 * 32);
    const shifted = new Uint8Array(bytes.length + 1).subarray(1);
    shifted.set(bytes);
    assertEquals(packBlocks(type, 17, 32, shifted), packBlocks(type, 17, 32, bytes));
  });

  Deno.test(`${type}: sizes that do not fit are refused`, () => {
    assertThrows(() => packMatrix(type, 2, 32, new Float32Array(63)), OutriderError, "64 weights");
    assertThrows(() => packBlocks(type, 2, 32, new Uint8Array(7)), OutriderError, "bytes");
    assertThrows(() => unpackMatrix(type, 2, 32, new Uint8Array(7)), OutriderError, "bytes");
  });
}

Deno.test("quantised types refuse columns that are no whole blocks", () => {
  for (const type of ["packed_q8_0", "packed_q4_0", "packed_q4_1"] as const) {
    assertThrows(() => packMatrix(type, 1, 33, new Float32Array(33)), OutriderError, "32 columns");
  }
});

Deno.test("quantised types refuse weights that are not finite or too large", () => {
  for (const type of ["packed_q8_0", "packed_q4_0", "packed_q4_1"] as const) {
    for (const bad of [NaN, Infinity, -Infinity, 3e38]) {
      const values = new Float32Array(64).fill(1);
      values[40] = bad;
      assertThrows(() => packMatrix(type, 2, 32, values), OutriderError, "finite");
    }
  }
});

Deno.test("the error of quantising stays within half a level of the block's range", () => {
  const values = normals(keyOf(3), 16 * 64);
  for (const [type, levels] of [["packed_q8_0", 254], ["packed_q4_1", 15]] as const) {
    const back = unpackMatrix(type, 16, 64, packMatrix(type, 16, 64, values));
    for (let block = 0; block < values.length; block += 32) {
      const part = values.subarray(block, block + 32);
      const range = type === "packed_q8_0"
        ? 2 * Math.max(...part.map(Math.abs))
        : Math.max(...part) - Math.min(...part);
      part.forEach((value, j) => {
        // The scale itself is rounded to 16 bits, which moves the outer levels by 2^-11 of them.
        const limit = range * (0.5 / levels + 2 ** -10);
        assert(Math.abs(back[block + j] - value) <= limit, `${type} ${value}`);
      });
    }
  }
});

Deno.test("a panel holds sixteen rows side by side, the last one padded with zeros", () => {
  const values = Float32Array.from({ length: 34 }, (_, i) => i + 1);
  const packed = new Float32Array(packMatrix("packed_f32", 17, 2, values).buffer);
  assertEquals([...packed.subarray(0, 3), ...packed.subarray(16, 19)], [1, 3, 5, 2, 4, 6]);
  assertEquals([...packed.subarray(32, 34), ...packed.subarray(48, 50)], [33, 0, 34, 0]);
});
