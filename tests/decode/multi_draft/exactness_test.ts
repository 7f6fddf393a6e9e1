/** Every rule emits the target's distribution with every law of drafts: exactly, by enumeration. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  draftOutcomes,
  drawDrafts,
  greedyDrafts,
  type MultiDraftLaw,
  oneHot,
  probsOf,
  recursiveRejection,
  sample,
  verifyDrafts,
  withoutReplacement,
  withReplacement,
} from "../../../src/decode/mod.ts";
import { type BoundRule, laws, pairs, rules } from "./pairs.ts";

const SIZES = [[2, 1], [2, 2], [2, 3], [3, 1], [3, 2], [3, 3], [5, 2], [5, 3], [4, 4]] as const;

/** What a rule emits, over all drafts, `[vocabulary]`. */
function emitted({ law, decide }: BoundRule): Float64Array {
  const mass = new Float64Array(law.vocabulary);
  for (const { tokens, probability } of draftOutcomes(law)) {
    const { accept, residual } = decide(tokens);
    let rest = 1;
    accept.forEach((value, place) => {
      mass[tokens[place]] += probability * value;
      rest -= value;
    });
    residual.forEach((value, token) => mass[token] += probability * rest * value);
  }
  return mass;
}

for (const [vocabulary, count] of SIZES) {
  Deno.test(`every rule emits the target's law: ${vocabulary} tokens, ${count} drafts`, () => {
    for (const pair of pairs(vocabulary, 4)) {
      for (const rule of rules(pair, count)) {
        emitted(rule).forEach((mass, token) =>
          assertAlmostEquals(mass, pair.q[token], 1e-12, `${rule.name}, token ${token}`)
        );
      }
    }
  });
}

Deno.test("acceptances are probabilities, and what is left is a distribution without the drafts", () => {
  for (const pair of pairs(4, 6)) {
    for (const { name, law, decide } of rules(pair, 3)) {
      for (const { tokens, probability } of draftOutcomes(law)) {
        const { accept, residual } = decide(tokens);
        const accepted = accept.reduce((sum, value) => sum + value, 0);
        assert(accept.every((value) => value >= 0) && accepted <= 1 + 1e-12, `${name} ${accept}`);
        assertAlmostEquals(residual.reduce((sum, value) => sum + value, 0), 1, 1e-9);
        for (const token of tokens) {
          // A plan is exact in what it sends, so a share of a rare set only to the set's weight.
          const weight = name.startsWith("transport") ? probability : 1;
          const drawn = weight * (1 - accepted) * residual[token];
          assert(drawn <= 1e-12, `${name} draws the rejected ${token}`);
        }
      }
    }
  }
});

/** The middle of each interval that breakpoints cut [0, 1) into. */
function middles(breakpoints: readonly number[]): number[] {
  const ends = [0, ...breakpoints.filter((end) => end < 1 - 1e-9), 1];
  return ends.slice(1).map((end, i) => (end + ends[i]) / 2).filter((_, i) =>
    ends[i + 1] - ends[i] > 1e-9
  );
}

function cumulative(values: Iterable<number>): number[] {
  let sum = 0;
  return Array.from(values, (value) => sum += value);
}

Deno.test("between all breakpoints of the coins a verdict is what the two laws say", () => {
  for (const pair of pairs(3, 3)) {
    for (const { law, decide } of rules(pair, 3)) {
      for (const { tokens } of draftOutcomes(law)) {
        const { accept, residual } = decide(tokens);
        const ends = cumulative(accept);
        for (const coin of middles(ends)) {
          const place = ends.findIndex((end) => coin < end);
          for (const drawing of middles(cumulative(residual))) {
            const round = { target: pair.q, law, tokens };
            const verdict = verifyDrafts(() => decide(tokens), round, {
              accept: coin,
              sample: drawing,
            });
            const expected = place < 0
              ? { token: sample(residual, drawing) }
              : { token: tokens[place], accepted: place };
            assertEquals(verdict, expected);
          }
        }
      }
    }
  }
});

