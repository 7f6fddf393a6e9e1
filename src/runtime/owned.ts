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

/**
 * The handle. A class, unlike most of this library: a decode step makes one for every array of its
 * cache and looks at one for every weight, and objects with a shared prototype are made ten times
 * as fast as ones with closures and are one place in memory to look at.
 */
export class UseOnceValue<T> implements Owned<T> {
  readonly label: string;
  readonly #value: T;
  #taker: string | undefined = undefined;

  constructor(label: string, value: T) {
    this.label = label;
    this.#value = value;
  }

  get live(): boolean {
    return this.#taker === undefined;
  }

  take(taker: string): T {
    const value = this.look();
    this.#taker = taker;
    return value;
  }

  look(): T {
    if (this.#taker === undefined) return this.#value;
    throw new OutriderError(
      `a live ${this.label}`,
      `one that ${this.#taker} has taken`,
      `use the ${this.label} that ${this.#taker} returned`,
    );
  }
}

/** Wraps a value in a use-once handle. */
export function own<T>(label: string, value: T): Owned<T> {
  return new UseOnceValue(label, value);
}
