/** How far to draft. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { foldIn, keyOf, uniform } from "../../src/core/random.ts";
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

/** What a machine really takes, and how likely a drafted token stands at a place of the text. */
interface Scenario {
  readonly draftCost: number;
  readonly rowsCost: (rows: number) => number;
  readonly acceptance: (position: number) => number;
}

const LINEAR = (slope: number) => (rows: number): number => 1 + slope * (rows - 1);
const COSTS = [0, 0.05, 0.2, 0.6, 1.2].flatMap((draftCost) =>
  [0, 0.05, 0.15, 0.3, 0.6, 1].map((slope) => ({ draftCost, rowsCost: LINEAR(slope) }))
);

/** Writes `length` tokens by a rule: the time over that of plain decoding, and how often it drafted. */
function simulate<State>(
  rule: DraftLength<State>,
  { draftCost, rowsCost, acceptance }: Scenario,
  length: number,
  seed = 1,
): { readonly time: number; readonly lengths: readonly number[] } {
  const key = keyOf(seed);
  const lengths: number[] = [];
  let [state, time, written] = [rule.init(), 0, 0];
  while (written < length) {
    const drafted = rule.gamma(state);
    let accepted = 0;
    const stands = (): boolean =>
      uniform(foldIn(key, written + accepted)) < acceptance(written + accepted);
    while (accepted < drafted && stands()) accepted++;
    state = rule.step(state, { drafted, accepted, emitted: accepted + 1, seconds });
    time += rowsCost(drafted + 1) + drafted * draftCost;
    written += accepted + 1;
    lengths.push(drafted);
  }
  return { time: time / written, lengths };
}

const ACCEPTANCES: Readonly<Record<string, (position: number) => number>> = {
  useless: () => 0,
  poor: () => 0.2,
  even: () => 0.5,
  good: () => 0.8,
  perfect: () => 1,
  "good, then useless": (position) => position < 100 ? 0.9 : 0,
  "in turns": (position) => position % 200 < 100 ? 0.9 : 0.05,
  "often in turns": (position) => position % 24 < 12 ? 0.95 : 0,
  "a trap": (position) => position % 2 === 0 ? 1 : 0,
};

Deno.test("no text of 64 tokens or more takes more than 1.02 of plain decoding", () => {
  for (const costs of COSTS) {
    for (const [name, acceptance] of Object.entries(ACCEPTANCES)) {
      for (const length of [64, 100, 500, 2000]) {
        for (const seed of [1, 2, 3]) {
          const { time } = simulate(automaticLength(costs), { ...costs, acceptance }, length, seed);
          const slope = costs.rowsCost(2) - 1;
          assert(time <= 1.02, `${name}, ${costs.draftCost}, ${slope}, ${length}: ${time}`);
        }
      }
    }
  }
});

Deno.test("drafts that cost a tenth and rows that cost a twentieth more than measured lose no more", () => {
  for (const { draftCost, rowsCost } of COSTS) {
    for (const [name, acceptance] of Object.entries(ACCEPTANCES)) {
      const real = {
        draftCost: 1.1 * draftCost,
        rowsCost: (rows: number) => rows === 1 ? 1 : 1.05 * rowsCost(rows),
        acceptance,
      };
      const { time } = simulate(automaticLength({ draftCost, rowsCost }), real, 1000);
      assert(time <= 1.03, `${name}, ${draftCost}, ${rowsCost(2) - 1}: ${time}`);
    }
  }
});

Deno.test("a draft as good as ever is used nearly as well as by the best fixed length", () => {
  for (const costs of COSTS) {
    for (const share of [0.6, 0.8, 0.9, 0.97]) {
      const scenario = { ...costs, acceptance: () => share };
      const { time } = simulate(automaticLength(costs), scenario, 1000);
      const fixed = Array.from(
        { length: 9 },
        (_, gamma) => simulate(fixedLength(gamma), scenario, 1000).time,
      );
      const best = Math.min(...fixed);
      // What gains less is bounded by the tests above.
      if (best > 0.9) continue;
      const label = `${share}, ${costs.draftCost}, ${costs.rowsCost(2) - 1}`;
      assert(time <= 1.06 * best, `${label}: ${time} against ${best}`);
    }
  }
});

Deno.test("a text that becomes easy after a long hard part is drafted again", () => {
  for (const costs of COSTS.filter(({ draftCost, rowsCost }) => draftCost + rowsCost(2) <= 1.35)) {
    const acceptance = (position: number) => position < 400 ? 0 : 0.95;
    const { lengths } = simulate(automaticLength(costs), { ...costs, acceptance }, 1200);
    const [last] = lengths.slice(-1);
    assert(last >= 3, `${costs.draftCost}, ${costs.rowsCost(2) - 1}: ${last} at the end`);
  }
});

Deno.test("a steady draft does not make the length flap", () => {
  for (const costs of COSTS) {
    for (const share of [0, 0.3, 0.6, 0.9]) {
      const scenario = { ...costs, acceptance: () => share };
      const { lengths } = simulate(automaticLength(costs), scenario, 2000);
      const changes = lengths.slice(1).filter((length, i) => length !== lengths[i]).length;
      assert(changes <= 0.25 * lengths.length, `${share}, ${costs.draftCost}: ${changes} changes`);
    }
  }
});

Deno.test("only the given lengths are drafted, and the best of them", () => {
  const rule = automaticLength({ draftCost: 0.02, lengths: [7, 1, 3] });
  for (const share of [0, 0.3, 0.6, 0.9]) {
    const scenario = { draftCost: 0.02, rowsCost: () => 1, acceptance: () => share };
    const { lengths } = simulate(rule, scenario, 500);
    assert(lengths.every((length) => [0, 1, 3, 7].includes(length)));
  }
  const easy = { draftCost: 0.02, rowsCost: () => 1, acceptance: () => 1 };
  assertEquals(simulate(rule, easy, 500).lengths.at(-1), 7);
});

Deno.test("what the draft has to catch up with counts as its cost", () => {
  const rule = automaticLength({ draftCost: 0.1, catchUpCost: 0.05, retry: 8 });
  const state = { accepted: 0, judged: 20, length: 0, credit: 1, wait: 0 };
  assertEquals([10, 30].map((idle) => rule.gamma({ ...state, idle })), [1, 0]);
});

Deno.test("a draft that has nothing to propose changes no estimate", () => {
  const rule = automaticLength({ draftCost: 0 });
  const state = after(rule, Array(20).fill([0, 0]));
  assertEquals(state.accepted / state.judged, 2 / 3);
  assertEquals(rule.gamma(state), 8);
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
