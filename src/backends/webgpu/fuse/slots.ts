/**
 * Slots of temporaries when commands run several in one dispatch.
 *
 * @module
 */
import { samePlaces } from "../../../plan/order.ts";
import { type Life, type SlotAssignment, slotsFor } from "../../../plan/slots.ts";
import { buffersOf, readsOf, type Step } from "./step.ts";

/** True where a dispatch may write its result over the buffer: element by element, in its place. */
function mayOverwrite(steps: readonly Step[], buffer: number): boolean {
  const [{ kernel, sources, after }] = steps;
  if (steps.length > 1 || kernel.family !== "map" || after !== undefined) return false;
  return sources.every((source, i) =>
    !buffersOf(source).includes(buffer) || ("buffer" in source && samePlaces(kernel, i))
  );
}

function livesOf(groups: readonly (readonly Step[])[]): Map<number, Life> {
  const lives = new Map<number, Life>();
  const touch = (buffer: number, from: number, to: number): void => {
    const life = lives.get(buffer) ?? { first: from, last: to };
    lives.set(buffer, life);
    life.last = Math.max(life.last, to);
  };
  groups.forEach((steps, i) => {
    for (const step of steps) {
      for (const buffer of readsOf(step)) {
        touch(buffer, 2 * i, mayOverwrite(steps, buffer) ? 2 * i : 2 * i + 1);
      }
    }
    const isMap = steps.length === 1 && steps[0].kernel.family === "map";
    for (const { target } of steps) touch(target, isMap ? 2 * i + 1 : 2 * i, 2 * i + 1);
  });
  return lives;
}

/** Assigns slots: what one dispatch reads and writes is apart, but for a map in its place. */
export function slotsOfGroups(
  groups: readonly (readonly Step[])[],
  temporaryBytes: ReadonlyMap<number, number>,
): SlotAssignment {
  return slotsFor(livesOf(groups), temporaryBytes);
}
