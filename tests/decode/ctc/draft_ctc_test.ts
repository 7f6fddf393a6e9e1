/** A CTC drafter's trees: what its places say as alignments, and text that stays the target's own. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../../src/core/errors.ts";
import { keyOf } from "../../../src/core/random.ts";
import { blockMarginals } from "../../../src/decode/block_marginals.ts";
import {
  autoregressive,
  generate,
  limit,
  temperature,
  treeSpeculative,
} from "../../../src/decode/mod.ts";
import { ctcScores } from "../../../src/losses/mod.ts";
import { measureCtc } from "../../losses/ctc_world.ts";
import { CONFIG, VOCABULARY } from "../block_world.ts";
import { TINY, tokensOf } from "../tiny_llama.ts";
import { branchOf } from "../tree/random_trees.ts";
import { checkCompiles, checkPlainTexts } from "../tree/tree_claims.ts";
import { ctcWorld } from "./ctc_world.ts";

Deno.test("nodes have the probability, under all that the places say, that a text begins so", async () => {
  const { device, target, ctc, options } = ctcWorld();
  const text = tokensOf(1, 60);
  const drafter = blockMarginals(options);
  for (const [known, nodes, depth] of [[2, 1, 9], [31, 12, 9], [60, 40, 9], [60, 40, 2]]) {
    const context = text.slice(0, known);
    const { cache } = await target.forward(target.open(), context.slice(0, -1), 0);
    const request = { context, vocabulary: TINY.vocabulary, coin: () => 0.5, cache };
    const { state, tree } = await ctc.propose(await ctc.init(context), {
      ...{ ...request, nodes, depth, warp: temperature(0) },
    });
    const places = Math.min(depth, CONFIG.block);
    const { rows, others, ...read } = await drafter.marginals(
      drafter.open(),
      { ...request, places },
      (made) => made,
    );
    const { other, classes, classOf } = VOCABULARY;
    const logits = rows.flatMap((row, place) =>
      [...row].map((x, c) => c === other ? others[place] : x)
    );
    assertEquals(tree.length, nodes);
    tree.forEach(({ probability, parent }, place) => {
      assert(parent < place);
      const labels = branchOf(tree, place).tokens.map(classOf);
      assert(labels.length <= places && !labels.includes(other));
      const { values } = measureCtc((...given) => ctcScores(...given).prefixes, {
        ...{ places, classes: classes + 1, blank: classes, labels: [labels] },
        ...{ lengths: [labels.length], logits: Float64Array.from(logits) },
      });
      const whole = Math.exp(values[labels.length - 1]);
      // The likeliest alignments are most of all, never more.
      assert(probability < whole + 1e-6 && probability > whole / 3, `${probability} of ${whole}`);
    });
    target.close(cache);
    ctc.close(state);
    drafter.close(read.state);
  }
  device.close();
});

for (const heat of [0, 0.8]) {
  Deno.test(`text with a CTC drafter is plain text at temperature ${heat}, and nothing is left over`, async () => {
    const { target, ctc: draft, device } = ctcWorld();
    await checkPlainTexts({ target, draft, device }, heat);
    device.close();
  });
}

Deno.test("the second step with a CTC drafter compiles nothing", async () => {
  const { target, ctc: draft, device } = ctcWorld();
  await checkCompiles({ target, draft, device });
  device.close();
});

Deno.test("a context that is nearly full is drafted for as far as it goes", async () => {
  const { target, ctc: draft, device } = ctcWorld();
  const warp = temperature(0);
  const prompt = tokensOf(8, TINY.contextLength - 7);
  const plain = await generate(autoregressive({ target, warp }), prompt, { key: keyOf(1) });
  const drafted = await generate(treeSpeculative({ target, draft, warp, budget: 9 }), prompt, {
    key: keyOf(1),
  });
  assertEquals(drafted.tokens, plain.tokens);
  assertEquals(drafted.finish, "context");
  device.close();
});

Deno.test("a target that keeps no features is told what to do, with a CTC drafter as well", async () => {
  const { target, ctc: draft, device } = ctcWorld("nothing");
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
