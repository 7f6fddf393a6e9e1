/**
 * From a plan's commands to kernel calls, in segments between which threads must meet.
 *
 * @module
 */
import type { BufferHome, Plan } from "../../plan/plan.ts";
import type { CompiledKernel, KernelCache } from "./kernel_cache.ts";

/** One call: which of the plan's kernels, with which buffers, over how many units. */
export interface KernelCall {
  readonly kernel: number;
  /** Indices into the plan's buffers. */
  readonly args: readonly number[];
  readonly units: number;
  /** Fewest units for one thread. */
  readonly grain: number;
}

/** The distinct kernels of a plan, and its calls in order. */
export interface PlanCalls {
  readonly kernels: readonly CompiledKernel[];
  /** The calls of one segment need nothing of each other. */
  readonly segments: readonly (readonly KernelCall[])[];
}

/** Names the memory behind a buffer: two buffers share memory where their names are equal. */
function memoryName(plan: Plan, buffer: BufferHome, index: number): string {
  if (buffer.home === "constant") return `constant ${index}`;
  if (buffer.home !== "output") return `${buffer.home} ${buffer.index}`;
  const donor = plan.donations[buffer.index];
  return donor < 0 ? `output ${buffer.index}` : `input ${donor}`;
}

/** Tells for one command after the other whether it needs something of those in its segment. */
function dependencyTracker(): (reads: readonly string[], write: string) => boolean {
  const read = new Set<string>();
  const written = new Set<string>();
  return (reads, write) => {
    const waits = written.has(write) || read.has(write) || reads.some((name) => written.has(name));
    if (waits) {
      read.clear();
      written.clear();
    }
    reads.forEach((name) => read.add(name));
    written.add(write);
    return waits;
  };
}

/** The calls of a plan; commands without work are left out. */
export function planCalls(plan: Plan, cache: KernelCache): PlanCalls {
  const numbers = new Map<CompiledKernel, number>();
  const beginsSegment = dependencyTracker();
  const segments: KernelCall[][] = [];
  for (const { spec, args } of plan.commands) {
    const kernel = cache.get(spec, args.length);
    if (kernel.units === 0) continue;
    const number = numbers.get(kernel) ?? numbers.size;
    numbers.set(kernel, number);
    const call = { kernel: number, args, units: kernel.units, grain: kernel.grain };
    const names = args.map((buffer) => memoryName(plan, plan.buffers[buffer], buffer));
    // Every family writes its last argument only.
    const begins = beginsSegment(names.slice(0, -1), names[names.length - 1]);
    const current = segments.at(-1);
    if (current === undefined || begins) segments.push([call]);
    else current.push(call);
  }
  return { kernels: [...numbers.keys()], segments };
}
