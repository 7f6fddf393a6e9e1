/** Fixed lengths of drafts, and the best one by the formula. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { bestLength, fixedLength } from "../../src/decode/mod.ts";

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

Deno.test("a fixed length stays, and one of 0 asks no drafter", () => {
  const rule = fixedLength(3);
  const seconds = { prefill: 0, draft: 0, target: 0, verify: 0, host: 0 };
  const report = { drafted: 3, accepted: 0, emitted: 1, seconds };
  assertEquals([rule.gamma(null), rule.gamma(rule.step(null, report))], [3, 3]);
  assertEquals([rule.isPlain, fixedLength(0).isPlain], [false, true]);
});

Deno.test("lengths out of range are refused", () => {
  for (const gamma of [-1, 0.5, NaN]) assertThrows(() => fixedLength(gamma), Error, "a gamma");
});
