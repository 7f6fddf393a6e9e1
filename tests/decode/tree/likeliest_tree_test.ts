/** The best tree of a size, against every tree of that size; and the size that a cost curve makes pay. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { foldIn, keyOf, normals, uniform } from "../../../src/core/random.ts";
import {
  expectedTokens,
  likeliestTree,
  logitsOf,
  marginalsOf,
  softmax,
  topTokens,
  treeBudget,
} from "../../../src/decode/mod.ts";

/** The probability of every prefix of 1 to `rows.length` tokens, by its tokens. */
function prefixes(rows: readonly Float64Array[]): Map<string, number> {
  const all = new Map<string, number>();
  const visit = (above: readonly number[], mass: number): void => {
    rows[above.length]?.forEach((p, token) => {
      const path = [...above, token];
      all.set(path.join(" "), mass * p);
      visit(path, mass * p);
    });
  };
  visit([], 1);
  return all;
}

/** The most that any prefix-closed set of `budget` prefixes sums up to, by trying all of them. */
function bestSum(all: ReadonlyMap<string, number>, budget: number): number {
  const names = [...all.keys()];
  const parentOf = (name: string) => name.split(" ").slice(0, -1).join(" ");
  let best = 0;
  const visit = (from: number, chosen: readonly string[], sum: number): void => {
    if (chosen.length === budget) best = Math.max(best, sum);
    if (chosen.length >= budget) return;
    for (let i = from; i < names.length; i++) {
      const parent = parentOf(names[i]);
      // Parents come before children in this order, so every closed set is met.
      if (parent !== "" && !chosen.includes(parent)) continue;
      visit(i + 1, [...chosen, names[i]], sum + (all.get(names[i]) ?? 0));
    }
  };
  visit(0, [], 0);
  return best;
}

for (const [vocabulary, depth] of [[2, 1], [2, 3], [3, 2], [4, 2]]) {
  Deno.test(`no tree of its size beats the likeliest one: ${vocabulary} tokens, ${depth} places`, () => {
    for (let seed = 0; seed < 12; seed++) {
      const logits = Array.from({ length: depth }, (_, place) => {
        const row = normals(foldIn(keyOf(seed), place), vocabulary).map((x) => 2 * x);
        // Ties, and tokens that cannot come.
        if (seed % 3 === 1) row.forEach((x, i) => row[i] = Math.round(x));
        if (seed % 4 === 3) row[place % vocabulary] = -Infinity;
        return logitsOf(row);
      });
      const all = prefixes(logits.map((row) => softmax(row)));
      const marginals = marginalsOf(logits, vocabulary);
      for (let budget = 1; budget <= Math.min(5, all.size); budget++) {
        const tree = likeliestTree(marginals, budget);
        assertAlmostEquals(expectedTokens(tree) - 1, bestSum(all, budget), 1e-6);
        const paths: string[] = [];
        tree.forEach(({ token, parent, probability }, place) => {
          assert(parent < place, "parents come first");
          assert(place === 0 || probability <= tree[place - 1].probability, "the likeliest first");
          paths.push(parent < 0 ? `${token}` : `${paths[parent]} ${token}`);
          assertAlmostEquals(all.get(paths[place]) ?? NaN, probability, 1e-6);
        });
        assertEquals(new Set(paths).size, tree.length);
        assertEquals(
          tree,
          likeliestTree(marginals, 5).slice(0, budget),
          "smaller trees come first",
        );
      }
    }
  });
}

Deno.test("a budget beyond all prefixes gives all that can come, and no places give none", () => {
  const [place] = marginalsOf([logitsOf([0, 1, -Infinity])], 3);
  const tree = likeliestTree([place, place, place], 1000);
  assertEquals(tree.length, 2 + 4 + 8);
  assertAlmostEquals(expectedTokens(tree), 4, 1e-6);
  assertEquals(likeliestTree([], 5), []);
  assertEquals(likeliestTree([place], 0), []);
});

Deno.test("tokens that cannot be drafted take their share of every path", () => {
  for (let seed = 0; seed < 20; seed++) {
    const whole = normals(keyOf(seed), 6).map((x) => 40 * (seed % 4) * x + x);
    const other = whole[5];
    const [place] = marginalsOf([logitsOf([...whole.subarray(0, 5)])], 5, [other]);
    const expected = softmax(logitsOf(whole));
    place.tokens.forEach((token, rank) =>
      assertAlmostEquals(Math.exp(place.logProbs[rank]), expected[token], 1e-6)
    );
  }
});

Deno.test("a deep tree is built at once: 20000 nodes of 64 places", () => {
  const places = Array.from(
    { length: 64 },
    (_, i) => topTokens(logitsOf(normals(foldIn(keyOf(1), i), 500)), 500),
  );
  const tree = likeliestTree(places, 20_000);
  assertEquals(tree.length, 20_000);
  tree.forEach(({ probability }, i) => assert(i === 0 || probability <= tree[i - 1].probability));
});

Deno.test("the budget is the one with the most tokens per second, whatever the curve", () => {
  for (let seed = 0; seed < 200; seed++) {
    const coin = (name: string, i: number) => uniform(foldIn(foldIn(keyOf(seed), name), i));
    const probabilities = Array.from({ length: 12 }, (_, i) => coin("p", i))
      .toSorted((a, b) => b - a);
    const curve = [1];
    for (let rows = 2; rows <= 13; rows++) {
      // Flat pieces and jumps, as padded row counts have them.
      curve.push(curve[rows - 2] + (coin("jump", rows) < 0.3 ? 2 * coin("height", rows) : 0));
    }
    const costs = {
      rowsCost: (rows: number) => curve[rows - 1],
      hostCost: (drafted: number) => 0.02 * drafted,
      blockCost: coin("block", 0),
    };
    const rates = Array.from(
      { length: 13 },
      (_, nodes) =>
        probabilities.slice(0, nodes).reduce((sum, p) => sum + p, 1) /
        (costs.blockCost + costs.hostCost(nodes) + costs.rowsCost(nodes + 1)),
    );
    const best = Math.max(...rates);
    assertAlmostEquals(rates[treeBudget(costs, probabilities)], best, 1e-12);
  }
  const steep = { rowsCost: (rows: number) => rows, hostCost: () => 0, blockCost: 0 };
  assertEquals(treeBudget(steep, [0.9, 0.9]), 0, "where every row costs a pass, nothing pays");
  assertEquals(treeBudget(steep, []), 0);
});
