/** Acceptances: the bound against brute force, and every rule against the bound. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  distinctRecursiveAcceptance,
  draftOutcomes,
  greedyDrafts,
  greedyOptimal,
  kSequential,
  kSequentialAcceptance,
  multiDraftAcceptance,
  type MultiDraftLaw,
  optimalAcceptance,
  optimalTransport,
  type Probs,
  probsOf,
  recursiveAcceptance,
  recursiveRejection,
  transportPlan,
  withoutReplacement,
  withReplacement,
} from "../../../src/decode/mod.ts";
import { laws, type Pair, pairs } from "./pairs.ts";

/** The dual by its definition: the least `1 + q(H) - Q(H)` over all sets of tokens. */
function bruteForce(target: Probs, law: MultiDraftLaw): number {
  const sets = 2 ** law.vocabulary;
  const inside = new Float64Array(sets);
  for (const { tokens, probability } of draftOutcomes(law)) {
    inside[tokens.reduce((set, token) => set | (1 << token), 0)] += probability;
  }
  let least = Infinity;
  for (let set = 0; set < sets; set++) {
    let value = 1;
    target.forEach((mass, token) => value += set & (1 << token) ? mass : 0);
    for (let part = set; part > 0; part = (part - 1) & set) value -= inside[part];
    least = Math.min(least, value);
  }
  return least;
}

for (const vocabulary of [2, 3, 4, 5, 6, 7, 8, 9]) {
  Deno.test(`the bound is the dual's minimum over all sets of ${vocabulary} tokens`, () => {
    for (const { q, p } of pairs(vocabulary, vocabulary < 8 ? 2 : 1)) {
      for (const count of [1, 2, 3]) {
        for (const [i, law] of laws(p, count).entries()) {
          const least = bruteForce(q, law);
          assertAlmostEquals(optimalAcceptance(q, law), least, 1e-12, `law ${i}, ${count}`);
        }
      }
    }
  });
}

Deno.test("the optimal transport reaches the bound for every law", () => {
  for (const vocabulary of [2, 3, 5, 7]) {
    for (const { q, p } of pairs(vocabulary, 2)) {
      for (const count of [1, 2, 3]) {
        for (const law of laws(p, count)) {
          const bound = optimalAcceptance(q, law);
          const plan = transportPlan(q, law);
          assertAlmostEquals(plan.value, bound, 1e-12);
          const followed = multiDraftAcceptance((_q, _law, tokens) => plan.decide(tokens), q, law);
          assertAlmostEquals(followed, bound, 1e-12);
        }
      }
    }
  }
});

Deno.test("the greedy rule sits at its bound, q(top) and the overlap of the others", () => {
  for (const vocabulary of [2, 4, 6]) {
    for (const { q, p } of pairs(vocabulary, 4)) {
      for (const count of [1, 2, 3]) {
        const law = greedyDrafts(p, count);
        const acceptance = multiDraftAcceptance(greedyOptimal, q, law);
        const overlap = q.reduce(
          (sum, value, i) => sum + (law.top.includes(i) ? value : Math.min(value, law.last[i])),
          0,
        );
        assertAlmostEquals(acceptance, overlap, 1e-12);
        assertAlmostEquals(acceptance, optimalAcceptance(q, law), 1e-12);
      }
    }
  }
});

Deno.test("no rule exceeds the bound, and acceptances in closed form are those of enumeration", () => {
  let below = 0;
  for (const vocabulary of [2, 3, 5]) {
    for (const { q, p } of pairs(vocabulary, 4)) {
      for (const count of [1, 2, 3]) {
        const law = withReplacement(p, count);
        const bound = optimalAcceptance(q, law);
        const recursive = multiDraftAcceptance(recursiveRejection, q, law);
        const sequential = multiDraftAcceptance(kSequential, q, law);
        assertAlmostEquals(recursiveAcceptance(q, law), recursive, 1e-12);
        assertAlmostEquals(kSequentialAcceptance(q, law), sequential, 1e-12);
        for (const other of [greedyDrafts(p, count), withoutReplacement(p, count)]) {
          const reached = multiDraftAcceptance(recursiveRejection, q, other);
          assert(reached <= optimalAcceptance(q, other) + 1e-12);
          if (other.kind !== "greedy") continue;
          assertAlmostEquals(recursiveAcceptance(q, other), reached, 1e-12);
        }
        assert(recursive <= bound + 1e-12 && sequential <= bound + 1e-12);
        if (count > 1 && Math.max(recursive, sequential) < bound - 1e-6) below++;
      }
    }
  }
  assert(below > 100, `only ${below} cases lie below the bound`);
});

/** Coins spread evenly over `[0, 1)^2`. */
function evenCoins(side: number): number[][] {
  return Array.from(
    { length: side * side },
    (_, i) => [(i % side + 0.5) / side, (Math.floor(i / side) + 0.5) / side],
  );
}

/** The acceptance with two drafts: a coin from the middle of each rejected token's interval. */
function byBreakpoints({ q, p }: Pair): number {
  const over = [...p.keys()].filter((token) => p[token] > q[token])
    .sort((a, b) => q[a] / p[a] - q[b] / p[b]);
  const masses = over.map((token) => p[token] - q[token]);
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  const law = withoutReplacement(p, 2);
  let [acceptance, end] = [total === 0 ? 1 : 0, 0];
  for (const mass of masses) {
    const coin = (end + mass / 2) / total;
    acceptance += mass / total * distinctRecursiveAcceptance(q, law, [[Math.min(coin, 1 - 1e-16)]]);
    end += mass;
  }
  return acceptance;
}

