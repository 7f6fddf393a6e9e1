/** A block drafter's trees: the likeliest ones of its marginals, and greedy text stays greedy text. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../../src/core/errors.ts";
import { keyOf } from "../../../src/core/random.ts";
import {
  autoregressive,
  generate,
  likeliestTree,
  limit,
  logitsOf,
  marginalsOf,
  temperature,
  treeSpeculative,
} from "../../../src/decode/mod.ts";
import { CONFIG, world } from "../block_world.ts";
import { TINY, tokensOf } from "../tiny_llama.ts";

Deno.test("a block drafter's tree is the likeliest one of the marginals that its blocks have", async () => {
  const { device, target, draft, treeDraft } = world();
  const text = tokensOf(1, 90);
  for (const [known, nodes, depth] of [[2, 1, 9], [50, 12, 9], [90, 40, 9], [90, 40, 2]]) {
    const context = text.slice(0, known);
    const { cache } = await target.forward(target.open(), context.slice(0, -1), 0);
    const request = { context, vocabulary: TINY.vocabulary, coin: () => 0.5, cache };
    const block = await draft.propose(await draft.init(context), {
      ...request,
      gamma: Math.min(nodes, depth, CONFIG.block),
      warp: temperature(1),
    });
    const proposal = await treeDraft.propose(await treeDraft.init(context), {
      ...request,
      nodes,
      depth,
      warp: temperature(0),
    });
    const rows = Array.from(block.probs, (probs) => logitsOf(Array.from(probs, Math.log)));
    const expected = likeliestTree(marginalsOf(rows, nodes), nodes);
    assertEquals(proposal.tree.length, nodes);
    for (const [place, { probability, parent }] of proposal.tree.entries()) {
      assert(Math.abs(probability - expected[place].probability) < 1e-5, `node ${place}`);
      assert(parent < place);
    }
    target.close(cache);
    draft.close(block.state);
    treeDraft.close(proposal.state);
  }
  device.close();
});

Deno.test("greedy text with a block drafter's trees is greedy text, and nothing is left over", async () => {
  const { target, treeDraft: draft, device } = world();
  const warp = temperature(0);
  const before = device.counters().liveSlots;
  let accepted = 0;
  for (const seed of [1, 2, 3]) {
    const prompt = tokensOf(seed, 5 + seed);
    const key = keyOf(seed);
    const plain = await generate(limit(autoregressive({ target, warp }), 40), prompt, { key });
    for (const budget of [1, 6, 40]) {
      const decoder = treeSpeculative({ target, draft, warp, budget });
      const { tokens, reports } = await generate(limit(decoder, 40), prompt, { key });
      assertEquals(tokens, plain.tokens, `seed ${seed}, budget ${budget}`);
      accepted += reports.reduce((sum, report) => sum + report.accepted, 0);
    }
    assertEquals(device.counters().liveSlots, before);
  }
  // Forty nodes of the forty tokens: some stand even where the drafter knows nothing.
  assert(accepted > 20, `only ${accepted} drafted tokens were ever accepted`);
  device.close();
});

Deno.test("the second step with trees of a budget compiles nothing", async () => {
  const { target, treeDraft: draft, device } = world();
  const decoder = treeSpeculative({ target, draft, warp: temperature(0), budget: 12 });
  const write = (seed: number) =>
    generate(limit(decoder, 20), tokensOf(seed, 20), { key: keyOf(seed) });
  // Every count of rows of a path that has to be moved, and every size of what the drafter reads.
  for (const seed of [1, 2, 3]) await write(seed);
  const { compiles } = device.counters();
  for (const seed of [4, 5, 6, 7]) await write(seed);
  assertEquals(device.counters().compiles, compiles);
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
