/** Arrays beyond a binding or a buffer: every bit is that of arrays in one piece. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  webgpuAdapter,
  type WebgpuBackend,
  webgpuBackend,
  type WebgpuOptions,
} from "../../src/backends/webgpu/mod.ts";
import * as core from "../../src/core/mod.ts";
import { OutriderError, type Tensor } from "../../src/core/mod.ts";
import {
  compile,
  createDevice,
  type Device,
  read,
  releaseTree,
  upload,
} from "../../src/runtime/mod.ts";
import { llamaModel } from "../../src/decode/mod.ts";
import { EMBEDDED, withWeights } from "../models/files.ts";
import { assertSameText, plainText } from "../models/watched.ts";
import { type Case, drawn, normal } from "../conformance/case.ts";
import { ATTENTION_CASES } from "../conformance/cases_attention.ts";
import { PACKED_TYPES, packedMatrix, PRODUCT_CASES } from "../conformance/cases_product.ts";
import { REDUCTION_CASES } from "../conformance/cases_reduction.ts";

const found = await webgpuAdapter();
const reason = found.found === "none" ? ` (skipped: ${found.reason})` : "";

function test(promise: string, check: () => Promise<void>): void {
  Deno.test({ name: promise + reason, ignore: found.found === "none", fn: check });
}

async function opened<T>(
  options: WebgpuOptions,
  use: (device: Device, backend: WebgpuBackend) => Promise<T>,
): Promise<T> {
  const backend = await webgpuBackend(options);
  const device = createDevice(backend);
  try {
    return await use(device, backend);
  } finally {
    device.close();
  }
}

/** The value of a case and its gradients for all f32 inputs. */
function withGradients({ f, noGradient }: Case, inputs: readonly Tensor[]): Tensor[] {
  const value = f(...inputs);
  if (noGradient !== undefined || value.type !== "f32") return [value];
  const variables = inputs.filter(({ type }) => type === "f32");
  const cotangent = core.constant(
    normal(core.sizeOf(value.shape), 5),
    value.shape,
  );
  const gradients = core.pullback(value, cotangent, variables);
  return [value, ...gradients.filter((gradient) => gradient !== undefined)];
}

async function bitsOf(device: Device, each: Case): Promise<Int32Array[]> {
  const compiled = compile(device, (...inputs: Tensor[]) => withGradients(each, inputs));
  const arrays = each.inputs.map((tensor) => upload(device, tensor));
  const results = compiled(...arrays);
  const bits: Int32Array[] = [];
  for (const result of results) {
    const { buffer, byteOffset, length } = await read(result);
    bits.push(new Int32Array(buffer, byteOffset, length));
  }
  releaseTree([arrays, results]);
  return bits;
}

function largestBytes(each: Case): number {
  const inputs = each.inputs.map(({ shape, type }) => core.input(shape, type));
  const sizes = withGradients(each, inputs).map(({ shape }) => 4 * core.sizeOf(shape));
  return Math.max(...sizes, ...each.inputs.map(({ data }) => data.byteLength));
}

/** The bindings at which a case's largest array is of two to four pieces. */
function bindingFor(each: Case): number {
  return 2 ** Math.max(8, Math.ceil(Math.log2(largestBytes(each) / 4)));
}

const ALL = Deno.env.get("OUTRIDER_TESTS") === "whole";

/** Cases with an array of two pieces at least: so many in an ordinary run, spread over all. */
function cuttable(cases: readonly Case[], most: number): readonly Case[] {
  const large = cases.filter((each) => largestBytes(each) > 512);
  const step = (large.length - 1) / (most - 1);
  return ALL ? large : Array.from({ length: most }, (_, i) => large[Math.round(i * step)]);
}

/** Cases of each kind, and how many an ordinary run takes: an adapter in software compiles slowly. */
const FAMILIES: readonly (readonly [string, readonly Case[], number])[] = [
  ["products", PRODUCT_CASES.matmul.cases, 10],
  ["dequantised matrices", PRODUCT_CASES.dequantize.cases, 4],
  ["table lookups", PRODUCT_CASES.gather.cases, 8],
  ["writes into tables", PRODUCT_CASES.scatter.cases, 8],
  ["reductions", REDUCTION_CASES.sum.cases, 8],
  ["attention", ATTENTION_CASES.attention.cases, 2],
];

for (const [family, all, most] of FAMILIES) {
  const cases = cuttable(all, most);
  test(`${family} in pieces have the bits of whole ones, ${cases.length} cases`, async () => {
    await opened({}, async (whole) => {
      for (const bindingBytes of new Set(cases.map(bindingFor))) {
        // The largest arrays lie in two buffers of two bindings.
        await opened({ bindingBytes, bufferBytes: 2 * bindingBytes }, async (cut) => {
          for (const each of cases.filter((one) => bindingFor(one) === bindingBytes)) {
            assertEquals(await bitsOf(cut, each), await bitsOf(whole, each), each.label);
          }
        });
      }
    });
  });
}