Deno.test("two distinct drafts: between the breakpoints of its coin recursive rejection is exact", () => {
  for (const vocabulary of [2, 3, 6]) {
    for (const pair of pairs(vocabulary, 4)) {
      const law = withoutReplacement(pair.p, 2);
      const exact = multiDraftAcceptance(recursiveRejection, pair.q, law);
      assertAlmostEquals(byBreakpoints(pair), exact, 1e-12);
    }
  }
});

Deno.test("three distinct drafts: with more coins recursive rejection nears enumeration", () => {
  const chosen = pairs(5, 1);
  const errorOf = (side: number): number =>
    chosen.reduce((sum, { q, p }) => {
      const law = withoutReplacement(p, 3);
      const exact = multiDraftAcceptance(recursiveRejection, q, law);
      return sum + Math.abs(distinctRecursiveAcceptance(q, law, evenCoins(side)) - exact);
    }, 0) / chosen.length;
  const [coarse, fine] = [errorOf(4), errorOf(96)];
  assert(fine < 1e-4 && fine < coarse / 8, `${coarse}, then ${fine}`);
});

Deno.test("one draft is accepted with the overlap by every rule", () => {
  for (const { q, p } of pairs(5, 4)) {
    const overlap = q.reduce((sum, value, i) => sum + Math.min(value, p[i]), 0);
    for (const law of laws(p, 1)) {
      assertAlmostEquals(optimalAcceptance(q, law), overlap, 1e-12);
      assertAlmostEquals(multiDraftAcceptance(recursiveRejection, q, law), overlap, 1e-12);
    }
    const independent = withReplacement(p, 1);
    assertAlmostEquals(kSequentialAcceptance(q, independent), overlap, 1e-12);
    assertAlmostEquals(multiDraftAcceptance(greedyOptimal, q, greedyDrafts(p, 1)), overlap, 1e-12);
  }
});

Deno.test("one more draft never accepts less, and distinct drafts never less than independent", () => {
  for (const vocabulary of [3, 6]) {
    for (const { q, p } of pairs(vocabulary, 4)) {
      const figures = [1, 2, 3, 4].map((count) => {
        const independent = withReplacement(p, count);
        return [
          ...laws(p, count).map((law) => optimalAcceptance(q, law)),
          recursiveAcceptance(q, independent),
          kSequentialAcceptance(q, independent),
          recursiveAcceptance(q, greedyDrafts(p, count)),
        ];
      });
      for (const [i, more] of figures.slice(1).entries()) {
        more.forEach((value, rule) =>
          assert(value >= figures[i][rule] - 1e-12, `rule ${rule}: ${figures[i][rule]}, ${value}`)
        );
      }
      for (const [independent, distinct] of figures) assert(distinct >= independent - 1e-12);
    }
  }
});

Deno.test("two tokens, two independent drafts: the optimum is above recursive rejection by theory", () => {
  // With q0 < p0: the optimum is min(1, 1 + q0 - p0^2), recursive rejection 1 - (p0 - q0) p0.
  for (const p0 of [0.2, 0.5, 0.75, 0.99]) {
    for (const q0 of [0.01, 0.3, 0.6, 0.9].map((share) => share * p0)) {
      const [q, law] = [probsOf([q0, 1 - q0]), withReplacement(probsOf([p0, 1 - p0]), 2)];
      const [optimum, recursive] = [optimalAcceptance(q, law), recursiveAcceptance(q, law)];
      assertAlmostEquals(optimum, Math.min(1, 1 + q0 - p0 ** 2), 1e-12);
      assertAlmostEquals(recursive, 1 - (p0 - q0) * p0, 1e-12);
      assert(optimum > recursive + 1e-6);
      assertAlmostEquals(multiDraftAcceptance(optimalTransport, q, law), optimum, 1e-12);
    }
  }
});

Deno.test("greedy drafts: the optimum is above recursive rejection where a drawn token is short", () => {
  // Recursive rejection offers (1 - q(top)) p to a token outside, the optimal rule all of p.
  let above = 0;
  for (const { q, p } of pairs(6, 6)) {
    const law = greedyDrafts(p, 3);
    const inTop = law.top.reduce((sum, token) => sum + q[token], 0);
    const gain = q.reduce((sum, value, token) => {
      if (law.top.includes(token)) return sum;
      const offered = (1 - inTop) * law.last[token];
      return sum + Math.min(value, law.last[token]) - Math.min(value, offered);
    }, 0);
    const difference = optimalAcceptance(q, law) - recursiveAcceptance(q, law);
    assertAlmostEquals(difference, gain, 1e-12);
    if (gain > 1e-3) above++;
  }
  assert(above > 100, `${above}`);
});

Deno.test("what cannot be computed is refused", () => {
  const [q, p] = [probsOf([1, 0, 0]), probsOf([0.5, 0.5])];
  const three = withReplacement(q, 2);
  assertThrows(() => optimalAcceptance(q, withReplacement(p, 2)), Error, "the target's 3 tokens");
  assertThrows(() => transportPlan(p, three), Error, "the target's 2 tokens");
  const wide = probsOf(new Float64Array(400).fill(1 / 400));
  assertThrows(() => transportPlan(wide, withReplacement(wide, 2)), Error, "400 tokens, 2 drafts");
  const distinct = withoutReplacement(p, 2);
  for (const coins of [[], [[]]]) {
    assertThrows(() => distinctRecursiveAcceptance(p, distinct, coins), Error, "rows of 1 coins");
  }
  assertEquals(distinctRecursiveAcceptance(q, withoutReplacement(q, 2), [[]]), 1);
});
