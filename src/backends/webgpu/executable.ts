/**
 * Plans made ready: pipelines compiled, constants uploaded, temporaries bound.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Plan } from "../../plan/plan.ts";
import type { Allocation, Executable } from "../../runtime/backend.ts";
import { type GpuPlan, withStatistics } from "./attention_statistics.ts";
import { bindDispatch, bindGroups, type Bound } from "./bound_dispatch.ts";
import type { BufferPool, PooledBuffer } from "./buffer_pool.ts";
import { writeWords } from "./buffer_ranges.ts";
import type { Gpu } from "./gpu.ts";
import type { Memory } from "./memory.ts";
import type { PipelineCache } from "./pipelines.ts";
import type { MemoryPlace, PlannedDispatches } from "./planned_dispatch.ts";
import type { Recorder } from "./recorder.ts";
import type { SharedSlots } from "./slots.ts";

/** What a plan is prepared with. */
export interface ExecutionContext {
  readonly gpu: Gpu;
  readonly recorder: Recorder;
  readonly pool: BufferPool;
  readonly memory: Memory;
  readonly slots: SharedSlots;
  readonly pipelines: PipelineCache;
  /** How commands become dispatches. */
  readonly dispatchesOf: (plan: GpuPlan) => PlannedDispatches;
}

function uploadConstants(
  plan: Plan,
  { gpu, pool, recorder }: ExecutionContext,
): Map<number, PooledBuffer> {
  const uploaded = new Map<number, PooledBuffer>();
  plan.buffers.forEach((buffer, i) => {
    if (buffer.home !== "constant") return;
    const { data } = buffer;
    const pooled = pool.take(data.byteLength);
    uploaded.set(i, pooled);
    if (data.byteLength === 0) return;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    // The queue writes before it runs what is only submitted later.
    if (pooled.usedBy === recorder.current) recorder.submit();
    writeWords(gpu.device, pooled, 0, bytes);
  });
  return uploaded;
}

function checkPorts(what: string, expected: number, found: number): void {
  if (expected === found) return;
  throw new OutriderError(`${expected} ${what}`, `${found}`, "pass one allocation per port");
}

/** Prepares a plan. */
export function prepareExecutable(plan: Plan, context: ExecutionContext): Executable {
  const { gpu, recorder, memory, pool } = context;
  const gpuPlan = withStatistics(plan);
  const { dispatches: specs, slots: sizes } = context.dispatchesOf(gpuPlan);
  const planned = specs.flatMap(({ spec, places }) => {
    const pipeline = context.pipelines.get(spec);
    return pipeline === undefined ? [] : [{ pipeline, places }];
  });
  const slots = context.slots.hold(sizes);
  const constants = uploadConstants(plan, context);
  const memoryAt = ({ home, index }: MemoryPlace): Bound["memory"] => {
    if (home === "input") return index;
    if (home === "output") return plan.inputPorts.length + index;
    const found = home === "slot" ? slots[index] : constants.get(index);
    if (found !== undefined) return found;
    throw new OutriderError("a constant that was uploaded", `buffer ${index}`, "report this plan");
  };
  const dispatches = planned.map(({ pipeline, places }) =>
    bindDispatch(
      gpu,
      pipeline,
      places.map((place) => ({ memory: memoryAt(place), from: place.from, bytes: place.bytes })),
    )
  );
  const pipelines = dispatches.map(({ pipeline }) => pipeline);
  const groupsOf = bindGroups(dispatches);
  let isReleased = false;

  const run = (inputs: readonly Allocation[], outputs: readonly Allocation[]): void => {
    gpu.faults.check();
    if (isReleased) {
      throw new OutriderError("a prepared plan", "a released one", "prepare it again");
    }
    checkPorts("inputs", plan.inputPorts.length, inputs.length);
    checkPorts("outputs", plan.outputPorts.length, outputs.length);
    const ports: PooledBuffer[] = [];
    for (const allocation of inputs) ports.push(memory.piece(allocation).pooled);
    for (const allocation of outputs) ports.push(memory.piece(allocation).pooled);
    const groups = groupsOf(ports);
    for (let i = 0; i < groups.length; i++) recorder.dispatch(pipelines[i], groups[i]);
    for (const port of ports) port.usedBy = recorder.current;
    recorder.endRun(dispatches.length);
  };
  const release = (): void => {
    if (isReleased) return;
    isReleased = true;
    // Commands of the last run may still wait.
    for (const pooled of [...slots, ...constants.values()]) pooled.usedBy = recorder.current;
    context.slots.drop(slots);
    for (const pooled of constants.values()) pool.give(pooled);
  };
  return { plan, run, release };
}
