/**
 * Plans made ready: pipelines compiled, constants uploaded, temporaries bound.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Plan } from "../../plan/plan.ts";
import type { Allocation, Executable } from "../../runtime/backend.ts";
import type { BufferPool, PooledBuffer } from "./buffer_pool.ts";
import type { Gpu } from "./gpu.ts";
import type { Memory } from "./memory.ts";
import type { Pipeline, PipelineCache } from "./pipelines.ts";
import { type MemoryPlace, planDispatches } from "./plan_dispatches.ts";
import type { Recorder } from "./recorder.ts";
import type { SharedSlots } from "./slots.ts";
import { paddedWrite } from "./word_edges.ts";

/** What a plan is prepared with. */
export interface ExecutionContext {
  readonly gpu: Gpu;
  readonly recorder: Recorder;
  readonly pool: BufferPool;
  readonly memory: Memory;
  readonly slots: SharedSlots;
  readonly pipelines: PipelineCache;
}

/** A dispatch ready to be recorded. */
interface ReadyDispatch {
  readonly pipeline: Pipeline;
  readonly places: readonly MemoryPlace[];
}

function uploadConstants(plan: Plan, { gpu, pool }: ExecutionContext): Map<number, PooledBuffer> {
  const uploaded = new Map<number, PooledBuffer>();
  plan.buffers.forEach((buffer, i) => {
    if (buffer.home !== "constant") return;
    const { data } = buffer;
    const pooled = pool.take(data.byteLength);
    uploaded.set(i, pooled);
    if (data.byteLength === 0) return;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    gpu.device.queue.writeBuffer(pooled.buffer, 0, paddedWrite(new Map(), bytes, 0).bytes);
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
  const dispatches = planDispatches(plan).flatMap(({ spec, places }): ReadyDispatch[] => {
    const pipeline = context.pipelines.get(spec);
    return pipeline === undefined ? [] : [{ pipeline, places }];
  });
  const slots = context.slots.hold(plan.slots);
  const constants = uploadConstants(plan, context);
  let isReleased = false;

  const bufferAt = (
    { home, index }: MemoryPlace,
    inputs: readonly PooledBuffer[],
    outputs: readonly PooledBuffer[],
  ): PooledBuffer => {
    if (home === "input") return inputs[index];
    if (home === "output") return outputs[index];
    const found = home === "slot" ? slots[index] : constants.get(index);
    if (found !== undefined) return found;
    throw new OutriderError("a constant that was uploaded", `buffer ${index}`, "report this plan");
  };
  const buffersOf = (allocations: readonly Allocation[]): PooledBuffer[] =>
    allocations.map((allocation) => memory.piece(allocation).pooled);
  const run = (inputs: readonly Allocation[], outputs: readonly Allocation[]): void => {
    gpu.faults.check();
    if (isReleased) {
      throw new OutriderError("a prepared plan", "a released one", "prepare it again");
    }
    checkPorts("inputs", plan.inputPorts.length, inputs.length);
    checkPorts("outputs", plan.outputPorts.length, outputs.length);
    const [ins, outs] = [buffersOf(inputs), buffersOf(outputs)];
    for (const { pipeline, places } of dispatches) {
      const used = places.map((place) => bufferAt(place, ins, outs));
      const group = gpu.device.createBindGroup({
        layout: pipeline.layout,
        entries: used.map(({ buffer }, binding) => ({ binding, resource: { buffer } })),
      });
      recorder.dispatch(pipeline.pipeline, group, pipeline.x, pipeline.y);
      for (const one of used) one.usedBy = recorder.current;
    }
  };
  const release = (): void => {
    if (isReleased) return;
    isReleased = true;
    context.slots.drop(slots);
    constants.forEach((pooled) => pool.give(pooled));
  };
  return { plan, run, release };
}
