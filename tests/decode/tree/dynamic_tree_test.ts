/** Trees that branch where the model is unsure: the best of what was read on, and of all if all was. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  draftBranches,
  draftDynamicTree,
  type DynamicTreeOptions,
  expectedTokens,
  functionModel,
  logitsOf,
  softmax,
  temperature,
  type TokenTree,
} from "../../../src/decode/mod.ts";
import { hashLogits } from "../mock_models.ts";
import { countedTree } from "./counted_tree.ts";

const TEXT = [2, 0];

function request(vocabulary: number, nodes: number) {
  const warp = temperature(0);
  return { context: TEXT, nodes, depth: 9, vocabulary, warp, coin: () => 0 };
}

async function drafted(
  seed: number,
  vocabulary: number,
  nodes: number,
  options: DynamicTreeOptions,
): Promise<TokenTree> {
  const logits = hashLogits(seed, vocabulary);
  const model = countedTree(functionModel({ vocabulary, contextLength: 40, logits }));
  const draft = draftDynamicTree(model, options);
  const state = await draft.init(TEXT);
  const before = model.passes();
  const proposal = await draft.propose(state, request(vocabulary, nodes));
  assertEquals(model.passes() - before, Math.min(options.depth, nodes), "a pass for each level");
  draft.close(proposal.state);
  assertEquals(model.alive(), 0);
  return proposal.tree;
}

/** Paths of a tree, each with its probability. */
function pathsOf(tree: TokenTree): Map<string, number> {
  const paths: string[] = [];
  return new Map(tree.map(({ token, parent, probability }) => {
    paths.push(parent < 0 ? `${token}` : `${paths[parent]} ${token}`);
    return [paths[paths.length - 1], probability];
  }));
}

/** The probability of every path of up to `depth` tokens under a model. */
function allPaths(seed: number, vocabulary: number, depth: number): Map<string, number> {
  const logits = hashLogits(seed, vocabulary);
  const all = new Map<string, number>();
  const visit = (path: readonly number[], mass: number): void => {
    if (path.length > 0) all.set(path.join(" "), mass);
    if (path.length === depth) return;
    softmax(logitsOf(logits([...TEXT, ...path]))).forEach((p, token) =>
      visit([...path, token], mass * p)
    );
  };
  visit([], 1);
  return all;
}

Deno.test("where all paths are read on, no tree of its size is likelier", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const [vocabulary, depth, nodes] = [3, 3, 1 + seed % 12];
    const tree = await drafted(seed, vocabulary, nodes, { depth, width: vocabulary ** depth });
    const all = allPaths(seed, vocabulary, Math.min(depth, nodes));
    const best = [...all.values()].toSorted((a, b) => b - a).slice(0, nodes);
    assertAlmostEquals(expectedTokens(tree), best.reduce((sum, p) => sum + p, 1), 1e-5);
    for (const [path, probability] of pathsOf(tree)) {
      assertAlmostEquals(probability, all.get(path) ?? NaN, 1e-6);
    }
    tree.forEach(({ parent, probability }, i) => {
      assert(parent < i && (i === 0 || probability <= tree[i - 1].probability));
    });
  }
});

Deno.test("a width of 1 is the model's path with branches, and more widths never promise less", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const [vocabulary, depth, nodes] = [6, 4, 12];
    const logits = hashLogits(seed, vocabulary);
    const model = functionModel({ vocabulary, contextLength: 40, logits });
    const branches = draftBranches(model, { depth });
    const known = await branches.propose(await branches.init(TEXT), request(vocabulary, nodes));
    const trees = [];
    for (const width of [1, 2, 4, 16]) {
      trees.push(await drafted(seed, vocabulary, nodes, { depth, width }));
    }
    assertEquals(trees[0], known.tree);
    const promised = trees.map(expectedTokens);
    assertEquals(promised, promised.toSorted((a, b) => a - b));
  }
});

Deno.test("near the end of the draft's context trees are less deep, then empty", async () => {
  const logits = hashLogits(1, 5);
  const model = functionModel({ vocabulary: 5, contextLength: 4, logits });
  const draft = draftDynamicTree(model, { depth: 3, width: 2 });
  for (const [length, deep] of [[2, 3], [3, 2], [4, 1], [5, 0]]) {
    const context = Array.from({ length }, (_, i) => i % 5);
    const state = await draft.init(context);
    const { state: next, tree } = await draft.propose(state, { ...request(5, 200), context });
    const depths: number[] = [];
    for (const { parent } of tree) depths.push(parent < 0 ? 1 : depths[parent] + 1);
    assertEquals(Math.max(0, ...depths), deep, `behind ${length} tokens`);
    draft.close(next);
  }
  assertThrows(
    () => draftDynamicTree(model, { depth: 3, width: 0 }),
    Error,
    "a width of 1 or more",
  );
  assertThrows(() => draftDynamicTree(model, { depth: 0, width: 3 }), Error, "a depth");
});
