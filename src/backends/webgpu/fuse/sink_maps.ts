/**
 * Maps that only one kernel's result goes through, moved into that kernel: the residual behind a
 * product, the root behind a sum of squares.
 *
 * @module
 */
import type { KernelFamily, MapSpec } from "../../../plan/kernel_spec.ts";
import { orderedBy } from "./map_order.ts";
import { buffersOf, type Naming, readsOf, type Step } from "./step.ts";
import { timelineOf } from "./timeline.ts";

/** Kernels that store every element of their result once. */
const SINKS: ReadonlySet<string> = new Set<KernelFamily>([
  "reduce",
  "matmul",
  "packedMatmul",
  "gather",
  "attention",
  "attentionJoin",
]);

/** What is known of the temporaries. */
export interface Temporaries {
  /** Elements of a temporary; undefined for other buffers. */
  elements(buffer: number): number | undefined;
  readonly naming: Naming;
}

/** How many steps must come before each. */
function levelsOf(steps: readonly (Step | undefined)[], naming: Naming): number[] {
  const written = new Map<string, number>();
  return steps.map((step) => {
    if (step === undefined) return 0;
    const before = readsOf(step).map((buffer) => written.get(naming(buffer)) ?? 0);
    const level = 1 + Math.max(0, ...before);
    written.set(naming(step.target), level);
    return level;
  });
}

/** The one input of a map that is the temporary. */
function inputNumber({ sources }: Step, buffer: number): number | undefined {
  const found = sources.flatMap((source, i) => buffersOf(source).includes(buffer) ? [i] : []);
  const [first] = found;
  if (found.length !== 1) return undefined;
  const source = sources[first];
  return "buffer" in source ? first : undefined;
}

/** The kernel with the map behind it. */
function sunk(step: Step, then: Step, map: MapSpec, elements: number): Step | undefined {
  const input = inputNumber(then, step.target);
  if (input === undefined) return undefined;
  const ordered = orderedBy(map, map.inputs[input], elements);
  if (ordered === undefined) return undefined;
  return { ...step, after: { map: ordered, input, sources: then.sources }, target: then.target };
}

/** Moves maps behind the kernels whose results they read. */
export function sinkMaps(steps: readonly Step[], { elements, naming }: Temporaries): Step[] {
  const timeline = timelineOf(steps, naming);
  const levels = levelsOf(steps, naming);
  const found: (Step | undefined)[] = [...steps];
  steps.forEach((step, i) => {
    const { kernel, target } = step;
    const count = elements(target);
    const name = naming(target);
    const [place, ...others] = timeline.readers(name);
    if (count === undefined || !SINKS.has(kernel.family) || place === undefined) return;
    if (others.length > 0 || timeline.writers(name).length !== 1 || step.after) return;
    const then = steps[place];
    const current = found[place];
    if (then.kernel.family !== "map" || then.after || current !== then) return;
    const rest = readsOf(then).filter((buffer) => buffer !== target);
    // Results that come at the same time as this one would have to come before it.
    const isReady = rest.every((buffer) =>
      timeline.writers(naming(buffer)).every((writer) =>
        writer > place || (writer < i && levels[writer] < levels[i])
      )
    );
    const out = naming(then.target);
    const isFree = !timeline.isWritten(out, i, place - 1) && !timeline.isRead(out, i, place - 1);
    const isApart = readsOf(step).every((buffer) => naming(buffer) !== out);
    if (!isReady || !isFree || !isApart) return;
    const made = sunk(step, then, then.kernel, count);
    if (made === undefined) return;
    found[i] = made;
    found[place] = undefined;
  });
  return found.filter((step) => step !== undefined);
}
