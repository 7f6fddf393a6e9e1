/**
 * P8: a row's bits do not depend on how many rows run with it, nor on where it stands among them.
 */
import { assertEquals } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import type { HostArray, HostTensor, PackedType, Tensor } from "../../src/core/mod.ts";
import { rmsNorm } from "../../src/nn/rms_norm.ts";
import {
  compile,
  createDevice,
  type Device,
  read,
  releaseTree,
  upload,
} from "../../src/runtime/mod.ts";
import { BACKENDS, casesFor, testOn } from "./backends.ts";
import { drawn, normal } from "./case.ts";
import { PACKED_TYPES, packedMatrix } from "./cases_product.ts";

/** A function of rows: operands that have a row per row, and operands that all rows share. */
interface RowFunction {
  readonly label: string;
  /** Operands [rows, ...] of the full set of rows. */
  readonly rows: readonly HostTensor[];
  readonly shared: readonly HostTensor[];
  readonly f: (rows: readonly Tensor[], shared: readonly Tensor[]) => Tensor;
}

const ROWS = 67;
/** Groups that run together: alone, few, a tile and one more, many. */
const GROUPS = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33, ROWS];

const matrix = (columns: number, seed: number) => drawn([ROWS, columns], normal, seed);

function products(): RowFunction[] {
  return [[1, 64], [17, 65], [130, 130], [16, 576]].flatMap(([out, inner]): RowFunction[] => [{
    label: `linear to [${out}, ${inner}]`,
    rows: [matrix(inner, 1)],
    shared: [drawn([out, inner], normal, 2)],
    f: ([x], [weight]) => core.linear(x, weight),
  }, {
    label: `product with [${inner}, ${out}]`,
    rows: [matrix(inner, 1)],
    shared: [drawn([inner, out], normal, 2)],
    f: ([x], [weight]) => core.matmul(x, weight),
  }]);
}

function packedProduct(type: PackedType): RowFunction[] {
  return [[1, 64], [17, 96], [130, 160], [48, 576]].map(([out, inner]): RowFunction => ({
    label: `linear to ${type}[${out}, ${inner}]`,
    rows: [matrix(inner, 1)],
    shared: [packedMatrix(type, out, inner)],
    f: ([x], [weight]) => core.linear(x, weight),
  }));
}

/** Rows that see different windows, some of them none, and two slots of a tree. */
function attentionRows(heads: number, groups: number, width: number): RowFunction {
  const slots = 150;
  const end = Int32Array.from({ length: ROWS }, (_, r) => (r * 37) % 141);
  const start = end.map((to, r) => r % 3 === 0 ? 0 : Math.max(0, to - 20));
  const extra = Int32Array.from(
    { length: 2 * ROWS },
    (_, i) => i % 5 < 2 ? -1 : 141 + i % 9,
  );
  return {
    label: `attention of ${heads} heads on ${groups}, width ${width}`,
    rows: [
      drawn([ROWS, heads, width], normal, 1),
      core.hostTensor(start),
      core.hostTensor(end),
      core.hostTensor(extra, [ROWS, 2]),
    ],
    shared: [drawn([slots, groups, width], normal, 2), drawn([slots, groups, width], normal, 3)],
    f: ([query, from, to, beyond], [key, value]) =>
      core.attention({ query, key, value, start: from, end: to, extra: beyond }),
  };
}

function gated(type: PackedType): RowFunction {
  return {
    label: `norm, gated feed-forward of ${type} and softmax`,
    rows: [matrix(64, 1)],
    shared: [
      drawn([64], normal, 2),
      packedMatrix(type, 96, 64),
      packedMatrix(type, 96, 64),
      packedMatrix(type, 64, 96),
    ],
    f: ([x], [gain, gate, up, down]) => {
      const normed = rmsNorm(x, gain, 1e-5);
      const hidden = core.mul(core.silu(core.linear(normed, gate)), core.linear(normed, up));
      return core.softmax(core.add(x, core.linear(hidden, down)));
    },
  };
}

const FUNCTIONS: readonly RowFunction[] = [
  ...products(),
  ...PACKED_TYPES.flatMap(packedProduct),
  ...PACKED_TYPES.map(gated),
  attentionRows(2, 1, 17),
  attentionRows(9, 3, 64),
  ...[17, 64, 130].flatMap((width): RowFunction[] => [{
    label: `rmsNorm of width ${width}`,
    rows: [matrix(width, 1)],
    shared: [drawn([width], normal, 2)],
    f: ([x], [gain]) => rmsNorm(x, gain, 1e-5),
  }, {
    label: `softmax of width ${width}`,
    rows: [matrix(width, 1)],
    shared: [],
    f: ([x]) => core.softmax(x),
  }]),
];

function part(tensor: HostTensor, from: number, count: number): HostTensor {
  if (tensor.data instanceof Uint8Array) throw new Error("rows are not packed");
  const width = core.sizeOf(tensor.shape.slice(1));
  const data = tensor.data.slice(from * width, (from + count) * width);
  return core.hostTensor(data, [count, ...tensor.shape.slice(1)]);
}

async function runGroup(
  device: Device,
  { rows, shared, f }: RowFunction,
  from: number,
  count: number,
): Promise<HostArray> {
  const compiled = compile(device, f);
  const given = rows.map((tensor) => upload(device, part(tensor, from, count)));
  const weights = shared.map((tensor) => upload(device, tensor));
  const result = compiled(given, weights);
  const values = await read(result);
  releaseTree([given, weights, result]);
  return values;
}

/** Bits as integers, so that NaN and -0 count as what they are. */
function bits(values: HostArray): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

/** Holds the rows of every group to the same rows among all. */
async function checkGroups(device: Device, each: RowFunction): Promise<void> {
  const all = bits(await runGroup(device, each, 0, ROWS));
  const width = all.length / ROWS;
  for (const count of GROUPS) {
    for (const from of new Set([0, (ROWS - count) >> 1, ROWS - count])) {
      const some = bits(await runGroup(device, each, from, count));
      const expected = all.subarray(from * width, (from + count) * width);
      assertEquals(some, expected, `${each.label}: ${count} rows from ${from}`);
    }
  }
}

for (const backend of BACKENDS) {
  const { taken, count } = casesFor(backend, FUNCTIONS);
  const promise = `a row alone has the bits that it has among any others, ${count} functions`;
  testOn(backend, promise, async (opened) => {
    const device = createDevice(opened);
    const wrong: string[] = [];
    for (const each of taken) {
      try {
        await checkGroups(device, each);
      } catch (error) {
        wrong.push(`${each.label}: ${error instanceof Error ? error.message : error}`);
      }
    }
    assertEquals(wrong, []);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  });
}
