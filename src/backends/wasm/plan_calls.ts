/**
 * From a plan's commands to kernel calls, in stages between which threads must meet.
 *
 * Commands that need nothing of each other come together, whatever their order in the plan, and
 * commands too small to share out follow those before them on one thread: a barrier costs more.
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

/** What threads do between two meetings. */
export interface PlanStage {
  /** Calls that all threads share out; they need nothing of each other. */
  readonly shared: readonly KernelCall[];
  /** Small calls that the thread which ends the last shared one makes, in order. */
  readonly tail: readonly KernelCall[];
}

/** The distinct kernels of a plan, and its calls in order. */
export interface PlanCalls {
  readonly kernels: readonly CompiledKernel[];
  readonly stages: readonly PlanStage[];
}

/** Names the memory behind a buffer: two buffers share memory where their names are equal. */
function memoryName(plan: Plan, buffer: BufferHome, index: number): string {
  if (buffer.home === "constant") return `constant ${index}`;
  if (buffer.home !== "output") return `${buffer.home} ${buffer.index}`;
  const donor = plan.donations[buffer.index];
  return donor < 0 ? `output ${buffer.index}` : `input ${donor}`;
}

/**
 * Gives for one command after the other how many must be over before it: one more than those that it
 * reads the result of, and than those whose memory it overwrites.
 */
function levelCounter(): (reads: readonly string[], write: string) => number {
  const readUntil = new Map<string, number>();
  const writtenAt = new Map<string, number>();
  return (reads, write) => {
    const before = [
      ...reads.map((name) => writtenAt.get(name) ?? -1),
      writtenAt.get(write) ?? -1,
      readUntil.get(write) ?? -1,
    ];
    const level = 1 + Math.max(...before);
    for (const name of reads) readUntil.set(name, Math.max(readUntil.get(name) ?? 0, level));
    writtenAt.set(write, level);
    return level;
  };
}

/** True where calls together are not worth a second thread. */
function isSmall(calls: readonly KernelCall[]): boolean {
  return calls.reduce((sum, { units, grain }) => sum + units / grain, 0) <= 1;
}

/** Levels as stages: a small one becomes the tail of what is before it. */
function stagesOf(levels: readonly (readonly KernelCall[])[]): PlanStage[] {
  const stages: PlanStage[] = [];
  for (const calls of levels) {
    const last = stages.at(-1);
    if (last === undefined || !isSmall(calls)) stages.push({ shared: calls, tail: [] });
    else stages[stages.length - 1] = { ...last, tail: [...last.tail, ...calls] };
  }
  return stages;
}

/** The calls of a plan; commands without work are left out. */
export function planCalls(plan: Plan, cache: KernelCache): PlanCalls {
  const numbers = new Map<CompiledKernel, number>();
  const levelOf = levelCounter();
  const levels: KernelCall[][] = [];
  for (const { spec, args } of plan.commands) {
    const kernel = cache.get(spec, args.length);
    if (kernel.units === 0) continue;
    const number = numbers.get(kernel) ?? numbers.size;
    numbers.set(kernel, number);
    const names = args.map((buffer) => memoryName(plan, plan.buffers[buffer], buffer));
    // Every family writes its last argument only.
    const level = levelOf(names.slice(0, -1), names[names.length - 1]);
    const call = { kernel: number, args, units: kernel.units, grain: kernel.grain };
    (levels[level] ??= []).push(call);
  }
  return { kernels: [...numbers.keys()], stages: stagesOf(levels) };
}
