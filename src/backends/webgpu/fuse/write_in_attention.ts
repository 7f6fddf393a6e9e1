/**
 * Scatters into the tables of keys and values as the first thing that attention does, where each of
 * its groups is alone in reading its key/value head: it writes what it reads itself, and no group
 * waits for another. So the one row of a decode step takes no dispatch for its cache.
 *
 * @module
 */
import { ownsKeys } from "../../../../kernels/wgsl/mod.ts";
import type { AttentionSpec, ScatterSpec } from "../../../plan/kernel_spec.ts";
import { buffersOf, type Naming, readsOf, type Source, type Step, writesOf } from "./step.ts";
import { type Timeline, timelineOf } from "./timeline.ts";

/** A scatter of rows that attention reads as keys or values. */
interface RowWrite {
  readonly place: number;
  readonly scatter: ScatterSpec;
  readonly step: Step;
}

/** True where rows of the scatter are slots of attention. */
function hasSlots({ mode, tableRows, width }: ScatterSpec, spec: AttentionSpec): boolean {
  const { slots, keyValueHeads, headWidth, storage } = spec;
  const words = keyValueHeads * headWidth / (storage === "f16" ? 2 : 1);
  return mode === "set" && tableRows === slots && width === words;
}

/** The last write into the memory of a source before a step, where it is such a scatter. */
function rowWrite(
  steps: readonly (Step | undefined)[],
  timeline: Timeline,
  name: string,
  place: number,
): RowWrite | undefined {
  const before = timeline.writers(name).filter((writer) => writer < place).at(-1);
  const step = before === undefined ? undefined : steps[before];
  if (before === undefined || step === undefined) return undefined;
  const { kernel } = step;
  return kernel.family === "scatter" ? { place: before, scatter: kernel, step } : undefined;
}

/** True where nothing in between sees that the rows are written later. */
function mayMove(
  { place, step }: RowWrite,
  to: number,
  attention: Step,
  timeline: Timeline,
  naming: Naming,
) {
  const name = naming(step.target);
  const reads = step.sources.flatMap(buffersOf).map(naming);
  return !timeline.isRead(name, place, to - 1) &&
    reads.every((read) => read !== name && !timeline.isWritten(read, place, to - 1)) &&
    writesOf(attention).every((buffer) => !reads.includes(naming(buffer)));
}

/** Moves such scatters into attention. */
export function writeInAttention(
  steps: readonly Step[],
  naming: Naming,
  isBindable: (step: Step) => boolean,
): Step[] {
  const found: (Step | undefined)[] = [...steps];
  const timeline = timelineOf(steps, naming);
  steps.forEach((step, place) => {
    const { kernel } = step;
    if (kernel.family !== "attention" || !ownsKeys(kernel)) return;
    for (const argument of [1, 2]) {
      const current = found[place] ?? step;
      const source = current.sources[argument];
      if (!("buffer" in source) || source.window !== undefined) continue;
      const name = naming(source.buffer);
      // The table is read as keys or as values, and nowhere else.
      if (readsOf(current).filter((buffer) => naming(buffer) === name).length > 1) continue;
      const write = rowWrite(found, timeline, name, place);
      if (write === undefined || !hasSlots(write.scatter, kernel)) continue;
      if (!mayMove(write, place, current, timeline, naming)) continue;
      const table: Source = {
        scatter: write.scatter,
        sources: write.step.sources,
        table: source.buffer,
      };
      const made = { ...current, sources: current.sources.with(argument, table) };
      if (!isBindable(made)) continue;
      found[place] = made;
      found[write.place] = undefined;
    }
  });
  return found.filter((step) => step !== undefined);
}
