/**
 * When memory is read and written over a list of steps.
 *
 * @module
 */
import { type Naming, readsOf, type Step, writesOf } from "./step.ts";

/** Who reads and writes a piece of memory, by the places of steps, in order. */
export interface Timeline {
  readers(name: string): readonly number[];
  writers(name: string): readonly number[];
  /** True where a step after `from`, up to and including `to`, writes the memory. */
  isWritten(name: string, from: number, to: number): boolean;
  /** The same for reading. */
  isRead(name: string, from: number, to: number): boolean;
}

function add(lists: Map<string, number[]>, name: string, place: number): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [place]);
  else if (list[list.length - 1] !== place) list.push(place);
}

/** The timeline of steps; those that are gone are left out. */
export function timelineOf(steps: readonly (Step | undefined)[], naming: Naming): Timeline {
  const reads = new Map<string, number[]>();
  const writes = new Map<string, number[]>();
  steps.forEach((step, place) => {
    if (step === undefined) return;
    for (const buffer of readsOf(step)) add(reads, naming(buffer), place);
    for (const buffer of writesOf(step)) add(writes, naming(buffer), place);
  });
  const readers = (name: string) => reads.get(name) ?? [];
  const writers = (name: string) => writes.get(name) ?? [];
  const within = (places: readonly number[], from: number, to: number): boolean =>
    places.some((place) => place > from && place <= to);
  return {
    readers,
    writers,
    isWritten: (name, from, to) => within(writers(name), from, to),
    isRead: (name, from, to) => within(readers(name), from, to),
  };
}
