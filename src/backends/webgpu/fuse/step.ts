/**
 * Steps: the commands of a plan while they are being fused, over buffers that have no slots yet.
 *
 * @module
 */
import type { GpuKernelSpec } from "../../../../kernels/wgsl/mod.ts";
import type { MapSpec } from "../../../plan/kernel_spec.ts";
import type { GpuPlan } from "../attention_statistics.ts";

/** A buffer, or a part of its bytes that is bound alone. */
export interface Bindable {
  readonly buffer: number;
  readonly window?: { readonly from: number; readonly bytes: number };
}

/** Where a step reads an argument: a buffer, or a map computed on the way. */
export type Source =
  | Bindable
  | { readonly map: MapSpec; readonly sources: readonly Source[] };

/** A map that a step's result goes through; what stands at `input` is not read. */
export interface After {
  readonly map: MapSpec;
  readonly input: number;
  readonly sources: readonly Source[];
}

/** A kernel with what it reads and writes. */
export interface Step {
  readonly kernel: GpuKernelSpec;
  readonly sources: readonly Source[];
  readonly after?: After;
  /** The buffer that it writes. */
  readonly target: number;
}

/** Names the memory behind the buffers of a plan; each temporary has its own. */
export type Naming = (buffer: number) => string;

/** The naming of a plan's buffers: a result in the place of a donated input is that input. */
export function namingOf(plan: GpuPlan): Naming {
  const names = plan.buffers.map((one, buffer) => {
    if (one.home === "slot" || one.home === "constant") return `${one.home} ${buffer}`;
    if (one.home === "input") return `input ${one.index}`;
    const donor = plan.donations[one.index];
    return donor < 0 ? `output ${one.index}` : `input ${donor}`;
  });
  return (buffer) => names[buffer];
}

/** The steps of a plan, one per command. */
export function stepsOf(plan: GpuPlan): Step[] {
  return plan.commands.map(({ spec, args }) => ({
    kernel: spec,
    sources: args.slice(0, -1).map((buffer) => ({ buffer })),
    target: args[args.length - 1],
  }));
}

function bindablesIn(source: Source): readonly Bindable[] {
  return "buffer" in source ? [source] : source.sources.flatMap(bindablesIn);
}

/** The buffers that a source reads in the end. */
export function buffersOf(source: Source): readonly number[] {
  return bindablesIn(source).map(({ buffer }) => buffer);
}

/** What a step reads, but for a scatter's table. */
function readBindables({ sources, after }: Step): Bindable[] {
  const behind = after?.sources.filter((_, i) => i !== after.input) ?? [];
  return [...sources, ...behind].flatMap(bindablesIn);
}

/** All that a step reads and writes. */
export function bindablesOf(step: Step): Bindable[] {
  return [...readBindables(step), { buffer: step.target }];
}

/** The buffers that a step reads, a scatter's table included. */
export function readsOf(step: Step): number[] {
  const reads = readBindables(step).map(({ buffer }) => buffer);
  return step.kernel.family === "scatter" ? [...reads, step.target] : reads;
}

/** True where one of the steps must come before the other as it does. */
export function conflict(a: Step, b: Step, naming: Naming): boolean {
  const [writtenByA, writtenByB] = [naming(a.target), naming(b.target)];
  return writtenByA === writtenByB ||
    readsOf(b).some((buffer) => naming(buffer) === writtenByA) ||
    readsOf(a).some((buffer) => naming(buffer) === writtenByB);
}
