/** How far to draft. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  automaticLength,
  type AutomaticLengthState,
  bestLength,
  type DraftLength,
  fixedLength,
} from "../../src/decode/mod.ts";

const seconds = { prefill: 0, draft: 0, target: 0, verify: 0, host: 0 };

function after(
  rule: DraftLength<AutomaticLengthState>,
  steps: readonly (readonly [drafted: number, accepted: number])[],
): AutomaticLengthState {
  return steps.reduce(
    (state, [drafted, accepted]) =>
      rule.step(state, { drafted, accepted, emitted: accepted + 1, seconds }),
    rule.init(),
  );
}

Deno.test("the best length is the best of all lengths by the expected-tokens formula", () => {
  for (const acceptance of [0, 0.2, 0.5, 0.7, 0.9, 0.99, 1]) {
    for (const draftCost of [0, 0.02, 0.2, 1]) {
      const rowsCost = (rows: number) => 1 + 0.05 * (rows - 1);
      const rates = Array.from({ length: 9 }, (_, gamma) => {
        const tokens = acceptance === 1
          ? gamma + 1
          : (1 - acceptance ** (gamma + 1)) / (1 - acceptance);
        return tokens / (rowsCost(gamma + 1) + gamma * draftCost);
      });
      const best = bestLength(acceptance, draftCost, rowsCost, 8);
      assertAlmostEquals(rates[best], Math.max(...rates), 1e-12);
    }
  }
  assertEquals(bestLength(0, 0, () => 1, 8), 0, "the least of equals");
});

Deno.test("drafting stops where plain decoding is faster, and is tried again after a while", () => {
  const rule = automaticLength({ draftCost: 0.4, retry: 10 });
  const failing = after(rule, Array(30).fill([4, 0]));
  assertEquals(rule.gamma(failing), 0);
  let state = failing;
  const lengths = Array.from({ length: 11 }, () => {
    const gamma = rule.gamma(state);
    state = rule.step(state, { drafted: gamma, accepted: 0, emitted: 1, seconds });
    return gamma;
  });
  assertEquals(lengths, [...Array(10).fill(0), 1]);
});

Deno.test("drafts grow longer again when the text becomes easier", () => {
  const rule = automaticLength({ draftCost: 0.1 });
  const hard = after(rule, Array(30).fill([4, 0]));
  const eased = Array(40).fill(0).reduce<AutomaticLengthState>((state) => {
    const gamma = Math.max(1, rule.gamma(state));
    return rule.step(state, { drafted: gamma, accepted: gamma, emitted: gamma + 1, seconds });
  }, hard);
  assert(rule.gamma(eased) > rule.gamma(hard) + 3);
});

Deno.test("the estimate counts only tokens that were judged", () => {
  const rule = automaticLength({ draftCost: 0.1, memory: 1e9 });
  const { accepted, judged } = after(rule, [[4, 1], [4, 4], [4, 0]]);
  assertAlmostEquals(accepted - rule.init().accepted, 5, 1e-6);
  assertAlmostEquals(judged - rule.init().judged, 7, 1e-6);
});

Deno.test("a free draft is always used to its full length", () => {
  const rule = automaticLength({ draftCost: 0, longest: 5 });
  assertEquals(rule.gamma(after(rule, Array(20).fill([5, 1]))), 5);
});

Deno.test("settings out of range are refused", () => {
  assertThrows(() => fixedLength(-1), Error, "a gamma");
  for (const options of [{ draftCost: -1 }, { draftCost: NaN }, { draftCost: 0, memory: 0 }]) {
    assertThrows(() => automaticLength(options), Error, "a draft cost");
  }
});
