/**
 * What a decode step on WebGPU costs the host, and what it gives the device: time to encode and
 * submit, dispatches, copies to the host, time for arrays, pipelines compiled after the first step. A
 * Llama of 30 narrow layers, since none of it depends on the width.
 *
 *     deno bench -A bench/webgpu_step_bench.ts
 *     deno run -A bench/webgpu_step_bench.ts --json
 *
 * @module
 */
import { keyOf, OutriderError } from "@outrider/outrider";
import { type WebgpuBackend, webgpuBackend } from "@outrider/outrider/backends/webgpu";
import {
  isHostTensor,
  leavesWithPaths,
  packedHostTensor,
  packMatrix,
} from "@outrider/outrider/core";
import { type LanguageModel, type LlamaCache, llamaModel } from "@outrider/outrider/decode";
import { buildLlama, initLlama, tinyLlama } from "@outrider/outrider/nn";
import { type Backend, createDevice, type Device, upload } from "@outrider/outrider/runtime";
import { benchFlags, runBench } from "./harness/program.ts";
import { joinFindings } from "./harness/report.ts";
import { runRounds, type Side } from "./harness/rounds.ts";
import { median, ratioOf, seriesOf, type Target } from "./harness/statistics.ts";

interface Settings {
  readonly layers: number;
  readonly steps: number;
  readonly rounds: number;
  readonly warmUp: number;
}

/** What the host's milliseconds and the dispatches of a layer are held to. */
const HOST: Target = { floor: 1.5, aim: 0.5, better: "less" };
const DISPATCHES: Target = { floor: 8, aim: 5, better: "less" };
const ONE: Target = { floor: 1, aim: 1, better: "less" };
/** Dispatches of a pass outside its layers: the embedding, the last norm and the head. */
const AROUND_LAYERS = 3;

/** Milliseconds of the host so far, by what it did. */
interface HostTime {
  /** Recording plans and submitting them. */
  encoding: number;
  /** Memory for arrays, and writing the rows of a step. */
  arrays: number;
}

/** Adds up the time of the host; what Deno waits for results inside a read is the device's. */
function watched(backend: WebgpuBackend, host: HostTime): Backend {
  const timed = <T>(what: keyof HostTime, work: () => T): T => {
    const start = performance.now();
    const result = work();
    host[what] += performance.now() - start;
    return result;
  };
  return {
    name: backend.name,
    activations: backend.activations,
    allocate: (bytes) => timed("arrays", () => backend.allocate(bytes)),
    release: (allocation) => timed("arrays", () => backend.release(allocation)),
    write: (allocation, bytes, at) => timed("arrays", () => backend.write(allocation, bytes, at)),
    read: (allocation, offset, length) => {
      timed("encoding", () => backend.submit());
      return backend.read(allocation, offset, length);
    },
    close: () => backend.close(),
    prepare: (plan) => {
      const executable = backend.prepare(plan);
      return {
        plan: executable.plan,
        release: () => executable.release(),
        run: (inputs, outputs) => timed("encoding", () => executable.run(inputs, outputs)),
      };
    },
  };
}

/** A narrow Llama with 8-bit weights on a device. */
function narrowModel(device: Device, layers: number): LanguageModel<LlamaCache> {
  const config = tinyLlama({
    layers,
    width: 64,
    feedForwardWidth: 160,
    vocabulary: 256,
    contextLength: 512,
  });
  const leaves = leavesWithPaths(initLlama(keyOf(1), config), isHostTensor);
  const weights = new Map(leaves.map(({ path, leaf }) => [path, leaf]));
  const parameters = buildLlama(config, ({ name, shape }) => {
    const weight = weights.get(name);
    if (weight === undefined) throw new OutriderError(`the weight ${name}`, "none", "look");
    if (shape.length === 1 || !(weight.data instanceof Float32Array)) return upload(device, weight);
    const packed = packMatrix("packed_q8_0", shape[0], shape[1], weight.data);
    return upload(device, packedHostTensor("packed_q8_0", shape, packed));
  });
  return llamaModel({ device, config, parameters });
}

/** Counters of a step, each measured by taking one. */
async function stepSides({ layers, steps }: Settings): Promise<
  { readonly sides: readonly Side[]; readonly close: () => void }
> {
  const gpu = await webgpuBackend();
  const host: HostTime = { encoding: 0, arrays: 0 };
  const device = createDevice(watched(gpu, host));
  const model = narrowModel(device, layers);
  let { cache } = await model.forward(model.open(), [1, 2, 3], 1);
  const step = async (): Promise<void> => {
    const passed = await model.forward(cache, [7], 1);
    // Back to the same place, so that every round has the same context.
    cache = model.truncate(passed.cache, 3);
  };
  await step();
  const pipelines = gpu.pipelinesCompiled;
  const counted = (name: string, unit: string, counter: () => number): Side => ({
    name,
    unit,
    measure: async () => {
      const before = counter();
      for (let i = 0; i < steps; i++) await step();
      return (counter() - before) / steps;
    },
  });
  // The median step of a round, since other programs take the processor from some.
  const timed = (name: string, time: () => number): Side => ({
    name,
    unit: "ms",
    measure: async () => {
      const times: number[] = [];
      for (let i = 0; i < steps; i++) {
        const before = time();
        await step();
        times.push(time() - before);
      }
      return median(times);
    },
  });
  return {
    sides: [
      timed("encode and submit", () => host.encoding),
      {
        name: "dispatches of a layer",
        unit: "",
        measure: async () => {
          await step();
          return (gpu.lastDispatches - AROUND_LAYERS) / layers;
        },
      },
      counted("copies to the host", "per step", () => gpu.readbacks),
      timed("arrays and uploads", () => host.arrays),
      counted("pipelines", "after the first step", () => gpu.pipelinesCompiled - pipelines),
    ],
    close: () => device.close(),
  };
}

await runBench(import.meta, {
  name: "webgpu_step_bench",
  summary: "What a decode step of 30 layers on WebGPU costs the host.",
  flags: benchFlags,
  settings: { layers: 30, steps: 10, rounds: 5, warmUp: 3 },
  quick: { layers: 2, steps: 2, rounds: 2, warmUp: 0 },
}, async (bench, settings: Settings) => {
  const made = await bench.attempt("WebGPU", () => stepSides(settings));
  if (made === undefined) return joinFindings([]);
  const series = await runRounds(made.sides, bench.roundOptions("steps", settings));
  made.close();
  const unit = seriesOf("1", "", series[0].values.map(() => 1));
  const targets = [HOST, DISPATCHES, ONE];
  const ratios = targets.map((target, i) => ratioOf(series[i].name, series[i], unit, target));
  return { series, ratios, remarks: [] };
});
