/**
 * Use-once values: whoever takes one gets it, and everyone after gets an error that says who did.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";

/**
 * A value that can be taken once: a cache, donated parameters, a random key.
 *
 * @example
 * ```ts
 * import { own } from "@outrider/outrider/runtime";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const cache = own("cache", [1, 2, 3]);
 * assertEquals(cache.take("the first step"), [1, 2, 3]);
 * assertThrows(() => cache.take("a second step"), Error, "the first step");
 * ```
 */
export interface Owned<T> {
  /** What the value is, for messages. */
  readonly label: string;
  /** False after {@link Owned.take}. */
  readonly live: boolean;
  /** Gives the value and ends this handle; `taker` is named in later errors. */
  take(taker: string): T;
  /** The value, left in place. Throws where it was taken. */
  look(): T;
}

/** Wraps a value in a use-once handle. */
export function own<T>(label: string, value: T): Owned<T> {
  let state: { readonly value: T } | { readonly taker: string } = { value };
  const current = (): T => {
    if ("value" in state) return state.value;
    throw new OutriderError(
      `a live ${label}`,
      `one that ${state.taker} has taken`,
      `use the ${label} that ${state.taker} returned`,
    );
  };
  return {
    label,
    get live(): boolean {
      return "value" in state;
    },
    take(taker: string): T {
      const value = current();
      state = { taker };
      return value;
    },
    look: current,
  };
}
