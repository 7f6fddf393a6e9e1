/**
 * Steps that need nothing of each other as parts of one dispatch.
 *
 * @module
 */
import { conflict, type Naming, readsOf, type Step } from "./step.ts";

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
  readonly names: Set<string>;
  readonly lanes: number;
  bytes: number;
}

/** Groups steps; the order between those that conflict is kept. */
export function groupSteps(
  steps: readonly Step[],
  naming: Naming,
  sizeOf: (step: Step) => PartSize,
  limits: DispatchLimits,
): Step[][] {
  const groups: Group[] = [];
  const fits = ({ steps, names, lanes, bytes }: Group, more: Set<string>, size: PartSize) =>
    steps.length < MOST_PARTS && lanes === size.lanes &&
    bytes + size.workgroupBytes <= limits.workgroupBytes &&
    names.union(more).size <= limits.bindings;
  for (const step of steps) {
    const size = sizeOf(step);
    const names = new Set([...readsOf(step), step.target].map(naming));
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
    names.forEach((name) => chosen.names.add(name));
    chosen.bytes += size.workgroupBytes;
  }
  return groups.map(({ steps }) => steps);
}