/** Matrices of two to four parts, which have to be cut where a binding may begin. */
function linearCases(): Case[] {
  const k = 96;
  const matrices = [
    ["f32", drawn([80, k], normal, 2)] as const,
    ...PACKED_TYPES.map((type) => {
      const isFloat = type === "packed_f32" || type === "packed_f16";
      return [type, packedMatrix(type, isFloat ? 170 : 400, k)] as const;
    }),
  ];
  return matrices.flatMap(([type, weight], i) =>
    (i % 3 === 0 ? [1, 20] : [1]).map((m): Case => ({
      label: `${m} rows by ${type}`,
      inputs: [drawn([m, k], normal, 1), weight],
      f: core.linear,
    }))
  );
}

test("a product with a matrix beyond a binding is several, each of some columns", async () => {
  const bindingBytes = 20_224;
  await opened({}, async (whole, one) => {
    await opened({ bindingBytes }, async (cut, several) => {
      for (const each of linearCases()) {
        const value = { ...each, noGradient: "the matrix is read in pieces there" };
        assertEquals(await bitsOf(cut, value), await bitsOf(whole, value), each.label);
        const parts = Math.ceil(each.inputs[1].data.byteLength / bindingBytes);
        const more = several.lastDispatches - one.lastDispatches;
        assert(more >= parts - 1, `${each.label}: ${more} dispatches more for ${parts} parts`);
      }
    });
  });
});

test("a matrix of 160 MiB is multiplied, whatever the adapter binds at once", async () => {
  const [n, k] = [65_536, 640];
  const weight = new Float32Array(n * k).map((_, i) => (i * 37 % 4001) / 4001 - .5);
  const x = normal(k, 1);
  await opened({}, async (device) => {
    const arrays = [core.hostTensor(x, [1, k]), core.hostTensor(weight, [n, k])]
      .map((tensor) => upload(device, tensor));
    const row = core.constant(Int32Array.of(n - 1), [1]);
    const f = compile(device, (a: Tensor, w: Tensor) => [core.linear(a, w), core.gather(w, row)]);
    const results = f(arrays[0], arrays[1]);
    const [products, last] = [await read(results[0]), await read(results[1])];
    assertEquals(last, weight.slice(-k));
    for (const column of [0, 1, 52_415, 52_416, 52_428, 52_429, n - 1]) {
      const expected = x.reduce((sum, value, i) => sum + value * weight[column * k + i], 0);
      assert(Math.abs(products[column] - expected) < 1e-4, `column ${column}`);
    }
    releaseTree([arrays, results]);
  });
});

Deno.test({
  name: `the embedded model in small pieces writes its text with the same logits${reason}`,
  ignore: found.found === "none" || EMBEDDED === undefined,
  fn: async () => {
    const textOn = (options: WebgpuOptions) =>
      opened(
        options,
        (device) =>
          withWeights(device, EMBEDDED, "q8", ({ file: { config }, parameters }) => {
            const model = llamaModel({ device, config, parameters });
            return plainText(model, [5, 17, 3, 99, 17, 3], { maxTokens: 8 });
          }),
      );
    assertSameText(await textOn({ bindingBytes: 2 ** 16 }), await textOn({}), "in pieces");
  },
});

test("any bytes can be written to and read from an array in several buffers", async () => {
  await opened({ bufferBytes: 512 }, async (_, backend) => {
    const bytes = new Uint8Array(normal(500, 1).buffer);
    const allocation = backend.allocate(bytes.length);
    for (const [from, to] of [[0, 511], [511, 1023], [1023, 1030], [1030, bytes.length]]) {
      backend.write(allocation, bytes.subarray(from, to), from);
    }
    for (const [from, to] of [[0, bytes.length], [510, 1026], [1024, 1025], [3, 1999]]) {
      assertEquals(await backend.read(allocation, from, to - from), bytes.slice(from, to));
    }
    backend.release(allocation);
    assertEquals([backend.liveAllocations, backend.liveBytes], [0, 0]);
  });
});

test("a kernel that would need too many bindings is refused by name of the limit", async () => {
  await opened({ bindingBytes: 256 }, (device) => {
    const x = core.input([64 * 1024]);
    const error = assertThrows(
      () => device.executable({ inputs: [x], outputs: [core.neg(x)] }, []),
      OutriderError,
      "2048 bindings",
    );
    assert(error.cure.includes("packed"));
    return Promise.resolve();
  });
});

test("limits that no shader could work with are refused", async () => {
  for (const options of [{ bindingBytes: 255 }, { bufferBytes: 0 }, { bindingBytes: NaN }]) {
    let error: unknown;
    try {
      (await webgpuBackend(options)).close();
    } catch (thrown) {
      error = thrown;
    }
    assert(error instanceof OutriderError);
  }
});