/** The probability of every outcome as the lengths of coin intervals say, one coin after the other. */
function drawnOutcomes(law: MultiDraftLaw): Map<string, number> {
  const found = new Map<string, number>();
  const visit = (coins: readonly number[], probability: number): void => {
    if (coins.length === law.count) {
      const name = drawDrafts(law, coins).join(" ");
      found.set(name, (found.get(name) ?? 0) + probability);
      return;
    }
    const sofar = drawDrafts({ ...law, count: coins.length }, coins);
    const ends = cumulative(law.after(sofar));
    for (const coin of middles(ends)) {
      const end = ends.findIndex((one) => coin < one);
      const last = end < 0 ? ends.length - 1 : end;
      visit([...coins, coin], probability * (ends[last] - (ends[last - 1] ?? 0)));
    }
  };
  visit([], 1);
  return found;
}

Deno.test("drafts that coins draw have the law that verification is told", () => {
  for (const { p } of pairs(4, 2)) {
    for (const law of laws(p, 3)) {
      const drawn = drawnOutcomes(law);
      let total = 0;
      for (const { tokens, probability } of draftOutcomes(law)) {
        assertAlmostEquals(drawn.get(tokens.join(" ")) ?? 0, probability, 1e-8);
        total += probability;
      }
      assertAlmostEquals(total, 1, 1e-12);
    }
  }
});

Deno.test("without replacement no token is drafted twice, with few tokens fewer are drafted", () => {
  for (const { p } of pairs(4, 3)) {
    const support = p.filter((value) => value > 0).length;
    for (const count of [1, 2, 3, 4, 5]) {
      for (const law of [withoutReplacement(p, count), greedyDrafts(p, count)]) {
        assertEquals(law.count, Math.min(count, support));
        for (const { tokens } of draftOutcomes(law)) {
          assertEquals(new Set(tokens).size, law.count);
          assert(tokens.every((token) => p[token] > 0));
        }
      }
    }
  }
});

Deno.test("one-hot distributions make every rule a comparison", () => {
  for (const wanted of [0, 1, 2]) {
    for (const drafted of [0, 1, 2]) {
      const pair = { q: oneHot(3, wanted), p: oneHot(3, drafted) };
      for (const { law, decide } of rules(pair, 2)) {
        for (const { tokens } of draftOutcomes(law)) {
          for (const coin of [0, 0.5, 1 - 2 ** -53]) {
            const round = { target: pair.q, law, tokens };
            const coins = { accept: coin, sample: coin };
            const { token, accepted } = verifyDrafts(() => decide(tokens), round, coins);
            assertEquals([token, accepted !== undefined], [wanted, wanted === drafted]);
          }
        }
      }
    }
  }
});

Deno.test("a draft that equals the target is accepted with every coin", () => {
  for (const { q } of pairs(4, 3)) {
    for (const { name, law, decide } of rules({ q, p: q }, 3)) {
      for (const { tokens, probability } of draftOutcomes(law)) {
        const accepted = decide(tokens).accept.reduce((sum, value) => sum + value, 0);
        const weight = name.startsWith("transport") ? probability : 1;
        assertAlmostEquals(weight * accepted, weight, 1e-12, `${name}: ${tokens}`);
      }
    }
  }
});

Deno.test("no draft at all and foreign vocabularies are refused", () => {
  const probs = probsOf([0.5, 0.5]);
  for (const make of [withReplacement, withoutReplacement, greedyDrafts]) {
    for (const count of [0, -1, 1.5, NaN]) {
      assertThrows(() => make(probs, count), Error, "one draft or more");
    }
  }
  const round = { target: oneHot(3, 0), law: withReplacement(probs, 2), tokens: [0, 0] };
  const coins = { accept: 0, sample: 0 };
  assertThrows(
    () => verifyDrafts(recursiveRejection, round, coins),
    Error,
    "the target's 3 tokens",
  );
});
