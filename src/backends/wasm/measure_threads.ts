/**
 * How many threads pay: a short measurement on the machine at hand.
 *
 * @module
 */
import { add } from "../../core/elementwise_ops.ts";
import { linear } from "../../core/linear_ops.ts";
import { input } from "../../core/movement_ops.ts";
import { makePlan } from "../../plan/make_plan.ts";
import type { Plan } from "../../plan/plan.ts";
import { type WasmBackend, wasmBackend } from "./backend.ts";
import { availableMemory } from "./memory.ts";

/** How to measure. */
export interface MeasureThreadsOptions {
  /** Most threads to try; the number of cores if left out. */
  readonly most?: number;
}

/** Timed runs for one number of threads; the fastest counts, since others disturb. */
const RUNS = 12;
/** More threads are taken for this gain in time, and not for less. */
const WORTHWHILE_GAIN = 0.95;
/** Milliseconds that workers get to start; a machine that needs longer has no core for them. */
const START_MILLISECONDS = 1000;
/** 8 MB of weights: more than the caches next to a core hold. */
const [OUT, IN] = [4096, 512];
const FEW_ROWS = 1;
const MANY_ROWS = 8;

/** One product that waits for memory, as decoding does, and one that computes, as prefill does. */
function samplePlan(): Plan {
  const weights = input([OUT, IN], "f32", "weights");
  const one = input([FEW_ROWS, IN], "f32", "one");
  const many = input([MANY_ROWS, IN], "f32", "many");
  const outputs = [add(linear(one, weights), 1), linear(many, weights)];
  return makePlan({ inputs: [weights, one, many], outputs });
}

/** Waits until all workers take part in runs; false where they do not come. */
async function isComplete(backend: WasmBackend, run: () => void): Promise<boolean> {
  const deadline = performance.now() + START_MILLISECONDS;
  while (backend.lastThreads < backend.threads) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
    run();
  }
  return true;
}

/** Milliseconds of the sample with so many threads; Infinity where they cannot be had. */
async function timeWith(threads: number, plan: Plan): Promise<number> {
  const backend = wasmBackend({ threads });
  try {
    if (backend.threads < threads) return Infinity;
    const executable = backend.prepare(plan);
    const inputs = plan.inputPorts.map(({ bytes }) => {
      const allocation = backend.allocate(bytes);
      backend.write(allocation, new Uint8Array(bytes).fill(1), 0);
      return allocation;
    });
    const outputs = plan.outputPorts.map(({ bytes }) => backend.allocate(bytes));
    const run = () => executable.run(inputs, outputs);
    run();
    if (!await isComplete(backend, run)) return Infinity;
    const times = Array.from({ length: RUNS }, () => {
      const start = performance.now();
      run();
      return performance.now() - start;
    });
    return Math.min(...times);
  } finally {
    backend.close();
  }
}

/** 1, 2, 4 ... and the most itself. */
function candidates(most: number): number[] {
  const powers = Array.from({ length: Math.ceil(Math.log2(most)) }, (_, i) => 2 ** i);
  return [...powers, most];
}

/**
 * The number of threads with which products of weights are fastest on this machine, for
 * {@link wasmBackend}; 1 where memory cannot be shared.
 *
 * It takes some tens of milliseconds, so programs keep what it gives. More threads than needed are
 * not counted: each step has to gain a twentieth.
 *
 * @example
 * ```ts
 * import { measureThreads } from "@outrider/outrider/backends/wasm";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await measureThreads({ most: 1 }), 1);
 * ```
 */
export async function measureThreads(options: MeasureThreadsOptions = {}): Promise<number> {
  const most = Math.max(1, Math.floor(options.most ?? navigator.hardwareConcurrency));
  if (most === 1 || availableMemory() === "unshared") return 1;
  const plan = samplePlan();
  let best = { threads: 1, time: Infinity };
  for (const threads of candidates(most)) {
    const time = await timeWith(threads, plan);
    if (time < WORTHWHILE_GAIN * best.time) best = { threads, time };
  }
  return best.threads;
}
