/** Warps: against plain definitions, at their borders, and with damaged rows. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { keyOf, normals, uniformInteger } from "../../src/core/random.ts";
import {
  argmax,
  chainWarps,
  greedy,
  type Logits,
  logitsOf,
  minP,
  probabilities,
  repetitionPenalty,
  softmax,
  temperature,
  topK,
  topP,
  type Warp,
} from "../../src/decode/mod.ts";
import { decay } from "../../src/decode/decay.ts";

/** Rows of many sizes and spreads; every third one on a coarse grid, so that it is full of ties. */
function rows(): Logits[] {
  return Array.from({ length: 120 }, (_, seed) => {
    const size = 1 + uniformInteger(keyOf(seed), seed % 7 === 0 ? 3000 : 40);
    const scale = [0.01, 1, 5, 60][seed % 4];
    const values = normals(keyOf(seed + 1000), size).map((value) => value * scale);
    return logitsOf(seed % 3 === 0 ? values.map(Math.round) : values);
  });
}

/** Token ids by falling logit, ties by rising id. */
function ranking(logits: Logits): number[] {
  return [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b);
}

const kept = (row: ArrayLike<number>): number[] =>
  Array.from(row).flatMap((value, token) => value > -Infinity ? [token] : []);

const ascending = (tokens: readonly number[]): number[] => tokens.toSorted((a, b) => a - b);

Deno.test("top-k keeps exactly the k best of a sorted row, the lower id first among equals", () => {
  for (const row of rows()) {
    for (const count of [1, 2, 3, 17, row.length, row.length + 5]) {
      const expected = ascending(ranking(row).slice(0, count));
      assertEquals(kept(topK(count)(row, [])), expected);
    }
  }
});

Deno.test("top-p keeps the shortest ranked prefix that reaches the mass", () => {
  for (const row of rows()) {
    const probs = softmax(row);
    const order = ranking(row);
    for (const mass of [0, 0.1, 0.5, 0.9, 0.999]) {
      const tokens = kept(topP(mass)(row, []));
      assertEquals(tokens, ascending(order.slice(0, tokens.length)));
      const reached = sum(order.slice(0, tokens.length).map((token) => probs[token]));
      const before = sum(order.slice(0, tokens.length - 1).map((token) => probs[token]));
      assert(reached >= mass - 1e-12 && (before < mass + 1e-12 || tokens.length === 1));
    }
  }
});

Deno.test("min-p keeps what has at least that share of the best token's probability", () => {
  for (const row of rows()) {
    const probs = softmax(row);
    const best = Math.max(...probs);
    for (const fraction of [0.05, 0.31]) {
      const tokens = new Set(kept(minP(fraction)(row, [])));
      probs.forEach((probability, token) => {
        if (Math.abs(probability / best - fraction) < 1e-9) return;
        assertEquals(tokens.has(token), probability > fraction * best);
      });
    }
  }
});

Deno.test("the exponential of softmax is within two units in the last place of Math.exp", () => {
  let worst = 0;
  for (let i = 0; i <= 100_000; i++) {
    const distance = i * 0.007;
    const exact = Math.exp(-distance);
    worst = Math.max(worst, Math.abs(decay(distance) - exact) / exact);
  }
  assert(worst <= 2 * Number.EPSILON, `${worst}`);
  assertEquals([decay(0), decay(746), decay(Infinity)], [1, 0, 0]);
});

Deno.test("a warp's short way to probabilities has the bits of the long way", () => {
  const warps = [
    greedy(),
    topP(0.7),
    topP(1),
    minP(0.2),
    topK(4),
    chainWarps(temperature(0.8), topP(0.9)),
  ];
  for (const row of rows()) {
    for (const warp of warps) {
      assert(warp.probs !== undefined);
      assertEquals(probabilities(warp, row, []), softmax(warp(row, [])));
    }
  }
});

