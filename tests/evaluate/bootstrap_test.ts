/** Intervals cover the truth as often as they say, for few prompts, skewed ones, and pairs. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { foldIn, type Key, keyOf, normals, uniform } from "../../src/core/random.ts";
import {
  bootstrap,
  drawPrompts,
  type Draws,
  type Figure,
  normalBelow,
  studentQuantile,
} from "../../src/evaluate/bootstrap.ts";

const WORLDS = 600;
/** Three standard deviations of a share of .95 among so many worlds. */
const CHANCE = 3 * Math.sqrt(0.95 * 0.05 / WORLDS);

/** How often an interval held the truth, over worlds that are drawn by key. */
function coverage(truth: number, estimate: (key: Key) => Figure): number {
  let held = 0;
  for (let world = 0; world < WORLDS; world++) {
    const { low, high } = estimate(foldIn(keyOf(7), world));
    if (low <= truth && truth <= high) held++;
  }
  return held / WORLDS;
}

const drawsOf = (key: Key, size: number): Draws => drawPrompts(foldIn(key, "draws"), size, 400);

/** Tokens and passes of a prompt: passes differ tenfold, tokens per pass is 2 on average. */
function promptOf(key: Key): [tokens: number, passes: number] {
  const passes = 8 + Math.floor(72 * uniform(foldIn(key, "passes")));
  const [noise] = normals(foldIn(key, "noise"), 1);
  return [passes * (2 + 0.3 * noise), passes];
}

const tau = ([tokens, passes]: readonly number[]): number => tokens / passes;

for (const size of [8, 20, 60]) {
  Deno.test(`intervals of tau over ${size} prompts cover it 95 times in 100`, () => {
    const covered = coverage(2, (key) => {
      const samples = Array.from({ length: size }, (_, i) => promptOf(foldIn(key, i)));
      return bootstrap(samples, tau, drawsOf(key, size));
    });
    // Ratios of sums are skewed: for 8 prompts no bootstrap reaches all of .95.
    const least = size === 8 ? 0.9 : 0.95 - CHANCE - 0.01;
    assert(covered >= least && covered <= 0.95 + CHANCE + 0.01, `${covered}`);
  });
}

Deno.test("paired intervals of a difference are exact where single ones are wide", () => {
  const size = 20;
  const widths = { paired: 0, single: 0 };
  const covered = coverage(0.1, (key) => {
    const samples = Array.from({ length: size }, (_, i) => {
      const [tokens, passes] = promptOf(foldIn(key, i));
      const [noise] = normals(foldIn(foldIn(key, i), "other"), 1);
      return [tokens, passes, tokens + passes * (0.1 + 0.05 * noise), passes];
    });
    const draws = drawsOf(key, size);
    const single = bootstrap(samples, tau, draws);
    const difference = bootstrap(samples, ([a, n, b, m]) => b / m - a / n, draws);
    widths.single += single.high - single.low;
    widths.paired += difference.high - difference.low;
    return difference;
  });
  assert(Math.abs(covered - 0.95) <= CHANCE + 0.01, `${covered}`);
  assert(widths.paired < widths.single / 4, JSON.stringify(widths));
});

Deno.test("where two drafts are equal in law, their difference is settled 5 times in 100", () => {
  const size = 24;
  const settled = 1 - coverage(0, (key) => {
    const samples = Array.from({ length: size }, (_, i) => [
      ...promptOf(foldIn(foldIn(key, i), "a")),
      ...promptOf(foldIn(foldIn(key, i), "b")),
    ]);
    return bootstrap(samples, ([a, n, b, m]) => b / m - a / n, drawsOf(key, size));
  });
  assert(Math.abs(settled - 0.05) <= CHANCE + 0.01, `${settled}`);
});

Deno.test("the same key gives the same interval, another key nearly the same", () => {
  const samples = Array.from({ length: 30 }, (_, i) => promptOf(foldIn(keyOf(3), i)));
  const of = (seed: number) => bootstrap(samples, tau, drawPrompts(keyOf(seed), 30));
  assertEquals(of(1), of(1));
  assertEquals(of(1).value, of(2).value);
  const width = of(1).high - of(1).low;
  assert(Math.abs(of(1).low - of(2).low) < width / 8);
});

Deno.test("every resample has as many prompts as there are", () => {
  for (const size of [1, 2, 17]) {
    for (const counts of drawPrompts(keyOf(size), size, 50)) {
      assertEquals([counts.length, counts.reduce((sum, count) => sum + count)], [size, size]);
    }
  }
});

Deno.test("too few prompts give a value without bounds, and none gives no error", () => {
  for (const size of [1, 4]) {
    const samples = Array.from({ length: size }, (_, i) => [4 * (i + 1), 2 * (i + 1)]);
    assertEquals(bootstrap(samples, tau, drawPrompts(keyOf(1), size)), {
      value: 2,
      low: -Infinity,
      high: Infinity,
    });
  }
  assertEquals(bootstrap([], () => 0, drawPrompts(keyOf(1), 0)).value, 0);
});

Deno.test("quantiles are those of the tables", () => {
  const table: readonly (readonly [number, number])[] = [
    [1, 12.706],
    [2, 4.303],
    [5, 2.571],
    [9, 2.262],
    [29, 2.045],
    [99, 1.984],
  ];
  for (const [degrees, value] of table) {
    assertAlmostEquals(studentQuantile(degrees), value, 0.005);
  }
  assertAlmostEquals(normalBelow(-1.959964), 0.025, 1e-6);
  assertAlmostEquals(normalBelow(1), 0.8413447, 1e-6);
});
