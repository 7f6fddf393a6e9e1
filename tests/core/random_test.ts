import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  foldIn,
  type Key,
  keyOf,
  normals,
  permutation,
  split,
  threefry,
  uniform,
  uniformInteger,
} from "../../src/core/random.ts";

Deno.test("threefry gives the known answers of 2x32 with 20 rounds", () => {
  const ones = 0xffffffff;
  assertEquals(threefry([0, 0], 0, 0), [0x6b200159, 0x99ba4efe]);
  assertEquals(threefry([ones, ones], ones, ones), [0x1cb996fc, 0xbb002be7]);
  assertEquals(
    threefry([0x13198a2e, 0x03707344], 0x243f6a88, 0x85a308d3),
    [0xc4923a9c, 0x483df7a0],
  );
});

Deno.test("different seeds are different keys, large and negative ones included", () => {
  const seeds = [0, 1, 2, -1, -2, 2 ** 31, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
  assertEquals(new Set(seeds.map((seed) => String(keyOf(seed)))).size, seeds.length);
});

Deno.test("children by split, number and name never coincide", () => {
  const key = keyOf(5);
  const children: Key[] = [
    ...split(key, 500),
    ...Array.from({ length: 500 }, (_, i) => foldIn(key, i)),
    ...Array.from({ length: 100 }, (_, i) => foldIn(key, -1 - i)),
    ...Array.from({ length: 500 }, (_, i) => foldIn(key, 2 ** 32 + i)),
    ...Array.from({ length: 500 }, (_, i) => foldIn(key, 3 * 2 ** 32 + i)),
    ...["", "a", "b", "ab", "ba", "\u0000", "é", "draft", "target"].map((x) => foldIn(key, x)),
  ];
  assertEquals(new Set(children.map(String)).size, children.length);
});

Deno.test("a longer split begins like a shorter one", () => {
  assertEquals(split(keyOf(1), 8).slice(0, 3), split(keyOf(1), 3));
});

/** The correlation of two lists of numbers in [0, 1). */
function correlation(a: readonly number[], b: readonly number[]): number {
  const centred = a.map((x, i) => (x - 0.5) * (b[i] - 0.5));
  return 12 * centred.reduce((sum, x) => sum + x, 0) / a.length;
}

Deno.test("streams of split keys are uncorrelated with each other and shifted", () => {
  const count = 4000;
  const [left, right] = split(keyOf(11), 2).map((key) =>
    Array.from({ length: count }, (_, i) => uniform(foldIn(key, i)))
  );
  const limit = 5 / Math.sqrt(count);
  assert(Math.abs(correlation(left, right)) < limit);
  assert(Math.abs(correlation(left, left.slice(1).concat(left[0]))) < limit);
  assert(Math.abs(correlation(left.slice(1), right)) < limit);
});

Deno.test("uniform numbers fill sixteen bins evenly", () => {
  const [count, bins] = [16000, 16];
  const found = new Array<number>(bins).fill(0);
  for (let i = 0; i < count; i++) found[Math.floor(uniform(foldIn(keyOf(2), i)) * bins)]++;
  const mean = count / bins;
  const chiSquared = found.reduce((sum, n) => sum + (n - mean) ** 2 / mean, 0);
  // 15 degrees of freedom: 99.9 % of fair draws lie below 37.7; far below 3 would be too even.
  assert(chiSquared > 3 && chiSquared < 37.7, `${chiSquared}`);
});

Deno.test("uniform integers stay below their bound and reach both ends", () => {
  const drawn = Array.from({ length: 200 }, (_, i) => uniformInteger(foldIn(keyOf(3), i), 7));
  assertEquals([...new Set(drawn)].sort(), [0, 1, 2, 3, 4, 5, 6]);
});

Deno.test("normal numbers have the moments of the normal distribution", () => {
  const drawn = normals(keyOf(4), 40000);
  const moment = (power: number) => drawn.reduce((sum, x) => sum + x ** power, 0) / drawn.length;
  assert(Math.abs(moment(1)) < 0.025);
  assert(Math.abs(moment(2) - 1) < 0.04);
  assert(Math.abs(moment(3)) < 0.1);
  assert(Math.abs(moment(4) - 3) < 0.25);
  assert(drawn.every(Number.isFinite));
});

Deno.test("a longer list of normal numbers begins like a shorter one", () => {
  assertEquals(normals(keyOf(4), 9).slice(0, 4), normals(keyOf(4), 4));
  assertEquals(normals(keyOf(4), 0).length, 0);
});

Deno.test("permutations hold every number once and reach every order", () => {
  const orders = new Map<string, number>();
  for (let i = 0; i < 1200; i++) {
    const order = permutation(foldIn(keyOf(6), i), 3);
    assertEquals([...order].sort(), [0, 1, 2]);
    orders.set(String(order), (orders.get(String(order)) ?? 0) + 1);
  }
  assertEquals(orders.size, 6);
  for (const count of orders.values()) assert(count > 130 && count < 275, `${count} of 200`);
  assertEquals([...permutation(keyOf(6), 0)], []);
});

Deno.test("the same key always gives the same numbers, and another gives others", () => {
  assertEquals(uniform(keyOf(8)), uniform(keyOf(8)));
  assertNotEquals(uniform(keyOf(8)), uniform(keyOf(9)));
});
