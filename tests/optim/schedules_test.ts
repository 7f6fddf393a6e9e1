/** Schedules at their corners and between them. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { evaluateGraph } from "../../src/backends/reference/mod.ts";
import { input, OutriderError } from "../../src/core/mod.ts";
import {
  constantSchedule,
  linearDecay,
  type Schedule,
  warmupCosine,
  wsd,
} from "../../src/optim/mod.ts";

/** The rate after so many steps, from one graph that has the count as an input. */
function reader(schedule: Schedule): (step: number) => number {
  const step = input([], "i32", "step");
  const rate = schedule(step);
  return (at) => evaluateGraph([rate], new Map([[step, Int32Array.of(at)]]))[0][0];
}

/** Corners given as step and rate. */
function assertCorners(schedule: Schedule, corners: readonly (readonly [number, number])[]): void {
  const rate = reader(schedule);
  for (const [step, expected] of corners) assertAlmostEquals(rate(step), expected, 1e-7, `${step}`);
}

Deno.test("the constant schedule is constant", () => {
  assertCorners(constantSchedule(0.25), [[0, 0.25], [1e6, 0.25]]);
});

Deno.test("warm-up and cosine: up in equal steps, half way in the middle, then the end for good", () => {
  const schedule = warmupCosine({ warmupSteps: 4, totalSteps: 12, peak: 1, end: 0.2 });
  assertCorners(schedule, [
    [0, 0.25],
    [1, 0.5],
    [3, 1],
    [5, 0.2 + 0.8 * (1 + Math.SQRT1_2) / 2],
    [7, 0.6],
    [11, 0.2],
    [12, 0.2],
    [1000, 0.2],
  ]);
});

Deno.test("linear decay goes straight from the peak to the end", () => {
  const schedule = linearDecay({ warmupSteps: 2, totalSteps: 10, peak: 0.8 });
  assertCorners(schedule, [[0, 0.4], [1, 0.8], [2, 0.7], [5, 0.4], [9, 0], [50, 0]]);
});

Deno.test("warm-up, stable, decay: a plateau of the peak, then one minus the root", () => {
  const options = { warmupSteps: 2, stableSteps: 5, decaySteps: 4, peak: 1, end: 0.1 };
  assertCorners(wsd(options), [
    [0, 0.5],
    [1, 1],
    [2, 1],
    [6, 1],
    [7, 0.1 + 0.9 * 0.5],
    [10, 0.1],
    [99, 0.1],
  ]);
});

Deno.test("no warm-up and no fall are allowed, and no rate is above the peak or below the end", () => {
  const edges = [0, 1, 7].flatMap((warmupSteps) =>
    [0, 1, 9].flatMap((more) => [
      warmupCosine({ warmupSteps, totalSteps: warmupSteps + more, peak: 2, end: 1 }),
      linearDecay({ warmupSteps, totalSteps: warmupSteps + more, peak: 2, end: 1 }),
      wsd({ warmupSteps, stableSteps: more, decaySteps: more, peak: 2, end: 1 }),
    ])
  );
  for (const schedule of edges) {
    const rates = Array.from({ length: 30 }, (_, step) => reader(schedule)(step));
    assert(rates.every((rate) => rate > 0 && rate <= 2));
    const highest = rates.indexOf(Math.max(...rates));
    assert(rates.slice(highest).every((rate, i, fall) => i === 0 || rate <= fall[i - 1] + 1e-6));
    assert(rates.slice(highest).every((rate) => rate >= 1 - 1e-6));
  }
});

Deno.test("step counts that make no sense are refused", () => {
  for (const warmupSteps of [-1, 0.5, NaN]) {
    const options = { warmupSteps, totalSteps: 10, peak: 1 };
    assertThrows(() => warmupCosine(options), OutriderError, "step counts");
  }
  const tooLong = { warmupSteps: 11, totalSteps: 10, peak: 1 };
  assertEquals(
    assertThrows(() => linearDecay(tooLong), OutriderError).found,
    "10 with a warm-up of 11",
  );
});
