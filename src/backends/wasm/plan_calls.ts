/**
 * From a plan's commands to kernel calls, with the places where threads must meet.
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
  /** Whether all threads must have finished the calls before. */
  readonly after: "barrier" | "nothing";
}

/** The distinct kernels of a plan, and its calls in order. */
export interface PlanCalls {
  readonly kernels: readonly CompiledKernel[];
  readonly calls: readonly KernelCall[];
}

/** Names the memory behind a buffer: two buffers share memory where their names are equal. */
function memoryName(plan: Plan, buffer: BufferHome, index: number): string {
  if (buffer.home === "constant") return `constant ${index}`;
  if (buffer.home !== "output") return `${buffer.home} ${buffer.index}`;
  const donor = plan.donations[buffer.index];
  return donor < 0 ? `output ${buffer.index}` : `input ${donor}`;
}

/** Tells for one command after the other whether it must wait for those since the last barrier. */
function dependencyTracker(): (reads: readonly string[], write: string) => KernelCall["after"] {
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
    return waits ? "barrier" : "nothing";
  };
}

/** The calls of a plan; commands without work are left out. */
export function planCalls(plan: Plan, cache: KernelCache): PlanCalls {
  const numbers = new Map<CompiledKernel, number>();
  const after = dependencyTracker();
  const calls = plan.commands.flatMap(({ spec, args }): KernelCall[] => {
    const kernel = cache.get(spec, args.length);
    if (kernel.units === 0) return [];
    const number = numbers.get(kernel) ?? numbers.size;
    numbers.set(kernel, number);
    const names = args.map((buffer) => memoryName(plan, plan.buffers[buffer], buffer));
    // Every family writes its last argument only.
    const write = names[names.length - 1];
    const { units, grain } = kernel;
    return [{ kernel: number, args, units, grain, after: after(names.slice(0, -1), write) }];
  });
  return { kernels: [...numbers.keys()], calls };
}
