/**
 * Liveness and slots: temporaries that are never alive together share memory.
 *
 * @module
 */
import type { Command } from "./plan.ts";

/** For every temporary its slot, and the sizes of the slots. */
export interface SlotAssignment {
  readonly slotOf: ReadonlyMap<number, number>;
  readonly slots: readonly number[];
}

/** The last command that touches each buffer. */
function lastUses(commands: readonly Command[]): Map<number, number> {
  const last = new Map<number, number>();
  commands.forEach(({ args }, i) => args.forEach((buffer) => last.set(buffer, i)));
  return last;
}

/** The smallest free slot that is large enough, else the largest free one (which grows). */
function pickSlot(free: readonly number[], slots: readonly number[], bytes: number): number {
  return free.reduce((best, slot) => {
    if (best === -1) return slot;
    const [fits, bestFits] = [slots[slot] >= bytes, slots[best] >= bytes];
    if (fits !== bestFits) return fits ? slot : best;
    return (slots[slot] < slots[best]) === fits ? slot : best;
  }, -1);
}

/** Assigns slots in command order; a buffer's slot is free again after its last use. */
export function assignSlots(
  commands: readonly Command[],
  temporaryBytes: ReadonlyMap<number, number>,
): SlotAssignment {
  const last = lastUses(commands);
  const slotOf = new Map<number, number>();
  const slots: number[] = [];
  let free: number[] = [];
  commands.forEach(({ args }, i) => {
    for (const buffer of args) {
      const bytes = temporaryBytes.get(buffer);
      if (bytes === undefined || slotOf.has(buffer)) continue;
      const found = pickSlot(free, slots, bytes);
      const slot = found === -1 ? slots.push(bytes) - 1 : found;
      slots[slot] = Math.max(slots[slot], bytes);
      free = free.filter((other) => other !== slot);
      slotOf.set(buffer, slot);
    }
    for (const buffer of new Set(args)) {
      const slot = slotOf.get(buffer);
      if (slot !== undefined && last.get(buffer) === i) free.push(slot);
    }
  });
  return { slotOf, slots };
}
