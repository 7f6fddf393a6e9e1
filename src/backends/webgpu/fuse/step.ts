/**
 * Steps: the commands of a plan while they are being fused, over buffers that have no slots yet.
 *
 * @module
 */
import type { GpuKernelSpec } from "../../../../kernels/wgsl/mod.ts";
import type { MapSpec, ReduceSpec, ScatterSpec } from "../../../plan/kernel_spec.ts";
import type { GpuPlan } from "../attention_statistics.ts";

/** A buffer, or a part of its bytes that is bound alone. */
export interface Bindable {
  readonly buffer: number;
  readonly window?: { readonly from: number; readonly bytes: number };
}

/** Where a step reads an argument. */
export type Source =
  | Bindable
  /** A map computed on the way. */
  | { readonly map: MapSpec; readonly sources: readonly Source[] }
  | RepeatedReduction
  | WrittenTable;

/** A reduction that every group finds for itself, and how many elements its result has. */
export interface RepeatedReduction {
  readonly reduce: ReduceSpec;
  readonly sources: readonly Source[];
  readonly after?: After;
  readonly count: number;
}

/** A table into which the step itself scatters rows, from indices and updates, before it reads them. */
export interface WrittenTable {
  readonly scatter: ScatterSpec;
  readonly sources: readonly Source[];
  readonly table: number;
}

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
  if ("buffer" in source) return [source];
  if ("map" in source) return source.sources.flatMap(bindablesIn);
  return "reduce" in source
    ? readBindables(source)
    : [...source.sources.flatMap(bindablesIn), { buffer: source.table }];
}

/** The buffers that a source reads in the end. */
export function buffersOf(source: Source): readonly number[] {
  return bindablesIn(source).map(({ buffer }) => buffer);
}

/** The source with another one where it reads a buffer. */
export function replaced(source: Source, buffer: number, by: Source): Source {
  if ("buffer" in source) return source.buffer === buffer ? by : source;
  return { ...source, sources: source.sources.map((one) => replaced(one, buffer, by)) };
}

/** What a step reads, but for a scatter's table. */
function readBindables({ sources, after }: Pick<Step, "sources" | "after">): Bindable[] {
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

/** The buffers that a step writes. */
export function writesOf({ sources, target }: Step): number[] {
  return [target, ...sources.flatMap((source) => "scatter" in source ? [source.table] : [])];
}

/** True where one of the steps must come before the other as it does. */
export function conflict(a: Step, b: Step, naming: Naming): boolean {
  const names = (buffers: readonly number[]) => new Set(buffers.map(naming));
  const [writtenByA, writtenByB] = [names(writesOf(a)), names(writesOf(b))];
  return !writtenByA.isDisjointFrom(writtenByB) ||
    !writtenByA.isDisjointFrom(names(readsOf(b))) ||
    !writtenByB.isDisjointFrom(names(readsOf(a)));
}
