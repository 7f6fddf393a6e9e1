/**
 * Steps that need nothing of each other as parts of one dispatch.
 *
 * @module
 */
import { bindingCount, type StepBindings } from "./step_bindings.ts";
import { conflict, type Naming, type Step } from "./step.ts";

/** What a part takes of a shader. */
export interface PartSize {
  /** Invocations per group: equal for all parts of a dispatch. */
  readonly lanes: number;
  readonly workgroupBytes: number;
}

/** What a shader can have. */
export interface DispatchLimits {
  readonly bindings: number;
  readonly workgroupBytes: number;
}

/** Dispatches before the last one that a step may still join. */
const LOOK_BACK = 3;
/** Parts of one dispatch: shaders with many distinct parts are compiled for one place only. */
const MOST_PARTS = 8;

interface Group {
  readonly steps: Step[];
  /** The memory that they touch, and the bindings that it takes. */
  readonly names: Map<string, number>;
  readonly lanes: number;
  bytes: number;
}

/** Groups steps, given what memory each touches; the order between those that conflict is kept. */
export function groupSteps(
  steps: readonly Step[],
  naming: Naming,
  namesOf: StepBindings,
  sizeOf: (step: Step) => PartSize,
  limits: DispatchLimits,
): Step[][] {
  const groups: Group[] = [];
  const fits = ({ steps, names, lanes, bytes }: Group, more: Map<string, number>, size: PartSize) =>
    steps.length < MOST_PARTS && lanes === size.lanes &&
    bytes + size.workgroupBytes <= limits.workgroupBytes &&
    bindingCount(names, more) <= limits.bindings;
  for (const step of steps) {
    const size = sizeOf(step);
    const names = namesOf(step);
    let chosen: Group | undefined;
    for (let g = groups.length - 1; g >= Math.max(0, groups.length - 1 - LOOK_BACK); g--) {
      const group = groups[g];
      if (group.steps.some((other) => conflict(other, step, naming))) break;
      if (fits(group, names, size)) chosen ??= group;
    }
    if (chosen === undefined) {
      groups.push({ steps: [step], names, lanes: size.lanes, bytes: size.workgroupBytes });
      continue;
    }
    chosen.steps.push(step);
    names.forEach((count, name) => chosen.names.set(name, count));
    chosen.bytes += size.workgroupBytes;
  }
  return groups.map(({ steps }) => steps);
}
