/** Maps that are computed where they are read or written give the bits that kernels of their own do. */
import { assert, assertEquals } from "@std/assert";
import { webgpuAdapter, type WebgpuBackend, webgpuBackend } from "../../src/backends/webgpu/mod.ts";
import * as core from "../../src/core/mod.ts";
import type { HostArray, HostTensor, Tensor } from "../../src/core/mod.ts";
import { rmsNorm } from "../../src/nn/rms_norm.ts";
import { compile, createDevice, read, releaseTree, upload } from "../../src/runtime/mod.ts";
import { drawn, normal, truth, whole } from "../conformance/case.ts";
import { packedMatrix } from "../conformance/cases_product.ts";

const found = await webgpuAdapter();
const reason = found.found === "none" ? ` (skipped: ${found.reason})` : "";

interface Example {
  readonly label: string;
  readonly inputs: readonly HostTensor[];
  readonly f: (...inputs: Tensor[]) => Tensor;
}

function normedProduct(rows: number, type: core.PackedType): Example {
  return {
    label: `norm, product with ${type}, residual: ${rows} rows`,
    inputs: [
      drawn([rows, 64], normal, 1),
      drawn([64], normal, 2),
      packedMatrix(type, 64, 64),
    ],
    f: (x, gain, weights) => core.add(x, core.linear(rmsNorm(x, gain, 1e-5), weights)),
  };
}

const EXAMPLES: readonly Example[] = [
  ...[1, 2, 17].flatMap((rows) =>
    (["packed_f16", "packed_q4_1", "integer_q8_0"] as const).map((type) =>
      normedProduct(rows, type)
    )
  ),
  {
    label: "a product read transposed by what follows it",
    inputs: [drawn([5, 17], normal, 1), drawn([17, 7], normal, 2), drawn([7, 5], normal, 3)],
    f: (a, b, c) => core.mul(core.exp(core.transpose(core.matmul(a, b))), c),
  },
  {
    label: "truth values in front of and behind a selection",
    inputs: [drawn([6, 9], truth, 1), drawn([6, 9], normal, 2)],
    f: (chosen, x) =>
      core.sum(
        core.where(core.cast(chosen, "bool"), core.exp(x), core.cast(core.less(x, 0), "f32")),
        [0],
      ),
  },
  {
    label: "rows computed on the way into a table, some twice",
    inputs: [drawn([9, 5], normal, 1), drawn([12], whole, 2), drawn([12, 5], normal, 3)],
    f: (table, indices, x) => core.scatterAdd(table, core.add(indices, 2), core.mul(x, x)),
  },
  {
    label: "looked-up rows through a map",
    inputs: [drawn([9, 5], normal, 1), drawn([12], whole, 2), drawn([12, 5], normal, 3)],
    f: (table, indices, x) => core.mul(core.gather(table, core.add(indices, 1)), x),
  },
  {
    label: "a softmax of scores with a mask by coordinates",
    inputs: [drawn([4, 33], normal, 1)],
    f: (x) => core.softmax(core.where(core.less(core.iota([4, 33], 1), 20), x, -1e30)),
  },
];

async function bitsOf(
  backend: WebgpuBackend,
  { inputs, f }: Example,
): Promise<{ readonly bits: Int32Array; readonly dispatches: number }> {
  const device = createDevice(backend);
  const compiled = compile(device, f);
  const arrays = inputs.map((tensor) => upload(device, tensor));
  const result = compiled(...arrays);
  const values: HostArray = await read(result);
  releaseTree([arrays, result]);
  const { buffer, byteOffset, length } = values;
  return { bits: new Int32Array(buffer, byteOffset, length), dispatches: backend.lastDispatches };
}

Deno.test({
  name: `fused dispatches give the bits of one dispatch per kernel${reason}`,
  ignore: found.found === "none",
  fn: async () => {
    const fused = await webgpuBackend({ dispatches: "fused" });
    const plain = await webgpuBackend({ dispatches: "one per kernel" });
    let saved = 0;
    for (const example of EXAMPLES) {
      const [few, many] = [await bitsOf(fused, example), await bitsOf(plain, example)];
      assertEquals(few.bits, many.bits, example.label);
      saved += many.dispatches - few.dispatches;
    }
    assert(saved >= EXAMPLES.length, `${saved} dispatches saved`);
    fused.close();
    plain.close();
  },
});
