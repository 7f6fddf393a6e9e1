/** The rule for the size of trees, on simulated texts: it is near the best choice, and never far below plain. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { foldIn, keyOf, uniform } from "../../../src/core/random.ts";
import {
  automaticBudget,
  type AutomaticBudgetState,
  type TreeBudget,
  treeBudget,
  type TreeCosts,
} from "../../../src/decode/mod.ts";

const STEPS = 4_000;
const NO_SECONDS = { prefill: 0, draft: 0, target: 0, verify: 0, host: 0 };

/** A simulated text: what the drafter says of each step's nodes, and how many of them stand. */
interface World {
  readonly costs: TreeCosts;
  /** Share of the drafter's probabilities that is true. */
  readonly truth: number;
  readonly seed: number;
}

function promises(seed: number, step: number): number[] {
  const key = foldIn(keyOf(seed), step);
  const first = 0.2 + 0.6 * uniform(foldIn(key, "first"));
  return Array.from({ length: 15 }, (_, place) => first * 0.75 ** place);
}

/** Tokens in times of plain steps, by a rule. */
function tokensPerTime<State>({ costs, truth, seed }: World, rule: TreeBudget<State>): number {
  const plain = costs.rowsCost(1) + costs.hostCost(0);
  let [tokens, time] = [0, 0];
  let state = rule.init();
  for (let step = 0; step < STEPS; step++) {
    const asked = rule.nodes(state);
    const probabilities = asked === 0 ? [] : promises(seed, step).slice(0, asked);
    const read = probabilities.slice(0, rule.cut(state, probabilities));
    const drafted = read.length;
    const expected = read.reduce((sum, p) => sum + p, 0);
    const whole = Math.floor(truth * expected);
    const coin = uniform(foldIn(foldIn(keyOf(seed), step), "stands"));
    const accepted = whole + (coin < truth * expected - whole ? 1 : 0);
    tokens += 1 + accepted;
    time += costs.rowsCost(1 + drafted) + costs.hostCost(drafted) +
      (asked === 0 ? 0 : costs.blockCost);
    const report = { drafted, accepted, emitted: accepted + 1, seconds: NO_SECONDS };
    state = rule.step(state, report, expected);
  }
  return plain * tokens / time;
}

/** As if it were known how much of the drafter's word is true. */
function knowing({ costs, truth }: World): TreeBudget<null> {
  return {
    init: () => null,
    nodes: () => 64,
    cut: (_, probabilities) => treeBudget(costs, probabilities.map((p) => truth * p)),
    step: () => null,
  };
}

const CURVES: readonly ((rows: number) => number)[] = [
  () => 1,
  (rows) => 1 + 0.05 * (rows - 1),
  (rows) => Math.ceil(rows / 4),
  (rows) => 1 + 0.3 * (rows - 1),
  (rows) => rows,
];

Deno.test("the budget is near the best one that knows the truth, and near plain where none pays", () => {
  for (const [seed, rowsCost] of CURVES.entries()) {
    for (const truth of [1, 0.7, 0.4, 0]) {
      for (const blockCost of [0.02, 0.3]) {
        const costs = { rowsCost, blockCost, hostCost: (drafted: number) => 0.01 * drafted };
        const world = { costs, truth, seed };
        const rate = tokensPerTime(world, automaticBudget(costs));
        const best = Math.max(1, tokensPerTime(world, knowing(world)));
        // A small gain is left alone: costs are measured, not known.
        // Plain steps, to which trees are compared, take a thirty-third.
        const bound = best < 1.12 ? 0.98 : 0.95 * best;
        assert(rate >= bound, `curve ${seed}, truth ${truth}: ${rate} of ${best}`);
      }
    }
  }
});

Deno.test("trees that never pay are tried once in so many steps, and again when they begin to", () => {
  const costs = { rowsCost: () => 1, hostCost: () => 0, blockCost: 0.5 };
  const rule = automaticBudget(costs, { retry: 9 });
  let state: AutomaticBudgetState = rule.init();
  const asked: boolean[] = [];
  const go = (steps: number, accepted: number): number => {
    const before = asked.length;
    for (let step = 0; step < steps; step++) {
      const nodes = rule.nodes(state);
      asked.push(nodes > 0);
      const drafted = nodes > 0 ? 3 : 0;
      const stood = nodes > 0 ? accepted : 0;
      const report = { drafted, accepted: stood, emitted: stood + 1, seconds: NO_SECONDS };
      state = rule.step(state, report, nodes > 0 ? 1.5 : 0);
    }
    return asked.slice(before).filter((tree) => tree).length;
  };
  go(100, 0);
  assertEquals(go(100, 0), 10);
  go(2_000, 2);
  assert(go(100, 2) >= 96);
});

Deno.test("a most, a memory or a retry below 1 is refused", () => {
  const costs = { rowsCost: () => 1, hostCost: () => 0, blockCost: 0 };
  for (const options of [{ most: 0 }, { memory: 0 }, { retry: NaN }]) {
    assertThrows(() => automaticBudget(costs, options), Error, "of 1 or more");
  }
});
