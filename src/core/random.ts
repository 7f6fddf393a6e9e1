/**
 * Splittable random keys: chance as a value.
 *
 * A key is two 32-bit words. Every function here is pure: the same key always gives the same
 * numbers, and independent streams come from {@link split} and {@link foldIn}, never from a hidden
 * counter. The generator is Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers:
 * as easy as 1, 2, 3", SC 2011).
 *
 * @module
 */

/** A random key: two unsigned 32-bit words. */
export type Key = readonly [number, number];

const ROTATIONS = [[13, 15, 26, 6], [17, 29, 16, 24]] as const;
const PARITY = 0x1bd11bda;

/**
 * Threefry-2x32-20: encrypts the counter `(x0, x1)` under `key`.
 *
 * @example
 * ```ts
 * import { threefry } from "@outrider/outrider";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(threefry([0, 0], 0, 0), [0x6b200159, 0x99ba4efe]);
 * ```
 */
export function threefry(key: Key, x0: number, x1: number): Key {
  const schedule = [key[0], key[1], key[0] ^ key[1] ^ PARITY];
  let a = (x0 + schedule[0]) | 0;
  let b = (x1 + schedule[1]) | 0;
  for (let block = 0; block < 5; block++) {
    for (const r of ROTATIONS[block % 2]) {
      a = (a + b) | 0;
      b = ((b << r) | (b >>> (32 - r))) ^ a;
    }
    a = (a + schedule[(block + 1) % 3]) | 0;
    b = (b + schedule[(block + 2) % 3] + block + 1) | 0;
  }
  return [a >>> 0, b >>> 0];
}

/**
 * The key of an integer seed (any safe integer, negative ones included).
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(keyOf(7), [0, 7]);
 * ```
 */
export function keyOf(seed: number): Key {
  return [Math.floor(seed / 2 ** 32) >>> 0, seed >>> 0];
}

/**
 * `count` independent keys out of one; the parent should not be used again.
 *
 * @example
 * ```ts
 * import { keyOf, split } from "@outrider/outrider";
 * import { assertNotEquals } from "@std/assert";
 *
 * const [first, second] = split(keyOf(1), 2);
 * assertNotEquals(first, second);
 * ```
 */
export function split(key: Key, count = 2): Key[] {
  return Array.from({ length: count }, (_, i) => threefry(key, i, 0));
}

/**
 * The child key that belongs to an integer or a name: an absolute position, a step, a stream.
 *
 * @example
 * ```ts
 * import { foldIn, keyOf } from "@outrider/outrider";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(foldIn(keyOf(1), 12), foldIn(keyOf(1), 12));
 * ```
 */
export function foldIn(key: Key, data: number | string): Key {
  if (typeof data === "number") {
    const [low, high] = [data >>> 0, Math.floor(data / 2 ** 32) >>> 0];
    const child = threefry(key, low, 1);
    // The second word of a counter names its purpose, so the upper half is a step of its own.
    return high === 0 ? child : threefry(child, high, 7);
  }
  let current = threefry(key, data.length, 2);
  for (const character of data) current = threefry(current, character.codePointAt(0) ?? 0, 3);
  return current;
}

/**
 * One uniform number in [0, 1), on a grid of 2^-53.
 *
 * @example
 * ```ts
 * import { keyOf, uniform } from "@outrider/outrider";
 * import { assert } from "@std/assert";
 *
 * const coin = uniform(keyOf(3));
 * assert(coin >= 0 && coin < 1);
 * ```
 */
export function uniform(key: Key): number {
  const [high, low] = threefry(key, 0, 4);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
}

/**
 * One uniform integer in [0, bound); `bound` is at most 2^32.
 *
 * @example
 * ```ts
 * import { keyOf, uniformInteger } from "@outrider/outrider";
 * import { assert } from "@std/assert";
 *
 * const die = 1 + uniformInteger(keyOf(4), 6);
 * assert(die >= 1 && die <= 6);
 * ```
 */
export function uniformInteger(key: Key, bound: number): number {
  return Math.floor(uniform(key) * bound);
}

/**
 * `count` standard normal numbers (Box-Muller), rounded to f32.
 *
 * @example
 * ```ts
 * import { keyOf, normals } from "@outrider/outrider";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(normals(keyOf(5), 3).length, 3);
 * ```
 */
export function normals(key: Key, count: number): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const [a, b] = threefry(key, i, 5);
    const radius = Math.sqrt(-2 * Math.log((a + 1) / (2 ** 32 + 1)));
    const angle = 2 * Math.PI * (b / 2 ** 32);
    out[i] = radius * Math.cos(angle);
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

/**
 * A permutation of 0..count-1 (Fisher-Yates), drawn from one key.
 *
 * @example
 * ```ts
 * import { keyOf, permutation } from "@outrider/outrider";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(permutation(keyOf(6), 4).toSorted(), Int32Array.of(0, 1, 2, 3));
 * ```
 */
export function permutation(key: Key, count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = uniformInteger(threefry(key, i, 6), i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
