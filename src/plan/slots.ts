/**
 * Liveness and slots: temporaries that are never alive together share memory.
 *
 * @module
 */
import { readBy, samePlaces, writtenBy } from "./order.ts";
import type { Command } from "./plan.ts";

/** For every temporary its slot, and the sizes of the slots. */
export interface SlotAssignment {
  readonly slotOf: ReadonlyMap<number, number>;
  readonly slots: readonly number[];
}

/** When a buffer is alive. Command i reads at time 2 i and writes at 2 i + 1. */
export interface Life {
  first: number;
  last: number;
}

/** True where a command may write its result over the buffer: element by element, in its place. */
function mayOverwrite({ spec, args }: Command, buffer: number): boolean {
  return spec.family === "map" &&
    args.every((arg, i) => arg !== buffer || (i < args.length - 1 && samePlaces(spec, i)));
}

/** The lives of all buffers that the commands touch. */
function livesOf(commands: readonly Command[]): Map<number, Life> {
  const lives = new Map<number, Life>();
  const touch = (buffer: number, from: number, to: number): void => {
    const life = lives.get(buffer) ?? { first: from, last: to };
    lives.set(buffer, life);
    life.last = Math.max(life.last, to);
  };
  commands.forEach((command, i) => {
    for (const buffer of readBy(command)) {
      touch(buffer, 2 * i, mayOverwrite(command, buffer) ? 2 * i : 2 * i + 1);
    }
    touch(writtenBy(command), 2 * i + 1, 2 * i + 1);
  });
  return lives;
}

interface Slot {
  readonly bytes: number;
  readonly lives: Life[];
}

const apart = (a: Life, b: Life): boolean => a.last < b.first || b.last < a.first;

/** Assigns slots to the temporaries of commands that run one after the other. */
export function assignSlots(
  commands: readonly Command[],
  temporaryBytes: ReadonlyMap<number, number>,
): SlotAssignment {
  return slotsFor(livesOf(commands), temporaryBytes);
}

/**
 * Assigns slots, the largest buffers first: each goes to the smallest slot that is free for as long
 * as it lives (greedy by size for shared objects, Pisarchyk and Lee 2020, arXiv 2001.03288).
 */
export function slotsFor(
  livesOfBuffers: ReadonlyMap<number, Life>,
  temporaryBytes: ReadonlyMap<number, number>,
): SlotAssignment {
  const slots: Slot[] = [];
  const slotOf = new Map<number, number>();
  const lives = [...livesOfBuffers].flatMap(([buffer, life]) => {
    const bytes = temporaryBytes.get(buffer);
    return bytes === undefined ? [] : [{ buffer, life, bytes }];
  });
  for (const { buffer, life, bytes } of lives.toSorted((a, b) => b.bytes - a.bytes)) {
    const free = slots.findLastIndex((slot) => slot.lives.every((other) => apart(life, other)));
    const slot = free === -1 ? slots.push({ bytes, lives: [] }) - 1 : free;
    slots[slot].lives.push(life);
    slotOf.set(buffer, slot);
  }
  return { slotOf, slots: slots.map((slot) => slot.bytes) };
}
