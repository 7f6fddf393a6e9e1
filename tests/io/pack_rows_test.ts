import { assertEquals, assertRejects } from "@std/assert";
import {
  type HostTensor,
  keyOf,
  normals,
  OutriderError,
  packBlocks,
  packedBytes,
  type PackedType,
  packMatrix,
  type TensorSink,
} from "../../src/core/mod.ts";
import { memorySource } from "../../src/io/bytes.ts";
import { hostSink } from "../../src/io/host_sink.ts";
import type { ModelTensor } from "../../src/io/model_file.ts";
import { packRows } from "../../src/io/pack_rows.ts";
import {
  dequantize,
  formatBytes,
  quantize,
  type WritableFormat,
} from "../../src/io/quantization.ts";
import { createScratch } from "../../src/io/scratch.ts";

const FORMATS: readonly WritableFormat[] = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"];
/** Packed types, and the format whose blocks each takes over. */
const TYPES: readonly (readonly [PackedType, WritableFormat])[] = [
  ["packed_f32", "F32"],
  ["packed_f16", "F16"],
  ["packed_q8_0", "Q8_0"],
  ["packed_q4_0", "Q4_0"],
  ["packed_q4_1", "Q4_1"],
  ["integer_q8_0", "Q8_0"],
  ["integer_q4_0", "Q4_0"],
  ["integer_q4_1", "Q4_1"],
];
const SHAPES = [[1, 32], [16, 64], [35, 96], [131, 32]] as const;

/** The matrix as a tensor of a file of nothing but it, whose reads may use scratch memory. */
function stored(
  format: WritableFormat,
  rows: number,
  columns: number,
  bytes: Uint8Array,
): ModelTensor {
  const source = memorySource(bytes);
  const rowBytes = formatBytes(format, columns);
  const readRows: ModelTensor["readRows"] = async (first, count, scratch) => {
    const part = await source.read(first * rowBytes, count * rowBytes);
    if (scratch === undefined) return part;
    scratch.set(part);
    return scratch.subarray(0, part.length);
  };
  const readBytes = () => readRows(0, rows);
  const readFloat32 = async () => dequantize(format, await readBytes());
  return { name: "matrix", shape: [rows, columns], format, readBytes, readRows, readFloat32 };
}

const whole = hostSink((tensor: HostTensor) => tensor);

for (const format of FORMATS) {
  Deno.test(`${format} matrices packed in parts have the bits of packing them at once`, async () => {
    const scratch = createScratch();
    for (const [rows, columns] of SHAPES) {
      const bytes = quantize(format, normals(keyOf(rows), rows * columns));
      const tensor = stored(format, rows, columns, bytes);
      for (const [type, same] of TYPES) {
        const expected = same === format
          ? packBlocks(type, rows, columns, bytes)
          : packMatrix(type, rows, columns, dequantize(format, bytes));
        for (const partBytes of [1, 5000, 1 << 20]) {
          const found = await packRows(tensor, type, whole, scratch, partBytes);
          assertEquals(found.data, expected, `${type} ${rows} x ${columns} in ${partBytes}`);
        }
      }
    }
  });
}

Deno.test("a sink that is given parts never sees one that is larger than asked for", async () => {
  const tensor = stored("F32", 320, 64, quantize("F32", normals(keyOf(1), 320 * 64)));
  const sizes: number[] = [];
  const sink: TensorSink<number> = {
    begin: () => ({
      write: (bytes) => sizes.push(bytes.length),
      end: () => sizes.reduce((sum, size) => sum + size, 0),
      abandon: () => {},
    }),
  };
  const total = await packRows(tensor, "packed_f16", sink, createScratch(), 20_000);
  assertEquals(total, packedBytes("packed_f16", 320, 64));
  assertEquals(sizes.every((size) => size <= 20_000), true);
});

Deno.test("a matrix that cannot be read or packed is abandoned", async () => {
  const [rows, width] = [80, 32];
  const values = normals(keyOf(2), rows * width);
  values[40 * width + 3] = NaN;
  let abandoned = 0;
  const sink: TensorSink<string> = {
    begin: () => ({ write: () => {}, end: () => "whole", abandon: () => abandoned++ }),
  };
  const damaged = stored("F32", rows, width, quantize("F32", values));
  const pack = () => packRows(damaged, "packed_q8_0", sink, createScratch(), 4096);
  await assertRejects(pack, OutriderError, "finite");
  assertEquals(abandoned, 1);
});
