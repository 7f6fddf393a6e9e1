/** Text that is decoded with trees is plain text, token for token, whatever drafts the trees. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { keyOf } from "../../../src/core/random.ts";
import {
  automaticBudget,
  autoregressive,
  chainWarps,
  draftBranches,
  draftDynamicTree,
  draftModel,
  draftNone,
  draftPath,
  draftPromptLookup,
  functionModel,
  generate,
  limit,
  repetitionPenalty,
  speculative,
  temperature,
  topP,
  type TreeDraft,
  treeSpeculative,
  verifyToken,
  type Warp,
} from "../../../src/decode/mod.ts";
import { trimmedVocabulary } from "../../../src/nn/mod.ts";
import { counted, hashLogits, nearModel, tiedLogits, trimmedModel } from "../mock_models.ts";
import { countedTree } from "./counted_tree.ts";
import { randomTree } from "./random_trees.ts";

function promptOf(seed: number): number[] {
  return [seed % 3, 1, 0];
}

/** A drafter of trees that have nothing to do with anything. */
function wildDraft(seed: number): TreeDraft<number> {
  return {
    init: () => Promise.resolve(0),
    propose: (step, { nodes, vocabulary, depth }) => {
      const rows = randomTree(seed + step, Math.min(nodes, depth), vocabulary, 0.6);
      const tree = rows.map((row) => ({ ...row, probability: 1 }));
      return Promise.resolve({ state: step + 1, tree });
    },
    commit: (step) => step,
    close: () => {},
  };
}

/** Texts with trees under a warp, against plain text; how many drafted tokens stood. */
async function compareAll(seed: number, warp: Warp): Promise<number> {
  const vocabulary = 3 + seed % 6;
  const logits = seed % 2 ? tiedLogits(seed, vocabulary) : hashLogits(seed, vocabulary);
  const target = countedTree(functionModel({ vocabulary, contextLength: 30, logits }));
  const near = countedTree(nearModel(seed + 1000, logits, vocabulary, seed % 5 ? 40 : 12));
  const key = keyOf(seed);
  const plain = await generate(autoregressive({ target, warp }), promptOf(seed), { key });
  let accepted = 0;
  const hold = async <State>(name: string, draft: TreeDraft<State>, budget: number) => {
    const before = target.passes();
    const decoder = treeSpeculative({ target, draft, warp, budget });
    const run = await generate(decoder, promptOf(seed), { key });
    assertEquals([run.tokens, run.finish], [plain.tokens, plain.finish], `${name}, seed ${seed}`);
    assertEquals(target.passes() - before, 1 + run.reports.length, "one target pass per step");
    for (const { drafted, accepted: stood, emitted } of run.reports) {
      assert(drafted <= budget && stood <= drafted && emitted === stood + 1);
      accepted += stood;
    }
  };
  for (const budget of [1, 3, 8]) {
    for (const depth of [1, 4]) {
      await hold("branches", draftBranches(near, { depth }), budget);
    }
    await hold("a dynamic tree", draftDynamicTree(near, { depth: 3, width: 2 }), budget);
    await hold("a model's path", draftPath(draftModel(near)), budget);
    await hold("lookup", draftPath(draftPromptLookup()), budget);
    await hold("nothing", draftPath(draftNone()), budget);
    await hold("anything", wildDraft(seed), budget);
  }
  assertEquals([target.alive(), near.alive()], [0, 0]);
  return accepted;
}

Deno.test("greedy text with trees is greedy text for 50 models, every drafter and budget", async () => {
  let accepted = 0;
  for (let seed = 0; seed < 50; seed++) accepted += await compareAll(seed, temperature(0));
  assert(accepted > 5_000, `only ${accepted} drafted tokens were ever accepted`);
});

Deno.test("sampled text with trees is the plain text of the same key, under every warp", async () => {
  const warps = [
    temperature(0.7),
    chainWarps(),
    chainWarps(repetitionPenalty(1.4, 5), temperature(1.2), topP(0.9)),
    chainWarps(repetitionPenalty(1.4, 5), temperature(0)),
  ];
  let accepted = 0;
  for (let seed = 200; seed < 228; seed++) accepted += await compareAll(seed, warps[seed % 4]);
  assert(accepted > 1_500, `only ${accepted} drafted tokens were ever accepted`);
});

Deno.test("branches find tokens that the path alone misses", async () => {
  let [tree, chain] = [0, 0];
  for (let seed = 0; seed < 40; seed++) {
    const logits = hashLogits(seed, 5);
    const target = functionModel({ vocabulary: 5, contextLength: 60, logits });
    const near = nearModel(seed + 1000, logits, 5);
    const options = { target, warp: temperature(0) };
    const branching = treeSpeculative({
      ...options,
      draft: draftBranches(near, { depth: 3 }),
      budget: 9,
    });
    const path = speculative({
      ...options,
      draft: draftModel(near),
      verify: verifyToken,
      gamma: 3,
    });
    tree += (await generate(branching, promptOf(seed), { key: keyOf(1) })).reports.length;
    chain += (await generate(path, promptOf(seed), { key: keyOf(1) })).reports.length;
  }
  assert(tree < 0.95 * chain, `${tree} steps with branches, ${chain} without`);
});

