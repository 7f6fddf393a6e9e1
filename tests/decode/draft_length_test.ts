/** Fixed lengths of drafts, and the best one by the formula. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  automaticLength,
  bestLength,
  draftFirst,
  type DraftLength,
  draftModel,
  draftPromptLookup,
  fixedLength,
  generate,
  lengthByGuess,
  limit,
  lookUp,
  speculative,
  temperature,
  verifyBlock,
} from "../../src/decode/mod.ts";
import { hashModel } from "./mock_models.ts";

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

Deno.test("where the drafter has a guess one rule decides, elsewhere the other", async () => {
  const prompt = [0, 1, 2];
  const decoder = speculative({
    target: hashModel(3, 4, 200),
    draft: draftFirst(draftPromptLookup({ shortest: 2 }), draftModel(hashModel(4, 4, 300))),
    verify: verifyBlock,
    warp: temperature(1),
    gamma: lengthByGuess(fixedLength(4), fixedLength(1)),
  });
  const { tokens, reports } = await generate(limit(decoder, 120), prompt, { key: keyOf(4) });
  const text = [...prompt, ...tokens];
  let length = prompt.length;
  const lengths = new Set<number>();
  for (const { drafted, emitted, hasGuess = false } of reports) {
    assertEquals(hasGuess, lookUp(text.slice(0, length), 1, 3, 2).length > 0);
    assertEquals(drafted, hasGuess ? 4 : 1);
    lengths.add(drafted);
    length += emitted;
  }
  assertEquals(lengths, new Set([4, 1]));
});

Deno.test("each of two rules sees its own steps only", () => {
  const seconds = { prefill: 0, draft: 0, target: 1, verify: 0, host: 0 };
  const right = { drafted: 0, accepted: 0, emitted: 1, hasGuess: true, guessed: true, seconds };
  const none = { drafted: 0, accepted: 0, emitted: 1, seconds };
  const [free, dear] = [automaticLength({ draftCost: 0 }), automaticLength({ draftCost: 0.9 })];
  const both = lengthByGuess(free, dear);
  let [state, freeState, dearState] = [both.init(), free.init(), dear.init()];
  for (let i = 0; i < 40; i++) {
    const hasGuess = i % 3 !== 0;
    state = both.step(state, hasGuess ? right : none);
    if (hasGuess) freeState = free.step(freeState, right);
    else dearState = dear.step(dearState, none);
    assertEquals(state, { guessed: freeState, other: dearState });
    assertEquals(both.gamma(state, () => true), free.gamma(freeState));
    assertEquals(both.gamma(state, () => false), dear.gamma(dearState));
  }
  assertEquals(both.gamma(state, () => true) > 0, true);
});

Deno.test("a rule that does not ask whether there is a guess costs no search for one", async () => {
  const lookup = draftPromptLookup();
  let searches = 0;
  const draft = {
    ...lookup,
    guess: (...given: Parameters<NonNullable<typeof lookup.guess>>) => {
      searches++;
      return lookup.guess?.(...given);
    },
  };
  const parts = { target: hashModel(3, 4, 200), draft, verify: verifyBlock, warp: temperature(1) };
  const write = async (decoder: Parameters<typeof limit>[0]) =>
    (await generate(limit(decoder, 60), [0, 1, 2], { key: keyOf(4) })).reports.length;
  await write(speculative({ ...parts, gamma: 3 }));
  assertEquals(searches, 0);
  await write(speculative({ ...parts, gamma: lengthByGuess(fixedLength(0), fixedLength(0)) }));
  assertEquals(searches, 0);
  const never: DraftLength<null> = { init: () => null, gamma: () => 0, step: () => null };
  const steps = await write(speculative({ ...parts, gamma: lengthByGuess(never, never) }));
  assertEquals(searches, steps, "one search a step where the rule asks");
});
