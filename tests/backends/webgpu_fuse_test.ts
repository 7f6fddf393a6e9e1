/** What fusion promises without a GPU; that fused plans compute the same, conformance says. */
import { assert, assertEquals } from "@std/assert";
import { fuse } from "../../src/backends/webgpu/fuse/fuse.ts";
import { conflict, namingOf } from "../../src/backends/webgpu/fuse/step.ts";
import * as core from "../../src/core/mod.ts";
import { isTensor } from "../../src/core/grad.ts";
import type { Tensor } from "../../src/core/mod.ts";
import { leavesOf } from "../../src/core/tree.ts";
import { buildLlama, llama, llamaLogits, tinyLlama } from "../../src/nn/mod.ts";
import { makePlan, type Plan } from "../../src/plan/mod.ts";
import { INPUTS, randomGraph } from "../property/random_graph.ts";

const OPTIONS = {
  limits: { bindings: 16, workgroupBytes: 32768, bindingBytes: 2 ** 27, bufferBytes: 2 ** 28 },
  sizeOf: () => ({ lanes: 64, workgroupBytes: 1024 }),
};

/** The plan of a pass with a cache. */
function passPlan(
  layers: number,
  rows: number,
  cacheType: "f32" | "i32",
  type: core.PackedType = "packed_q8_0",
): Plan {
  const sizes = { width: 64, heads: 4, keyValueHeads: 2, headWidth: 16, feedForwardWidth: 96 };
  const config = tinyLlama({ ...sizes, layers, vocabulary: 128 });
  const parameters = buildLlama(
    config,
    ({ shape }) => core.input(shape, shape.length === 2 ? type : "f32"),
  );
  const table = () => core.input([512, cacheType === "i32" ? 16 : 32], cacheType);
  const cache = Array.from({ length: layers }, () => ({ key: table(), value: table() }));
  const packed = core.input([5, rows], "i32");
  const wanted = core.input([rows], "i32");
  const row = (i: number) => core.reshape(core.sliceAxis(packed, 0, i, 1), [rows]);
  const passed = llama(config, parameters, {
    tokens: row(0),
    positions: row(1),
    start: row(2),
    end: row(3),
    slots: row(4),
  }, cache);
  const logits = llamaLogits(parameters, core.gather(passed.hidden, wanted));
  const weights = leavesOf(parameters, isTensor);
  const tables = leavesOf(cache, isTensor);
  const inputs = [...weights, ...tables, packed, wanted];
  const donated = tables.map((_, i) => weights.length + i);
  return makePlan({ inputs, outputs: [logits, ...leavesOf(passed.cache, isTensor)] }, donated);
}

const count = (...pass: Parameters<typeof passPlan>): number =>
  fuse(passPlan(...pass), OPTIONS).groups.length;

Deno.test("a layer is 5 dispatches for a row, 6 for up to four and 8 for more", () => {
  for (
    const [rows, cacheType, expected] of [
      [1, "f32", 5],
      [1, "i32", 5],
      [2, "f32", 6],
      [4, "i32", 6],
      [5, "f32", 8],
      [16, "f32", 8],
    ] as const
  ) {
    const five = count(5, rows, cacheType);
    assertEquals(five - count(4, rows, cacheType), expected, `${rows} rows`);
    assert(five <= expected * 5 + 4, `${five} dispatches of 5 layers`);
  }
});

Deno.test("with integer weights it is 9 for a row: the rows are quantised before each product", () => {
  const of = (layers: number) => count(layers, 1, "f32", "integer_q8_0");
  assertEquals(of(5) - of(4), 9);
});

Deno.test("around its layers a decode step is 3 dispatches: embedding, last norm, head", () => {
  assertEquals(count(30, 1, "f32"), 5 * 30 + 3);
});

Deno.test("layers alike are dispatches alike, so that a second layer compiles nothing", () => {
  const { groups } = fuse(passPlan(6, 1, "f32"), OPTIONS);
  const text = (place: number): string =>
    JSON.stringify(
      groups.slice(1 + 5 * place, 6 + 5 * place).map((steps) =>
        steps.map(({ kernel, after }) => ({ kernel, after: after?.map }))
      ),
    );
  assertEquals(text(1), text(3));
});

Deno.test("parts of a dispatch need nothing of each other, and no more than a shader can have", () => {
  for (let seed = 0; seed < 60; seed++) {
    const inputs = INPUTS.map(({ shape, type }): Tensor => core.input(shape, type));
    const plan = makePlan({ inputs, outputs: randomGraph(core.keyOf(seed), inputs) }, []);
    const naming = namingOf(plan);
    for (const bindings of [8, 16]) {
      const limits = { ...OPTIONS.limits, bindings };
      for (const steps of fuse(plan, { ...OPTIONS, limits }).groups) {
        const apart = steps.every((a, i) =>
          steps.slice(i + 1).every((b) => !conflict(a, b, naming))
        );
        assert(apart, `graph ${seed}`);
        assert(steps.length * 1024 <= limits.workgroupBytes);
      }
    }
  }
});
