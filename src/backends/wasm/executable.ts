/**
 * Plans made ready: constants uploaded, kernels compiled, one main module that calls them.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Plan } from "../../plan/plan.ts";
import type { Allocation, Executable } from "../../runtime/backend.ts";
import { ALIGNMENT } from "./allocator.ts";
import { type Arena, layOut } from "./arena.ts";
import { type KernelCache, storeBytes } from "./kernel_cache.ts";
import type { LinearMemory } from "./memory.ts";
import { type PlanCalls, planCalls } from "./plan_calls.ts";
import { counterWords, planModule } from "./plan_module.ts";
import { PLAN_RECORD } from "./thread_control.ts";
import type { ThreadTeam } from "./thread_team.ts";

/** What a plan is prepared with. */
export interface ExecutionContext {
  readonly linear: LinearMemory;
  readonly kernels: KernelCache;
  readonly arena: Arena;
  readonly team: ThreadTeam;
}

/** A linked main module. */
interface Main {
  readonly run: (table: number, scratch: number, thread: number, counters: number) => void;
  /** What the workers load it from; 0 where there are none. */
  readonly record: number;
  /** Ranges of memory that belong to it. */
  readonly ranges: readonly number[];
}

const WORD_BYTES = 4;

/** Writes down for workers where the main module and its kernels are. */
function storeRecord(
  { linear }: ExecutionContext,
  { kernels }: PlanCalls,
  bytes: Uint8Array,
): { record: number; ranges: number[] } {
  const main = storeBytes(linear, bytes);
  const length = PLAN_RECORD.first + kernels.length * PLAN_RECORD.perKernel;
  const record = linear.allocator.allocate(length * WORD_BYTES);
  const words = linear.words(record, length);
  words[PLAN_RECORD.main] = main;
  words[PLAN_RECORD.mainBytes] = bytes.length;
  words[PLAN_RECORD.kernels] = kernels.length;
  kernels.forEach(({ id, address, byteLength }, i) =>
    words.set([id, address, byteLength], PLAN_RECORD.first + i * PLAN_RECORD.perKernel)
  );
  return { record, ranges: [main, record] };
}

/** Compiles and links the main module. */
function linkMain(context: ExecutionContext, planned: PlanCalls, scratchBytes: number): Main {
  const { linear, team } = context;
  const { kernels, stages } = planned;
  const bytes = planModule({
    memory: linear.kind,
    parameters: kernels.map((kernel) => kernel.parameters),
    stages,
    threads: team.size,
    team: team.address,
    scratchBytes,
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
    env: { memory: linear.memory },
    kernels: Object.fromEntries(kernels.map((kernel, i) => [`${i}`, kernel.run])),
  });
  const { run } = instance.exports;
  if (typeof run !== "function") {
    throw new OutriderError("a main function", typeof run, "report this plan");
  }
  const stored = team.size > 1 ? storeRecord(context, planned, bytes) : { record: 0, ranges: [] };
  return {
    run: (table, scratch, thread, counters) => run(table, scratch, thread, counters),
    ...stored,
  };
}

/** Uploads the plan's constants; gives the address of each constant buffer, 0 for the others. */
function uploadConstants(plan: Plan, { linear }: ExecutionContext): number[] {
  return plan.buffers.map((buffer) => {
    if (buffer.home !== "constant") return 0;
    const { data } = buffer;
    return storeBytes(linear, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });
}

function checkPorts(what: string, expected: number, found: number): void {
  if (expected === found) return;
  throw new OutriderError(`${expected} ${what}`, `${found}`, "pass one allocation per port");
}

/** Buffers whose memory is that of ports, and these ports; numbers in a row, since memory is cold. */
interface PortBuffers {
  readonly buffers: Int32Array;
  readonly ports: Int32Array;
}

/** The buffers to bind for every run. */
function portBuffers(plan: Plan, home: "input" | "output"): PortBuffers {
  const found = plan.buffers.flatMap((one, buffer) =>
    one.home === home ? [{ buffer, port: one.index }] : []
  );
  return {
    buffers: Int32Array.from(found, ({ buffer }) => buffer),
    ports: Int32Array.from(found, ({ port }) => port),
  };
}

function failedRun(found: string): OutriderError {
  return new OutriderError(
    "a run that every thread ends",
    found,
    "close this backend and open a new one",
  );
}

/** Prepares a plan. */
export function prepareExecutable(plan: Plan, context: ExecutionContext): Executable {
  const { linear, arena, team } = context;
  const planned = planCalls(plan, context.kernels);
  const most = planned.kernels.reduce((bytes, kernel) => Math.max(bytes, kernel.scratchBytes), 0);
  const scratchBytes = Math.ceil(most / ALIGNMENT) * ALIGNMENT;
  const main = linkMain(context, planned, scratchBytes);
  const { offsets, bytes } = layOut(plan.slots);
  arena.reserve(bytes + scratchBytes * team.size);
  const constants = uploadConstants(plan, context);
  const table = linear.allocator.allocate(plan.buffers.length * WORD_BYTES);
  const runWords = team.size > 1 ? counterWords(planned.stages) : 0;
  const counters = linear.allocator.allocate(runWords * team.size * WORD_BYTES);
  let isReleased = false;

  let words: Uint32Array = new Uint32Array();
  let boundArena = -1;
  /** Writes down the addresses that stay as long as the memory and the arena stay where they are. */
  const bindFixed = (): void => {
    words = linear.words(table, plan.buffers.length);
    boundArena = arena.address;
    plan.buffers.forEach((buffer, i) => {
      if (buffer.home === "slot") words[i] = boundArena + offsets[buffer.index];
      if (buffer.home === "constant") words[i] = constants[i];
    });
  };
  const inputBuffers = portBuffers(plan, "input");
  const outputBuffers = portBuffers(plan, "output");
  const bindPorts = (
    { buffers, ports }: PortBuffers,
    allocations: readonly Allocation[],
  ): void => {
    for (let i = 0; i < buffers.length; i++) words[buffers[i]] = allocations[ports[i]];
  };
  const bind = (inputs: readonly Allocation[], outputs: readonly Allocation[]): void => {
    if (boundArena !== arena.address || words.length === 0) bindFixed();
    bindPorts(inputBuffers, inputs);
    bindPorts(outputBuffers, outputs);
  };
  const run = (inputs: readonly Allocation[], outputs: readonly Allocation[]): void => {
    if (isReleased) {
      throw new OutriderError("a prepared plan", "a released one", "prepare it again");
    }
    checkPorts("inputs", plan.inputPorts.length, inputs.length);
    checkPorts("outputs", plan.outputPorts.length, outputs.length);
    if (planned.stages.length === 0) return;
    bind(inputs, outputs);
    const scratch = arena.address + bytes;
    const started = { plan: main.record, table, scratch, counters, counterWords: runWords };
    if (team.failed) throw failedRun("a thread that failed in an earlier one");
    try {
      main.run(table, scratch, 0, team.start(started));
    } catch (error) {
      const isOther = team.failed;
      team.fail();
      const reason = error instanceof Error ? error.message : String(error);
      throw failedRun(isOther ? "another thread that failed" : reason);
    }
  };
  const release = (): void => {
    if (isReleased) return;
    isReleased = true;
    if (main.record !== 0) team.forget(main.record);
    const owned = [
      table,
      counters,
      ...main.ranges,
      ...constants.filter((address) => address !== 0),
    ];
    owned.forEach(linear.allocator.release);
  };
  return { plan, run, release };
}
