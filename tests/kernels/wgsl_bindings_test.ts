/** The text of every generated shader against what its dispatch says that it binds. */
import { assert, assertEquals } from "@std/assert";
// @ts-types="npm:wgsl_reflect@1.6.0"
import { ArrayInfo, WgslReflect } from "wgsl_reflect";
import {
  type DispatchSpec,
  generateShader,
  type GpuFeatures,
  partSize,
} from "../../kernels/wgsl/mod.ts";
import { withStatistics } from "../../src/backends/webgpu/attention_statistics.ts";
import { fusedDispatches } from "../../src/backends/webgpu/fuse/fuse.ts";
import { planDispatches } from "../../src/backends/webgpu/plan_dispatches.ts";
import * as core from "../../src/core/mod.ts";
import type { PackedType, Tensor } from "../../src/core/mod.ts";
import { isTensor } from "../../src/core/grad.ts";
import { leavesOf } from "../../src/core/tree.ts";
import { crossEntropy } from "../../src/losses/mod.ts";
import { buildLlama, llama, llamaLogits, tinyLlama } from "../../src/nn/mod.ts";
import { makePlan, type Plan } from "../../src/plan/mod.ts";
import { INPUTS, randomGraph } from "../property/random_graph.ts";

const FEATURES: GpuFeatures = { halfFloats: "present", workgroupBytes: 32768, mostLanes: 1024 };
const BINDINGS = 16;

const config = tinyLlama({
  width: 64,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 16,
  feedForwardWidth: 96,
  layers: 2,
  vocabulary: 128,
});

const cacheOf = (type: "f32" | "i32") => {
  const table = () => core.input([40, type === "i32" ? 16 : 32], type);
  return Array.from({ length: config.layers }, () => ({ key: table(), value: table() }));
};

function rowsOf(count: number) {
  const rows = Array.from({ length: 5 }, () => core.input([count], "i32"));
  const [tokens, positions, start, end, slots] = rows;
  return { inputs: rows, rows: { tokens, positions, start, end, slots } };
}

/** A pass of so many rows with a cache. */
function stepPlan(weights: PackedType | "f32", count: number, cacheType: "f32" | "i32"): Plan {
  const parameters = buildLlama(
    config,
    ({ shape }) => core.input(shape, shape.length === 2 ? weights : "f32"),
  );
  const cache = cacheOf(cacheType);
  const { inputs, rows } = rowsOf(count);
  const passed = llama(config, parameters, rows, cache);
  const outputs = [
    core.argmax(llamaLogits(parameters, passed.hidden)),
    ...leavesOf(passed.cache, isTensor),
  ];
  const all = [...leavesOf(parameters, isTensor), ...leavesOf(cache, isTensor), ...inputs];
  return makePlan({ inputs: all, outputs }, []);
}

/** A loss and its gradients for all parameters. */
function trainingPlan(): Plan {
  const parameters = buildLlama(config, ({ shape }) => core.input(shape, "f32"));
  const { inputs, rows: { tokens, positions, start, end } } = rowsOf(40);
  const { hidden } = llama(config, parameters, { tokens, positions, start, end });
  const loss = crossEntropy(llamaLogits(parameters, hidden), inputs[4], core.full([40], 1));
  const variables = leavesOf(parameters, isTensor);
  const gradients = core.pullback(loss, core.full(loss.shape, 1), variables);
  const outputs = [loss, ...gradients.filter((gradient) => gradient !== undefined)];
  return makePlan({ inputs: [...variables, ...inputs], outputs }, []);
}

function randomPlan(seed: number): Plan {
  const inputs = INPUTS.map(({ shape, type }): Tensor => core.input(shape, type));
  return makePlan({ inputs, outputs: randomGraph(core.keyOf(seed), inputs) }, []);
}

const WEIGHTS: readonly PackedType[] = [
  "packed_f32",
  "packed_f16",
  "packed_q8_0",
  "packed_q4_0",
  "packed_q4_1",
  "integer_q8_0",
  "integer_q4_0",
  "integer_q4_1",
];

/** Every way to read a packed matrix. */
function packedPlan(type: PackedType): Plan {
  const weights = core.input([48, 64], type);
  const x = core.input([3, 64]);
  const rows = core.input([5], "i32");
  const outputs = [
    core.linear(x, weights),
    core.gather(core.dense(weights), rows),
    core.exp(core.dense(weights)),
  ];
  return makePlan({ inputs: [weights, x, rows], outputs }, []);
}

function plans(): Plan[] {
  return [
    ...WEIGHTS.map(packedPlan),
    stepPlan("f32", 1, "f32"),
    stepPlan("packed_q4_1", 30, "i32"),
    stepPlan("integer_q8_0", 1, "i32"),
    trainingPlan(),
    ...Array.from({ length: 5 }, (_, seed) => randomPlan(seed)),
  ];
}

/** The dispatches of a plan, one per kernel and fused. */
function dispatchesOf(plan: Plan, bindingBytes: number): DispatchSpec[] {
  const ready = withStatistics(plan);
  const memory = { bindingBytes, bufferBytes: 2 * bindingBytes };
  const limits = { bindings: BINDINGS, workgroupBytes: FEATURES.workgroupBytes, ...memory };
  const sizeOf = (dispatch: DispatchSpec) => partSize(dispatch, FEATURES);
  const made = [planDispatches(ready, memory), fusedDispatches(ready, { limits, sizeOf })];
  return made.flatMap(({ dispatches }) => dispatches.map(({ spec }) => spec));
}

Deno.test("every shader binds what its dispatch lists, and has one entry point", () => {
  const whole = plans().flatMap((plan) => dispatchesOf(plan, 2 ** 27));
  const cut = dispatchesOf(stepPlan("packed_f32", 3, "f32"), 16384);
  assert(cut.some(({ bindings }) => bindings.some(({ pieces }) => pieces !== undefined)));
  const specs = new Map([...whole, ...cut].map((spec) => [JSON.stringify(spec), spec] as const));
  const families = new Set<string>();
  for (const spec of specs.values()) {
    spec.parts.forEach(({ kernel }) => families.add(kernel.family));
    const { code, bindings } = generateShader(spec, FEATURES);
    // The parser takes for a keyword what was one in drafts of WGSL.
    const reflected = new WgslReflect(code.replaceAll(/\bblock\b/g, "block_"));
    const found = reflected.storage.map(({ group, binding, access, type }) => ({
      group,
      binding,
      access,
      type: type instanceof ArrayInfo ? type.format.name : type.name,
    }));
    const pieces = spec.bindings.flatMap(({ access, type, pieces }) =>
      Array.from({ length: pieces?.count ?? 1 }, () => ({ access, type }))
    );
    const expected = pieces.map((one, binding) => ({ group: 0, binding, ...one }));
    assertEquals(found, expected, code);
    assertEquals(bindings, pieces);
    assertEquals(reflected.entry.compute.map(({ name }) => name), ["main"]);
    const others = [reflected.uniforms, reflected.textures, reflected.samplers];
    assertEquals(others.flat(), []);
  }
  assert(specs.size > 100, `${specs.size} shaders`);
  assertEquals([...families].sort(), [
    "attention",
    "attentionGrad",
    "attentionStatistics",
    "dequantize",
    "gather",
    "map",
    "matmul",
    "packedMatmul",
    "quantize",
    "reduce",
    "scatter",
  ]);
});
