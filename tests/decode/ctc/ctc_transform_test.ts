/** The CTC transform against an enumeration of alignments, and against the loss that is trained. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { foldIn, keyOf, normals } from "../../../src/core/random.ts";
import {
  ctcTransform,
  likeliestTree,
  logitsOf,
  marginalsOf,
  type TokenTree,
} from "../../../src/decode/mod.ts";
import { ctcScores } from "../../../src/losses/mod.ts";
import { collapsed, measureCtc } from "../../losses/ctc_world.ts";
import { branchOf, randomTree } from "../tree/random_trees.ts";

/** Trees of alignments of places that do not see one another: all of them, or the likeliest. */
function alignmentsOf(seed: number, places: number, classes: number, budget: number): TokenTree {
  const rows = Array.from({ length: places }, (_, place) => {
    const row = normals(foldIn(keyOf(seed), place), classes).map((x) => 2 * x);
    if (seed % 3 === 1) row.forEach((x, i) => row[i] = Math.round(x));
    return logitsOf(row);
  });
  return likeliestTree(marginalsOf(rows, classes), budget);
}

/** Any tree without equal siblings, be it one that no places give. */
function anyTree(seed: number, classes: number): TokenTree {
  const kept = new Map<number, number>();
  const tree: { token: number; parent: number; probability: number }[] = [];
  randomTree(seed, 40, classes, (seed % 5) / 4).forEach(({ token, parent }, place) => {
    const above = parent < 0 ? -1 : kept.get(parent);
    if (above === undefined) return;
    if (tree.some((node) => node.parent === above && node.token === token)) return;
    kept.set(place, tree.length);
    tree.push({ token, parent: above, probability: (tree[above]?.probability ?? 1) / (2 + token) });
  });
  return tree;
}

const tokensTo = (tree: TokenTree, place: number) => branchOf(tree, place).tokens;

const TREES = Array.from({ length: 24 }, (_, seed) => [
  { classes: 3, tree: alignmentsOf(seed, 4, 3, 1000) },
  { classes: 4, tree: alignmentsOf(seed, 5, 4, 1 + 3 * seed) },
  { classes: 3, tree: anyTree(seed, 3) },
  { classes: 6, tree: anyTree(seed, 6) },
]).flat();

Deno.test("a tree's tokens are those that its alignments stand for, each counted where it first does", () => {
  for (const { classes, tree } of TREES) {
    for (const blank of [0, classes - 1]) {
      const expected = new Map<string, number>();
      tree.forEach(({ probability, parent }, place) => {
        const said = collapsed(tokensTo(tree, place), blank).join(" ");
        const before = collapsed(parent < 0 ? [] : tokensTo(tree, parent), blank).join(" ");
        if (said !== before) expected.set(said, (expected.get(said) ?? 0) + probability);
      });
      const found = ctcTransform(tree, blank);
      const names = found.map((_, place) => tokensTo(found, place).join(" "));
      assertEquals(new Set(names).size, found.length, "no two nodes are the same");
      assertEquals(new Set(names), new Set(expected.keys()));
      names.forEach((name, place) =>
        assertAlmostEquals(found[place].probability, expected.get(name) ?? NaN, 1e-12)
      );
    }
  }
});

Deno.test("parents come first and are at least as likely, so a tree's first nodes are one", () => {
  for (const { classes, tree } of TREES) {
    const found = ctcTransform(tree, classes - 1);
    found.forEach(({ parent, token, probability }, place) => {
      assert(parent >= -1 && parent < place);
      assert(token !== classes - 1);
      assert(probability <= (found[place - 1]?.probability ?? 1), "the likeliest first");
      assert(probability <= (found[parent]?.probability ?? 1));
    });
  }
});

Deno.test("over all alignments a node has the probability that the loss trains", () => {
  const [places, classes, blank] = [4, 3, 2];
  for (let seed = 0; seed < 6; seed++) {
    const rows = Array.from(
      { length: places },
      (_, place) => normals(foldIn(keyOf(seed), place), classes).map((x) => 2 * x),
    );
    const marginals = marginalsOf(rows.map((row) => logitsOf(row)), classes);
    const tree = ctcTransform(likeliestTree(marginals, 1000), blank);
    // Strings of two tokens that need no more than four places.
    assertEquals(tree.length, 2 + 4 + 6 + 2);
    tree.forEach(({ probability }, place) => {
      const labels = tokensTo(tree, place);
      const problem = {
        ...{ places, classes, blank, labels: [labels], lengths: [labels.length] },
        logits: Float64Array.from(rows.flatMap((row) => [...row])),
      };
      const { values } = measureCtc((...given) => ctcScores(...given).prefixes, problem);
      assertAlmostEquals(probability, Math.exp(values[labels.length - 1]), 1e-6);
    });
  }
});

Deno.test("nothing but blanks is no tree, and a repeated token needs a blank between", () => {
  const node = (token: number, parent: number) => ({ token, parent, probability: 0.5 });
  assertEquals(ctcTransform([], 9), []);
  assertEquals(ctcTransform([node(9, -1), node(9, 0)], 9), []);
  assertEquals(ctcTransform([node(1, -1), node(1, 0)], 9), [node(1, -1)]);
  const twice = ctcTransform([node(1, -1), node(9, 0), node(1, 1)], 9);
  assertEquals(twice, [node(1, -1), node(1, 0)]);
});
