/** A block drafter's trees: the likeliest ones of its marginals, and greedy text stays greedy text. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../../src/core/errors.ts";
import { keyOf } from "../../../src/core/random.ts";
import {
  automaticBudget,
  autoregressive,
  generate,
  greedyDrafts,
  greedyOptimal,
  likeliestTree,
  limit,
  logitsOf,
  marginalsOf,
  measureTreeCosts,
  multiDraftSpeculative,
  speculative,
  type StepReport,
  temperature,
  treeSpeculative,
  verifyToken,
} from "../../../src/decode/mod.ts";
import { type BlockWorld, CONFIG, world } from "../block_world.ts";
import { TINY, tokensOf } from "../tiny_llama.ts";
import { checkCompiles, checkPlainTexts } from "./tree_claims.ts";

/** A context, the target's cache of it, and what the blocks behind it say of each place. */
async function readContext(
  { target, draft }: Pick<BlockWorld, "target" | "draft">,
  context: readonly number[],
  places: number,
) {
  const { cache } = await target.forward(target.open(), context.slice(0, -1), 0);
  const request = { context, vocabulary: TINY.vocabulary, coin: () => 0.5, cache };
  const block = await draft.propose(await draft.init(context), {
    ...request,
    gamma: Math.min(places, CONFIG.block),
    warp: temperature(1),
  });
  draft.close(block.state);
  return { request, cache, probs: Array.from(block.probs) };
}

Deno.test("a block drafter's tree is the likeliest one of its blocks' marginals, others counted", async () => {
  const { device, target, draft, treeDraft } = world();
  const text = tokensOf(1, 90);
  for (const [known, nodes, depth] of [[2, 1, 9], [50, 12, 9], [90, 40, 9], [90, 40, 2]]) {
    const context = text.slice(0, known);
    const places = Math.min(nodes, depth);
    const { request, cache, probs } = await readContext({ target, draft }, context, places);
    const proposal = await treeDraft.propose(await treeDraft.init(context), {
      ...request,
      nodes,
      depth,
      warp: temperature(0),
    });
    const { tree } = proposal;
    assertEquals(tree.length, nodes);
    // What the blocks say is of the tokens that are drafted; a place's share of them is in all its nodes.
    const depths: number[] = [];
    const shares: number[] = [];
    for (const { token, parent, probability } of tree) {
      const at = parent < 0 ? 0 : depths[parent] + 1;
      depths.push(at);
      const own = probability / (parent < 0 ? 1 : tree[parent].probability);
      shares[at] ??= own / probs[at][token];
      assertAlmostEquals(own / probs[at][token], shares[at], 1e-5);
    }
    assert(shares.every((share) => share > 0 && share < 1), `${shares}`);
    const rows = probs.slice(0, shares.length).map((row) => logitsOf(Array.from(row, Math.log)));
    const others = shares.map((share) => Math.log((1 - share) / share));
    const expected = likeliestTree(marginalsOf(rows, nodes, others), nodes);
    for (const [place, { probability, parent }] of tree.entries()) {
      assert(Math.abs(probability - expected[place].probability) < 1e-5, `node ${place}`);
      assert(parent < place);
    }
    target.close(cache);
    treeDraft.close(proposal.state);
  }
  device.close();
});

Deno.test("drafts of a sampled tree are those of the blocks' processed distributions", async () => {
  const { device, target, draft, samplesDraft } = world();
  const context = tokensOf(1, 60);
  for (const [budget, depth] of [[1, 9], [7, 9], [40, 9], [40, 2]]) {
    const treeDraft = samplesDraft(budget);
    const { request, cache, probs } = await readContext({ target, draft }, context, depth);
    const coins = new Set<number>();
    const proposal = await treeDraft.propose(await treeDraft.init(context), {
      ...request,
      coin: (position) => {
        assert(!coins.has(position), "no coin twice");
        coins.add(position);
        return position * 0.618 % 1;
      },
      nodes: Infinity,
      depth,
      warp: temperature(1),
    });
    const { tree, places } = proposal;
    assertEquals(tree.length, budget);
    const depths = [-1];
    for (const { parent } of tree) depths.push(depths[parent + 1] + 1);
    for (const [i, place] of places.entries()) {
      if (place === undefined) continue;
      const law = greedyDrafts(probs[depths[i] + 1], place.tokens.length);
      assertEquals([place.law.top, place.law.last], [law.top, law.last]);
    }
    target.close(cache);
    treeDraft.close(proposal.state);
  }
  device.close();
});