Deno.test("probabilities sum to 1 and are 0 exactly where the warp says so", () => {
  const warp = chainWarps(
    repetitionPenalty(1.2),
    temperature(0.6),
    topK(30),
    topP(0.95),
    minP(0.01),
  );
  for (const row of rows()) {
    const probs = probabilities(warp, row, [0]);
    assertAlmostEquals(sum([...probs]), 1, 1e-12);
    const possible = new Set(kept(warp(row, [0])));
    probs.forEach((probability, token) =>
      assertEquals(probability > 0, possible.has(token) && probability > 0)
    );
    assert(possible.has(argmax(logitsOf(Float32Array.from(probs)))));
  }
});

Deno.test("warps leave the row that they are given as it was", () => {
  const warps = [
    temperature(0),
    temperature(2),
    topK(2),
    topP(0.5),
    minP(0.5),
    repetitionPenalty(2),
  ];
  for (const warp of warps) {
    const row = logitsOf([1, 2, 3, -4]);
    probabilities(warp, row, [1, 3]);
    assertEquals([...row], [1, 2, 3, -4]);
  }
});

Deno.test("settings that change nothing hand the row through", () => {
  const row = logitsOf([3, 1, 2]);
  const idle = [chainWarps(), temperature(1), topK(3), topP(1), minP(0), repetitionPenalty(1)];
  for (const warp of idle) assertEquals(warp(row, [0]), row);
});

Deno.test("a token masked before stays masked", () => {
  const row = logitsOf([-Infinity, 1, 0, -Infinity]);
  const warps = [
    temperature(0.5),
    topK(3),
    topP(0.99),
    minP(0.1),
    repetitionPenalty(1.5),
    greedy(),
  ];
  for (const warp of warps) {
    const probs = probabilities(warp, row, [0, 1]);
    assertEquals([probs[0], probs[3]], [0, 0]);
  }
});

Deno.test("the repetition penalty counts a token once, only within its window, and may push a leader down", () => {
  const row = logitsOf([4, 3, -1]);
  assertEquals([...repetitionPenalty(2)(row, [0, 0, 2])], [2, 3, -2]);
  assertEquals([...repetitionPenalty(2, 1)(row, [0, 0, 2])], [4, 3, -2]);
  assertEquals([...repetitionPenalty(2, 0)(row, [0, 0, 2])], [4, 3, -1]);
});

Deno.test("the lowest token wins a tie at temperature 0", () => {
  assertEquals(argmax(logitsOf([-1, 5, 5, 5])), 1);
  assertEquals(argmax(logitsOf([-0, 0])), 0);
});

const anyWarp: Warp[] = [
  chainWarps(),
  temperature(0),
  temperature(0.7),
  topK(2),
  topP(0.5),
  minP(0.2),
  repetitionPenalty(1.3),
  chainWarps(repetitionPenalty(1.3), temperature(0.7), topK(3), minP(0.1), topP(0.9)),
];

Deno.test("a logit that is not a number is an error that names token and row, in every warp", () => {
  for (const warp of anyWarp) {
    for (const place of [0, 2, 3]) {
      const row = logitsOf([0.5, 1, 2, 0.1].map((value, i) => i === place ? NaN : value));
      const message = `NaN for token ${place} in the logits row for position 5`;
      assertThrows(() => probabilities(warp, row, [0, 1, 2, 3, 0]), Error, message);
    }
  }
});

Deno.test("an infinite logit is an error", () => {
  for (const warp of anyWarp) {
    assertThrows(
      () => probabilities(warp, logitsOf([0, Infinity]), []),
      Error,
      "Infinity for token 1",
    );
  }
});

Deno.test("a row without any possible token is an error that names the row", () => {
  for (const warp of anyWarp) {
    const row = logitsOf([-Infinity, -Infinity]);
    assertThrows(
      () => probabilities(warp, row, [7]),
      Error,
      "-Infinity for all 2 tokens in the logits row for position 1",
    );
  }
});

Deno.test("settings out of range are refused when the warp is made", () => {
  const bad = [
    () => temperature(-1),
    () => temperature(NaN),
    () => temperature(1e-9),
    () => topK(0),
    () => topK(1.5),
    () => topP(-0.1),
    () => topP(NaN),
    () => minP(2),
    () => repetitionPenalty(0),
    () => repetitionPenalty(NaN),
    () => repetitionPenalty(1.1, -1),
  ];
  for (const make of bad) assertThrows(make, Error, "expected ");
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