Deno.test("what branches a drafter gives does not depend on what stood before", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const logits = hashLogits(seed, 5);
    const near = counted(nearModel(seed, logits, 5));
    const draft = draftBranches(near, { depth: 3 });
    const ask = (context: readonly number[]) => ({
      context,
      nodes: 7,
      depth: 9,
      vocabulary: 5,
      warp: temperature(0),
      coin: () => 0,
    });
    let context = promptOf(seed);
    let state = await draft.init(context);
    for (let step = 0; step < 6; step++) {
      const given = await draft.propose(state, ask(context));
      const fresh = await draft.propose(await draft.init(context), ask(context));
      assertEquals(given.tree, fresh.tree);
      draft.close(fresh.state);
      // Some leaf of it stands, and a token of the target's own behind it.
      const leaf = given.tree[(seed + step) % given.tree.length];
      const path = leaf.parent < 0 ? [leaf.token] : [given.tree[leaf.parent].token, leaf.token];
      context = [...context, ...path, step % 5];
      state = draft.commit(given.state, context.length - 1);
    }
    draft.close(state);
    assertEquals(near.alive(), 0);
  }
});

Deno.test("a trimmed draft's branches are of the target's tokens, and greedy text stays", async () => {
  let accepted = 0;
  for (let seed = 0; seed < 20; seed++) {
    const logits = hashLogits(seed, 6);
    const target = functionModel({ vocabulary: 6, contextLength: 40, logits });
    const vocabulary = trimmedVocabulary([1, 2, 5], 6);
    const trimmed = trimmedModel(logits, vocabulary);
    const warp = temperature(0);
    const plain = await generate(autoregressive({ target, warp }), [1, 2], { key: keyOf(1) });
    const hold = async <State>(draft: TreeDraft<State>) => {
      const decoder = treeSpeculative({ target, draft, warp, budget: 6 });
      const run = await generate(decoder, [1, 2], { key: keyOf(1) });
      assertEquals(run.tokens, plain.tokens);
      accepted += run.reports.reduce((sum, report) => sum + report.accepted, 0);
    };
    await hold(draftBranches(trimmed, { depth: 3, vocabulary }));
    await hold(draftDynamicTree(trimmed, { depth: 3, width: 2, vocabulary }));
  }
  assert(accepted > 200, `only ${accepted} drafted tokens were ever accepted`);
});

Deno.test("a tree is cut to what pays, to nothing where nothing does", async () => {
  const logits = hashLogits(1, 5);
  const target = functionModel({ vocabulary: 5, contextLength: 60, logits });
  const draft = draftBranches(nearModel(2, logits, 5), { depth: 3 });
  const drafted = async (rowsCost: (rows: number) => number) => {
    const costs = { rowsCost, hostCost: () => 0, blockCost: 0 };
    const budget = automaticBudget(costs, { most: 8, retry: 3 });
    const options = { target, draft, warp: temperature(0), budget, now: () => 0 };
    const { reports } = await generate(limit(treeSpeculative(options), 20), [1, 2], {
      key: keyOf(1),
    });
    // A text begins with two plain steps.
    assertEquals(reports.slice(0, 2).map((report) => report.drafted), [0, 0]);
    return new Set(reports.slice(2).map((report) => report.drafted));
  };
  assertEquals(await drafted(() => 1), new Set([8]));
  assertEquals(await drafted((rows) => rows), new Set([0]));
  const stepped = await drafted((rows) => Math.ceil(rows / 4));
  assert(stepped.isSubsetOf(new Set([0, 3, 7])) && (stepped.has(3) || stepped.has(7)));
});

Deno.test("a failing drafter, a dead state and no budget are refused, and nothing stays open", async () => {
  const logits = hashLogits(1, 5);
  const target = countedTree(functionModel({ vocabulary: 5, contextLength: 60, logits }));
  const warp = temperature(0);
  const foreign: TreeDraft<null> = {
    init: () => Promise.resolve(null),
    propose: () =>
      Promise.resolve({ state: null, tree: [{ token: 5, parent: -1, probability: 1 }] }),
    commit: () => null,
    close: () => {},
  };
  const decoder = treeSpeculative({ target, draft: foreign, warp, budget: 3 });
  await assertRejects(() => generate(decoder, [1], { key: keyOf(1) }), Error, "found 5");
  const failing: TreeDraft<null> = {
    ...foreign,
    propose: () => Promise.reject(new Error("no more drafts")),
  };
  const tired = treeSpeculative({ target, draft: failing, warp, budget: 3 });
  await assertRejects(() => generate(tired, [1], { key: keyOf(1) }), Error, "no more drafts");
  const sound = treeSpeculative({ target, draft: draftPath(draftNone()), warp, budget: 3 });
  const first = await sound.init(promptOf(1), keyOf(1));
  const { state } = await sound.step(first);
  await assertRejects(() => sound.step(first), Error, "already taken by step");
  sound.close(first);
  sound.close(state);
  assertEquals(target.alive(), 0);
  assertThrows(
    () => treeSpeculative({ target, draft: failing, warp, budget: 0 }),
    Error,
    "one node or more",
  );
});
