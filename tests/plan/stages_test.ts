import { assert, assertEquals } from "@std/assert";
import { generateKernel, probeFeatures } from "../../kernels/wasm/mod.ts";
import { planCalls, type PlanStage } from "../../src/backends/wasm/plan_calls.ts";
import type { CompiledKernel, KernelCache } from "../../src/backends/wasm/kernel_cache.ts";
import * as core from "../../src/core/mod.ts";
import { buildLlama, llama, tinyLlama } from "../../src/nn/mod.ts";
import { type BufferHome, makePlan, type Plan } from "../../src/plan/mod.ts";
import { specKey } from "../../src/plan/kernel_spec.ts";
import { INPUTS, randomGraph } from "../property/random_graph.ts";

const FEATURES = probeFeatures("unshared");

/** Kernels of which only the work counts. */
function kernelCache(): KernelCache {
  const kernels = new Map<string, CompiledKernel>();
  return {
    get(spec, parameters) {
      const key = specKey(spec);
      const { units, grain, scratchBytes } = generateKernel(spec, FEATURES);
      const unlinked = { run: () => {}, parameters, id: kernels.size, address: 0, byteLength: 0 };
      const kernel = kernels.get(key) ?? { units, grain, scratchBytes, ...unlinked };
      kernels.set(key, kernel);
      return kernel;
    },
    get size() {
      return kernels.size;
    },
  };
}

/** The memory behind a buffer, by name. */
function memoryOf(plan: Plan, buffer: number): string {
  const home: BufferHome = plan.buffers[buffer];
  if (home.home === "constant") return `constant ${buffer}`;
  const donor = home.home === "output" ? plan.donations[home.index] : -1;
  return donor >= 0 ? `input ${donor}` : `${home.home} ${home.index}`;
}

function usesOf(plan: Plan, args: readonly number[]) {
  const names = args.map((buffer) => memoryOf(plan, buffer));
  return { reads: names.slice(0, -1), write: names[names.length - 1] };
}

/** Calls in the order in which a single thread makes them. */
function inOrder(stages: readonly PlanStage[]) {
  return stages.flatMap(({ shared, tail }) => [...shared, ...tail]);
}

function randomPlan(seed: number): Plan {
  const inputs = INPUTS.map(({ shape, type }) => core.input(shape, type));
  return makePlan({ inputs, outputs: randomGraph(core.keyOf(seed), inputs) });
}

Deno.test("calls that run side by side neither read nor write what another of them writes", () => {
  for (let seed = 0; seed < 60; seed++) {
    const plan = randomPlan(seed);
    for (const { shared } of planCalls(plan, kernelCache()).stages) {
      shared.forEach((call, i) => {
        const { write } = usesOf(plan, call.args);
        shared.forEach((other, j) => {
          const { reads, write: written } = usesOf(plan, other.args);
          if (i !== j) assert(written !== write && !reads.includes(write), `graph ${seed}`);
        });
      });
    }
  }
});

Deno.test("every call comes after those that its commands came after and share memory with", () => {
  for (let seed = 0; seed < 60; seed++) {
    const plan = randomPlan(seed);
    const calls = inOrder(planCalls(plan, kernelCache()).stages);
    const place = new Map(calls.map(({ args }, i) => [args, i]));
    const commands = plan.commands.filter(({ args }) => place.has(args));
    assertEquals(calls.length, commands.length);
    commands.forEach(({ args }, later) => {
      const after = usesOf(plan, args);
      for (const { args: before } of commands.slice(0, later)) {
        const { reads, write } = usesOf(plan, before);
        const meets = after.reads.includes(write) || after.write === write ||
          reads.includes(after.write);
        if (meets) assert((place.get(before) ?? 0) < (place.get(args) ?? 0), `graph ${seed}`);
      }
    });
  }
});

Deno.test("threads that decode meet few times a layer", () => {
  const stagesOf = (layers: number): number => {
    const config = tinyLlama({
      layers,
      width: 256,
      feedForwardWidth: 704,
      heads: 4,
      vocabulary: 64,
    });
    const inputs: core.Tensor[] = [];
    const input = (shape: core.Shape, type: core.ElementType = "f32") => {
      const made = core.input(shape, type);
      inputs.push(made);
      return made;
    };
    const parameters = buildLlama(
      config,
      ({ shape }) => input(shape, shape.length === 2 ? "packed_q8_0" : "f32"),
    );
    const cache = Array.from({ length: layers }, () => {
      const table = () => input([64, config.keyValueHeads * config.headWidth]);
      return { key: table(), value: table() };
    });
    const row = () => input([1], "i32");
    const rows = { tokens: row(), positions: row(), start: row(), end: row(), slots: row() };
    const { hidden } = llama(config, parameters, rows, cache);
    return planCalls(makePlan({ inputs, outputs: [hidden] }), kernelCache()).stages.length;
  };
  // Projections of attention, attention, its output, gate and up, down; perhaps an activation.
  assert(stagesOf(4) - stagesOf(2) <= 2 * 6, `${stagesOf(4) - stagesOf(2)} for two layers`);
});

Deno.test("products of the same rows stand side by side, wherever the graph has them", () => {
  const [x, ...weights] = [[1, 64], [64, 512], [64, 512], [64, 512]].map((shape) =>
    core.input(shape)
  );
  const [a, b, c] = weights.map((w) => core.matmul(x, w));
  const chained = core.add(core.exp(core.exp(a)), core.mul(core.exp(b), c));
  const plan = makePlan({ inputs: [x, ...weights], outputs: [chained] });
  const families = plan.commands.map(({ spec }) => spec.family);
  assertEquals(families.slice(0, 3), ["matmul", "matmul", "matmul"]);
  assertEquals(planCalls(plan, kernelCache()).stages[0].shared.length, 3);
});
