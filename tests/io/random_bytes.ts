/** Seeded material for tests: bytes, numbers and choices out of one key. */

import { foldIn, type Key, keyOf, uniformInteger } from "../../src/core/random.ts";

/** A source of seeded choices. */
export interface Chooser {
  /** A whole number from 0 to bound - 1. */
  below(bound: number): number;
  /** One of the items. */
  pick<T>(items: readonly T[]): T;
  /** So many bytes. */
  bytes(length: number): Uint8Array<ArrayBuffer>;
}

/** The choices that belong to a seed. */
export function chooser(seed: number): Chooser {
  const key: Key = keyOf(seed);
  let next = 0;
  const below = (bound: number): number => uniformInteger(foldIn(key, next++), bound);
  return {
    below,
    pick: (items) => items[below(items.length)],
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
  };
}

/** All bytes of chunks in one array. */
export function concat(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
