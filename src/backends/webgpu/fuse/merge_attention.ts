/**
 * Attention that a plan takes in parts and a join, as the one kernel that does both: it adds in the
 * same order, and a GPU has work for its groups without parts where a dispatch costs more.
 *
 * @module
 */
import type { Naming, Step } from "./step.ts";
import { timelineOf } from "./timeline.ts";

/** Joins parts with what joins them. */
export function mergeAttention(steps: readonly Step[], naming: Naming): Step[] {
  const timeline = timelineOf(steps, naming);
  const found: (Step | undefined)[] = [...steps];
  steps.forEach((step, i) => {
    const { kernel, target } = step;
    if (kernel.family !== "attentionParts") return;
    const readers = timeline.readers(naming(target));
    const [place] = readers;
    const join = readers.length === 1 ? steps[place] : undefined;
    if (join?.kernel.family !== "attentionJoin") return;
    const isKept = step.sources.every((source) =>
      "buffer" in source && !timeline.isWritten(naming(source.buffer), i, place)
    );
    if (!isKept) return;
    found[i] = undefined;
    found[place] = { ...step, kernel: { ...kernel, family: "attention" }, target: join.target };
  });
  return found.filter((step) => step !== undefined);
}
