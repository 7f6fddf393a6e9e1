/** The rates of PEARL and of its length, held against the state machine itself. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { keyOf } from "../../../src/core/random.ts";
import {
  balancedLength,
  chainWarps,
  draftModel,
  functionModel,
  generate,
  pearl,
  pearlLength,
  pearlRate,
  publishedPearlRate,
  speculativeRate,
} from "../../../src/decode/mod.ts";

/** Passes of many rows that cost more, as they do. */
const rowsCost = (rows: number) => 1 + 0.03 * (rows - 1);

/** Tokens per time by powers of the transition between iterations, with nothing solved by hand. */
function rateByChain(acceptance: number, gamma: number, draftCost: number): number {
  let [pre, post] = [1, 0];
  let [tokens, time] = [0, 0];
  const all = acceptance ** gamma;
  const emitted = Array.from({ length: gamma }, (_, i) => acceptance ** i)
    .reduce((sum, value) => sum + value, 0);
  for (let iteration = 0; iteration < 20_000; iteration++) {
    if (iteration >= 10_000) {
      tokens += pre + post * emitted;
      time += pre * Math.max(gamma * draftCost, 1) +
        post * Math.max(gamma * draftCost, rowsCost(gamma));
    }
    [pre, post] = [pre * (1 - acceptance) + post * (1 - all), pre * acceptance + post * all];
  }
  return tokens / time;
}

Deno.test("the rate in closed form is that of the chain of iterations", () => {
  for (const acceptance of [0, 0.3, 0.6, 0.9, 0.99]) {
    for (const gamma of [1, 2, 4, 7]) {
      for (const draftCost of [0.1, 0.25, 0.5]) {
        const expected = rateByChain(acceptance, gamma, draftCost);
        assertAlmostEquals(pearlRate(acceptance, gamma, { draftCost, rowsCost }), expected, 1e-9);
      }
    }
  }
});

Deno.test("the decoder writes as many tokens per iteration as the rate says", async () => {
  const [q, p] = [[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.2, 0.3]];
  const acceptance = q.reduce((sum, value, token) => sum + Math.min(value, p[token]), 0);
  const model = (probs: readonly number[]) =>
    functionModel({ vocabulary: 4, contextLength: 120, logits: () => probs.map(Math.log) });
  for (const gamma of [1, 2, 4]) {
    const draft = draftModel(model(p));
    const decoder = pearl({ target: model(q), draft, warp: chainWarps(), gamma });
    let [tokens, iterations] = [0, 0];
    for (let seed = 0; seed < 16; seed++) {
      const written = await generate(decoder, [0], { key: keyOf(seed) });
      tokens += written.tokens.length;
      iterations += written.reports.length;
    }
    const rate = pearlRate(acceptance, gamma, { draftCost: 0, rowsCost: () => 1 });
    // Five standard errors of some 700 iterations.
    assertAlmostEquals(tokens / iterations, rate, gamma === 1 ? 1e-12 : 0.25);
  }
});

Deno.test("judging the next block's first token at once never costs and mostly gains", () => {
  for (const acceptance of [0.3, 0.6, 0.9]) {
    for (const gamma of [2, 4, 7]) {
      const costs = { draftCost: 1 / gamma, rowsCost };
      assert(pearlRate(acceptance, gamma, costs) > publishedPearlRate(acceptance, gamma, costs));
    }
  }
  assertEquals(publishedPearlRate(1, 4, { draftCost: 0.2, rowsCost }), 4 / rowsCost(4));
});

Deno.test("where both models take as long, PEARL gains nothing, and speculation loses", () => {
  const costs = { draftCost: 1, rowsCost: () => 1 };
  assertAlmostEquals(pearlRate(0.8, 1, costs), 1, 1e-12);
  for (const gamma of [1, 2, 4]) assert(speculativeRate(0.8, gamma, costs) < 1);
});

Deno.test("the length of PEARL is the ratio of the times where rows cost nothing", () => {
  for (const ratio of [1, 2, 3, 5, 8]) {
    for (const acceptance of [0.3, 0.6, 0.9, 1]) {
      const costs = { draftCost: 1 / ratio, rowsCost: () => 1 };
      assertEquals(pearlLength(costs, { acceptance }), ratio);
    }
  }
  assertEquals(pearlLength({ draftCost: 3, rowsCost }), 1);
  assertEquals(pearlLength({ draftCost: 0, rowsCost: () => 1 }, { acceptance: 1 }), 16);
  const costs = { draftCost: 1, rowsCost };
  assertThrows(() => pearlLength(costs, { longest: 0 }), Error, "longest draft of 1");
});

Deno.test("where rows cost time, the length is short, and no other has a higher rate", () => {
  const steep = (rows: number) => 1 + 0.4 * (rows - 1);
  assert(pearlLength({ draftCost: 0.03, rowsCost: steep }) < 5);
  for (const acceptance of [0.3, 0.8, 1]) {
    for (const costs of [{ draftCost: 0.03, rowsCost: steep }, { draftCost: 0.3, rowsCost }]) {
      const best = pearlRate(acceptance, pearlLength(costs, { acceptance }), costs);
      for (let gamma = 1; gamma <= 16; gamma++) {
        assert(pearlRate(acceptance, gamma, costs) <= best * (1 + 1e-8));
      }
    }
  }
});

Deno.test("a balanced length settles where neither model waits", () => {
  for (const [ratio, least, most] of [[0.5, 1, 2], [3.5, 3, 4], [7.5, 7, 8], [40, 15, 16]]) {
    for (const first of [1, 4, 16]) {
      const rule = balancedLength({ first });
      let state = rule.init();
      for (let step = 0; step < 100; step++) {
        const gamma = rule.gamma(state);
        const seconds = {
          prefill: 0,
          draft: gamma,
          target: Math.max(0, ratio - gamma),
          verify: 0,
          host: 0,
        };
        state = rule.step(state, { drafted: gamma, accepted: gamma, emitted: gamma, seconds });
        if (step > 60) assert(rule.gamma(state) >= least && rule.gamma(state) <= most);
      }
    }
  }
});

Deno.test("lengths that make no sense are refused", () => {
  for (const options of [{ first: 0 }, { first: 9, longest: 8 }, { first: 1.5 }]) {
    assertThrows(() => balancedLength(options), Error, "length of 1 to");
  }
  assertThrows(() => balancedLength({ longest: 0.5 }), Error, "longest draft of 1");
});
