import { assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
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
  type TensorFormat,
  type WritableFormat,
} from "../../src/io/quantization.ts";
import { createScratch } from "../../src/io/scratch.ts";
import { createDevice, type Device, uploadsTo } from "../../src/runtime/mod.ts";

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
  format: TensorFormat,
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
  const readRowsUnchecked = readRows;
  const shape = [rows, columns];
  return { name: "matrix", shape, format, readBytes, readRows, readRowsUnchecked, readFloat32 };
}

/** Gives whole matrices; without `pack`, everything is packed here. */
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
  await assertRejects(pack, OutriderError, "scales fit in 16-bit floats in matrix");
  assertEquals(abandoned, 1);
});

/** Uses a device of so many threads, which must hold nothing in the end. */
async function withDevice(threads: number, use: (device: Device) => Promise<void>): Promise<void> {
  const device = createDevice(wasmBackend({ threads }));
  try {
    await use(device);
    assertEquals(device.counters().liveSlots, 0);
  } finally {
    device.close();
  }
}

/** The bytes of a matrix after it went to a device. */
async function uploaded(
  device: Device,
  tensor: ModelTensor,
  type: PackedType,
  partBytes?: number,
): Promise<Uint8Array> {
  using array = await packRows(tensor, type, uploadsTo(device), createScratch(), partBytes);
  const length = packedBytes(type, tensor.shape[0], tensor.shape[1]);
  return await device.backend.read(array.memory.look(), 0, length);
}

for (const threads of [1, 2]) {
  Deno.test(`a device of ${threads} threads packs to the bits of the host`, () =>
    withDevice(threads, async (device) => {
      for (const format of [...FORMATS, "Q5_1"] as const) {
        for (const [rows, columns] of [...SHAPES, [40, 128]] as const) {
          const values = normals(keyOf(rows), rows * columns);
          const bytes = format === "Q5_1"
            ? new Uint8Array(rows * columns / 32 * 24).fill(0x35)
            : quantize(format, values);
          const tensor = stored(format, rows, columns, bytes);
          for (const [type] of TYPES) {
            const { data } = await packRows(tensor, type, whole, createScratch());
            for (const partBytes of [4000, undefined]) {
              const found = await uploaded(device, tensor, type, partBytes);
              assertEquals(found, data, `${format} as ${type} ${rows} x ${columns}`);
            }
          }
        }
      }
    }));
}

Deno.test("widths that are not whole blocks go to a device too", () =>
  withDevice(2, async (device) => {
    const tensor = stored("F16", 33, 20, quantize("F16", normals(keyOf(3), 33 * 20)));
    for (const type of ["packed_f32", "packed_f16"] as const) {
      const { data } = await packRows(tensor, type, whole, createScratch());
      assertEquals(await uploaded(device, tensor, type), data);
    }
  }));

Deno.test("a matrix that a device cannot pack is named, and its memory goes back", () =>
  withDevice(2, async (device) => {
    const values = normals(keyOf(2), 80 * 32);
    values[40 * 32 + 3] = 1e30;
    const tensor = stored("F32", 80, 32, quantize("F32", values));
    for (const partBytes of [4096, undefined]) {
      const pack = () => uploaded(device, tensor, "integer_q8_0", partBytes);
      await assertRejects(pack, OutriderError, "16-bit floats in matrix");
    }
  }));
