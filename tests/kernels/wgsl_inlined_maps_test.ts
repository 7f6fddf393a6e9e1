/** Maps that are computed where they are read or written give the bits that kernels of their own do. */
import { assert, assertEquals } from "@std/assert";
import { webgpuAdapter, webgpuBackend } from "../../src/backends/webgpu/mod.ts";
import * as core from "../../src/core/mod.ts";
import type { HostArray, HostTensor, Tensor } from "../../src/core/mod.ts";
import { rmsNorm } from "../../src/nn/rms_norm.ts";
import {
  type Backend,
  compile,
  createDevice,
  read,
  releaseTree,
  upload,
} from "../../src/runtime/mod.ts";
import { drawn, normal, truth, whole } from "../conformance/case.ts";
import { packedMatrix } from "../conformance/cases_product.ts";
import { fusedInterpreter } from "../property/fused_interpreter.ts";
import { planInterpreter } from "../property/plan_interpreter.ts";

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

/** A norm that two products read: the groups of both find the sums of few rows for themselves. */
function normForTwo(rows: number, width: number): Example {
  return {
    label: `norm of width ${width}, two products: ${rows} rows`,
    inputs: [
      drawn([rows, width], normal, 1),
      drawn([width], normal, 2),
      packedMatrix("packed_q8_0", 96, width),
      packedMatrix("packed_q8_0", 96, width),
    ],
    f: (x, gain, gate, up) => {
      const normed = rmsNorm(x, gain, 1e-5);
      return core.mul(core.silu(core.linear(normed, gate)), core.linear(normed, up));
    },
  };
}

type Around = "once" | "twice, and before";

/**
 * Rows written into a cache, at a slot each, and attention over it; then what is in the cache. Where
 * it is read twice, attention's query is made of what was in it.
 */
function cached(
  slots: readonly number[],
  storage: "f32" | "halves",
  extras: number,
  reads: Around = "once",
): Example {
  const rows = slots.length;
  const stored = (x: Tensor) => storage === "f32" ? x : core.toHalves(x);
  const byHead = (table: Tensor) => core.reshape(table, [40, 2, table.shape[1] / 2]);
  return {
    label: `cache of ${storage} written at ${slots}, ${extras} listed slots, read ${reads}`,
    inputs: [
      drawn([rows, 4, 16], normal, 1),
      drawn([40, 32], normal, 2),
      drawn([rows, 64], normal, 3),
      packedMatrix("packed_f16", 32, 64),
      core.hostTensor(Int32Array.from(slots)),
      core.hostTensor(Int32Array.from(slots, (_, r) => 5 + r)),
      core.hostTensor(new Int32Array(rows * extras).fill(23), [rows, extras]),
    ],
    f: (query, table, x, weights, places, end, extra) => {
      const fresh = core.linear(x, weights);
      const key = core.scatterSet(stored(table), places, stored(fresh));
      const value = core.scatterSet(stored(core.neg(table)), places, stored(core.neg(fresh)));
      const inside = core.sum(core.cast(core.add(key, value), "f32"));
      const attend = (by: Tensor) =>
        core.attention({
          query: by,
          key: byHead(key),
          value: byHead(value),
          start: core.full([rows], 0, "i32"),
          end,
          ...(extras > 0 && { extra }),
        });
      const mixed = reads === "once"
        ? attend(query)
        : core.add(attend(core.mul(query, core.cos(inside))), attend(query));
      return core.concat([core.reshape(mixed, [-1]), core.reshape(inside, [1])], 0);
    },
  };
}

const EXAMPLES: readonly Example[] = [
  ...[1, 3, 4, 5].map((rows) => normForTwo(rows, 576)),
  normForTwo(2, 64),
  normForTwo(4, 1120),
  ...(["f32", "halves"] as const).flatMap((storage) => [
    cached([4], storage, 0),
    cached([23], storage, 1),
    cached([-1], storage, 0),
    cached([4, 3, 4], storage, 0),
    cached([4], storage, 0, "twice, and before"),
  ]),
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

async function bitsOf(backend: Backend, { inputs, f }: Example): Promise<Int32Array> {
  const device = createDevice(backend);
  const compiled = compile(device, f);
  const arrays = inputs.map((tensor) => upload(device, tensor));
  const result = compiled(...arrays);
  const { buffer, byteOffset, length }: HostArray = await read(result);
  releaseTree([arrays, result]);
  return new Int32Array(buffer, byteOffset, length);
}

Deno.test("fused plans, taken apart again, compute what plans do", async () => {
  const [fused, plain] = [fusedInterpreter(), planInterpreter()];
  for (const example of EXAMPLES) {
    assertEquals(await bitsOf(fused, example), await bitsOf(plain, example), example.label);
  }
});

Deno.test({
  name: `fused dispatches give the bits of one dispatch per kernel${reason}`,
  ignore: found.found === "none",
  fn: async () => {
    const fused = await webgpuBackend({ dispatches: "fused" });
    const plain = await webgpuBackend({ dispatches: "one per kernel" });
    let saved = 0;
    for (const example of EXAMPLES) {
      assertEquals(await bitsOf(fused, example), await bitsOf(plain, example), example.label);
      saved += plain.lastDispatches - fused.lastDispatches;
    }
    assert(saved >= 4 * EXAMPLES.length, `${saved} dispatches saved`);
    fused.close();
    plain.close();
  },
});
