/** Drafts drawn into a tree's shape: what is drawn where, and that the text keeps the target's law. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { foldIn, keyOf, uniform } from "../../../src/core/random.ts";
import {
  chainWarps,
  type GreedyDrafts,
  greedyDrafts,
  greedyOptimal,
  logitsOf,
  probabilities,
  type Probs,
  temperature,
  type TokenId,
  type TokenTree,
  topK,
  topP,
} from "../../../src/decode/mod.ts";
import { drawTree } from "../../../src/decode/tree/draw_tree.ts";
import { assertExact } from "../enumeration.ts";
import { hashLogits } from "../mock_models.ts";
import { type DrawnTree, emitted } from "./emitted_law.ts";
import { randomTree } from "./random_trees.ts";

const TEXT = [2, 0];
const WARPS = [chainWarps(), temperature(0.7), topK(2), topP(0.8)];

/** A shape: its tokens mean nothing. */
function shapeOf(parents: readonly number[]): TokenTree {
  return parents.map((parent) => ({ token: 0, parent, probability: 1 }));
}

/** Distributions that depend on the depth alone, as a block drafter's do. */
function marginals(
  seed: number,
  vocabulary: number,
  warp = chainWarps(),
): (depth: number) => Probs {
  const logits = hashLogits(seed, vocabulary);
  return (depth) => probabilities(warp, logitsOf(logits([depth])), TEXT);
}

/** Every tree that can be drawn into a shape. */
function drawnTrees(
  shape: TokenTree,
  probsAt: (depth: number) => Probs,
): DrawnTree<GreedyDrafts>[] {
  const visit = (coins: readonly number[], probability: number): DrawnTree<GreedyDrafts>[] => {
    const asked: number[] = [];
    const drawn = drawTree(shape, probsAt, (draw) => {
      asked.push(draw);
      return coins[draw] ?? 0;
    });
    if (asked.length === coins.length) {
      return [{ proposal: { state: null, ...drawn }, probability }];
    }
    // The next draw's law does not depend on what it gives.
    const laws = drawn.places.flatMap((place) => place === undefined ? [] : [place.law]);
    const inOrder = orderOf(drawn.tree);
    const { last } = laws[inOrder.indexOf(coins.length)];
    let below = 0;
    return Array.from(last).flatMap((mass) => {
      const coin = below + mass / 2;
      below += mass;
      return mass === 0 ? [] : visit([...coins, coin], probability * mass);
    });
  };
  return visit([], 1);
}

/** By place with drafts, the text first, how many places had theirs drawn before. */
function orderOf(tree: TokenTree): number[] {
  const seen: number[] = [];
  for (const { parent } of tree) if (!seen.includes(parent)) seen.push(parent);
  return seen.toSorted((a, b) => a - b).map((parent) => seen.indexOf(parent));
}

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  "one node": [-1],
  "a chain": [-1, 0],
  "a star": [-1, -1, -1],
  "the likelier child goes on": [-1, 0, -1, 0],
  "the drawn child goes on": [-1, -1, 1, 1],
  "all go on": [-1, -1, 0, 1, 0],
};

for (const [name, parents] of Object.entries(SHAPES)) {
  Deno.test(`trees with a drawn last child emit the target's law to 1e-12: ${name}`, async () => {
    for (const [seed, warp] of WARPS.entries()) {
      const [vocabulary, targetLogits] = [3, hashLogits(seed + 1, 3)];
      const trees = drawnTrees(shapeOf(parents), marginals(seed + 50, vocabulary, warp));
      assertAlmostEquals(trees.reduce((sum, { probability }) => sum + probability, 0), 1, 1e-12);
      const judging = { rule: greedyOptimal, warp, vocabulary, text: TEXT };
      const mass = await emitted(judging, trees, targetLogits);
      const targetOf = (text: readonly TokenId[]) =>
        probabilities(warp, logitsOf(targetLogits(text)), text);
      assertExact({ mass, meanAccepted: 0 }, targetOf, TEXT, 2);
    }
  });
}

Deno.test("a drawn tree has its shape, the likeliest tokens and one coin's token at every node", () => {
  for (let seed = 0; seed < 60; seed++) {
    const vocabulary = 4 + seed % 5;
    const probsAt = marginals(seed, vocabulary, WARPS[seed % 2]);
    const shape = randomTree(seed, 1 + seed % 20, 1, 0.8).map((row) => ({
      ...row,
      probability: 1,
    }));
    const counts = [-1, ...shape.keys()].map((node) =>
      shape.filter(({ parent }) => parent === node).length
    );
    const coin = (draw: number) => uniform(foldIn(keyOf(seed), draw));
    const asked: number[] = [];
    const { tree, places } = drawTree(shape, probsAt, (draw) => {
      asked.push(draw);
      return coin(draw);
    });
    assertEquals(asked, [...asked.keys()], "a coin for each draw");
    assertEquals(places.length, 1 + tree.length);
    if (counts.every((count) => count <= vocabulary)) {
      assertEquals(tree.map(({ parent }) => parent), shape.map(({ parent }) => parent));
    }
    const depths: number[] = [];
    for (const { parent } of tree) depths.push(parent < 0 ? 0 : depths[parent] + 1);
    for (const [i, place] of places.entries()) {
      const children = tree.filter(({ parent }) => parent === i - 1);
      assertEquals(place?.tokens ?? [], children.map(({ token }) => token));
      if (place === undefined) continue;
      const depth = i === 0 ? 0 : depths[i - 1] + 1;
      const law = greedyDrafts(probsAt(depth), children.length);
      assertEquals(place.law.top, law.top);
      assertEquals(place.law.last, law.last);
      assertEquals(new Set(place.tokens).size, place.tokens.length);
      const above = i === 0 ? 1 : tree[i - 1].probability;
      for (const { token, probability } of children) {
        assertAlmostEquals(probability, above * probsAt(depth)[token], 1e-12);
      }
    }
    assertEquals(asked.length, places.filter((place) => place !== undefined).length);
  }
});

Deno.test("where fewer tokens can come than a shape has children, the rest is left out", () => {
  const probsAt = marginals(1, 5, topK(2));
  const shape = shapeOf([-1, -1, -1, 2, 0, -1]);
  const { tree, places } = drawTree(shape, probsAt, () => 0.5);
  assertEquals(tree.map(({ parent }) => parent), [-1, -1, 0]);
  assertEquals(places.map((place) => place?.law.count), [2, 1, undefined, undefined]);
  assert(tree.every(({ probability }) => probability > 0));
});