const drafting = ({ drafted, accepted }: StepReport) => [drafted, accepted];

Deno.test("greedy text with a block drafter's trees is greedy text, and nothing is left over", async () => {
  const { target, treeDraft: draft, samplesDraft, device } = world();
  await checkPlainTexts({ target, draft, device }, 0, async (text) => {
    // Greedy decoding leaves a sampled tree nothing to draw.
    const drawn = { target, draft: samplesDraft(text.budget), rule: greedyOptimal };
    const decoder = multiDraftSpeculative({ ...drawn, warp: temperature(0) });
    const other = await generate(limit(decoder, 40), text.prompt, { key: keyOf(text.seed) });
    assertEquals(other.tokens, text.tokens);
    assertEquals(other.reports.map(drafting), text.reports.map(drafting));
  });
  device.close();
});

Deno.test("the second step with trees of a budget compiles nothing", async () => {
  const { target, treeDraft: draft, device } = world();
  await checkCompiles({ target, draft, device });
  device.close();
});

Deno.test("a target that keeps no features is told what to do, with trees as well", async () => {
  const { target, treeDraft: draft, device } = world("nothing");
  const decoder = treeSpeculative({ target, draft, warp: temperature(0), budget: 3 });
  const before = device.counters().liveSlots;
  await assertRejects(
    () => generate(limit(decoder, 4), [1, 2, 3], { key: keyOf(1) }),
    OutriderError,
    "the drafter's taps",
  );
  assertEquals(device.counters().liveSlots, before);
  device.close();
});

Deno.test("sampled trees are drawn and judged without leaving anything, and no budget is refused", async () => {
  const { target, samplesDraft, device } = world();
  const before = device.counters().liveSlots;
  for (const budget of [1, 9, 40]) {
    const options = { target, draft: samplesDraft(budget), rule: greedyOptimal };
    const decoder = multiDraftSpeculative({ ...options, warp: temperature(0.8) });
    const { tokens, reports } = await generate(limit(decoder, 30), [1, 2], { key: keyOf(budget) });
    assertEquals(tokens.length, 30);
    assert(reports.some(({ accepted }) => accepted > 0), `budget ${budget}`);
    assert(reports.every(({ drafted }) => drafted <= budget));
  }
  assertEquals(device.counters().liveSlots, before);
  assertThrows(() => samplesDraft(0), OutriderError, "one node or more");
  device.close();
});

Deno.test("costs of trees are measured on a transformer, and trees of what pays leave texts alone", async () => {
  const { target, treeDraft: draft, device } = world();
  const warp = temperature(0);
  const before = device.counters().liveSlots;
  const depth = CONFIG.block;
  let time = 0; // a clock by which every reading takes the same
  const now = () => time += 1;
  const costs = await measureTreeCosts(target, draft, { depth, most: 20, warp, now });
  assertEquals(device.counters().liveSlots, before);
  assertEquals(costs.points.map(([rows]) => rows), [1, 2, 4, 8, 16, 21]);
  assertEquals([costs.rowsCost(12), costs.blockCost, costs.passSeconds], [1, 2, 1]);
  const budget = automaticBudget({ ...costs, blockCost: 0.01 });
  const options = { key: keyOf(1) };
  const plain = await generate(limit(autoregressive({ target, warp }), 60), [1, 2], options);
  const decoder = treeSpeculative({ target, draft, warp, budget });
  const trees = await generate(limit(decoder, 60), [1, 2], options);
  assertEquals(trees.tokens, plain.tokens);
  assert(trees.reports.some(({ drafted }) => drafted > 0));
  assertEquals(device.counters().liveSlots, before);
  device.close();
});

Deno.test("what fails while a block's tokens are chosen leaves nothing behind", async () => {
  const { target, draft, samplesDraft, device } = world();
  const before = device.counters().liveSlots;
  const warp = () => {
    throw new Error("no such warp");
  };
  const decoders = [
    () => {
      const drawn = { target, draft: samplesDraft(5), rule: greedyOptimal, warp };
      return generate(multiDraftSpeculative(drawn), [1, 2, 3], { key: keyOf(1) });
    },
    () => {
      const chain = { target, draft, verify: verifyToken, warp, gamma: 2 };
      return generate(speculative(chain), [1, 2, 3], { key: keyOf(1) });
    },
  ];
  for (const decoding of decoders) {
    await assertRejects(decoding, Error, "no such warp");
    assertEquals(device.counters().liveSlots, before);
  }
  device.close();
});
