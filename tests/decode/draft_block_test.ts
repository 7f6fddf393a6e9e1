/** A drafter that reads what the target's layers know: its cache, its blocks, and what decoding gives. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { add, full, iota, OutriderError, type Tensor } from "../../src/core/mod.ts";
import { concat, gather, hostTensor, linear } from "../../src/core/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import {
  autoregressive,
  type BlockWeights,
  draftThrough,
  generate,
  limit,
  type LlamaCache,
  logitsOf,
  type PrefixCache,
  rememberPrefix,
  softmax,
  speculative,
  temperature,
  verifyToken,
} from "../../src/decode/mod.ts";
import {
  blockContext,
  blockDrafter,
  contextKeyValues,
  llama,
  type LlamaParameters,
  tappedFeatures,
} from "../../src/nn/mod.ts";
import { compile, read, releaseTree, uploadTree } from "../../src/runtime/mod.ts";
import { CONFIG, VOCABULARY, world } from "./block_world.ts";
import { TINY, tokensOf } from "./tiny_llama.ts";

/** The logits of the block behind a text, by one computation over all of it, without a cache. */
async function wholeBlock(
  { device, parameters, weights }: ReturnType<typeof world>,
  text: readonly number[],
): Promise<Float32Array[]> {
  const known = text.length - 1;
  const compute = compile(
    device,
    (target: LlamaParameters<Tensor>, w: BlockWeights<Tensor>, tokens: Tensor, last: Tensor) => {
      const rows = iota([known], 0);
      const start = full([known], 0, "i32");
      const seen = { tokens, positions: rows, start, end: add(rows, 1) };
      const features = tappedFeatures(llama(TINY, target, seen), CONFIG.taps);
      const context = blockContext(CONFIG, w.drafter, features);
      const keyValues = contextKeyValues(CONFIG, w.drafter, context, rows);
      const places = iota([CONFIG.block], 0);
      const same = (place: Tensor) => add(full([CONFIG.block], 0, "i32"), place);
      const lastRow = full([CONFIG.block], known - 1, "i32");
      const block = {
        embedded: gather(w.embedding, same(last)),
        places,
        positions: add(places, known),
        last: gather(context, lastRow),
        start: full([CONFIG.block], 0, "i32"),
        end: full([CONFIG.block], known + CONFIG.block, "i32"),
      };
      const hidden = blockDrafter(CONFIG, w.drafter, block, ({ key, value }, layer) => ({
        key: concat([keyValues[layer].key, key], 0),
        value: concat([keyValues[layer].value, value], 0),
      }));
      return linear(hidden, w.head);
    },
  );
  const given = uploadTree(device, {
    tokens: hostTensor(Int32Array.from(text.slice(0, -1))),
    last: hostTensor(Int32Array.from(text.slice(-1))),
  });
  const logits = compute(parameters, weights, given.tokens, given.last);
  const values = await read(logits);
  releaseTree([given, logits]);
  const { classes } = VOCABULARY;
  return Array.from(
    { length: CONFIG.block },
    (_, i) => Float32Array.from(values.subarray(i * classes, (i + 1) * classes)),
  );
}

/** Probabilities over the target's tokens that a row of class logits comes to. */
function probsOf(row: Float32Array): Float64Array {
  const possible = Float32Array.from(row);
  possible[VOCABULARY.other] = -Infinity;
  const probs = new Float64Array(TINY.vocabulary);
  softmax(logitsOf(possible)).forEach((p, i) => {
    if (i < VOCABULARY.other) probs[VOCABULARY.tokenIds[i]] = p;
  });
  return probs;
}

Deno.test("blocks are drafted from what one computation over the whole text gives", async () => {
  const made = world();
  const { target, draft, device } = made;
  const text = tokensOf(1, 300);
  let cache = target.open();
  let state = await draft.init(text.slice(0, 150));
  // Behind a long prompt, behind a block that stands in part, and behind many plain steps.
  for (const [known, gamma] of [[150, 4], [151, 2], [154, 4], [155, 1], [290, 4]]) {
    const fresh = text.slice(target.lengthOf(cache), known - 1);
    if (fresh.length > 0) ({ cache } = await target.forward(cache, fresh, 0));
    const request = {
      context: text.slice(0, known),
      gamma,
      vocabulary: TINY.vocabulary,
      warp: temperature(1),
      coin: () => 0.5,
      cache,
    };
    const proposal = await draft.propose(state, request);
    const expected = await wholeBlock(made, request.context);
    assertEquals(proposal.tokens.length, gamma);
    for (let place = 0; place < gamma; place++) {
      const wanted = probsOf(expected[place]);
      const worst = Math.max(...wanted.map((p, i) => Math.abs(p - proposal.probs[place][i])));
      assert(worst < 1e-5, `${known} tokens, place ${place}: ${worst}`);
      assert(proposal.probs[place][proposal.tokens[place]] > 0);
    }
    // Rejected rows have been in the target's cache, as a verified block's are.
    cache = (await target.forward(cache, [...text.slice(known - 1, known), 7, 7, 7], 0)).cache;
    cache = target.truncate(cache, known);
    state = draft.commit(proposal.state, known);
  }
  const left = device.counters().liveSlots;
  target.close(cache);
  draft.close(state);
  assert(device.counters().liveSlots < left);
  device.close();
});

Deno.test("greedy text with a block drafter is greedy text, however long the block", async () => {
  const { target, draft, device } = world();
  const warp = temperature(0);
  for (const seed of [1, 2, 3]) {
    const prompt = tokensOf(seed, 5 + seed);
    const key = keyOf(seed);
    const plain = await generate(limit(autoregressive({ target, warp }), 40), prompt, { key });
    for (const gamma of [1, 2, 4, 7]) {
      const decoder = speculative({ target, draft, verify: verifyToken, warp, gamma });
      const { tokens, reports } = await generate(limit(decoder, 40), prompt, { key });
      assertEquals(tokens, plain.tokens, `seed ${seed}, gamma ${gamma}`);
      assert(reports.every(({ drafted }) => drafted <= Math.min(gamma, CONFIG.block)));
    }
  }
  device.close();
});

Deno.test("a drafter sees through a target that remembers its last text", async () => {
  const { target, draft, device } = world();
  const warp = temperature(0);
  const before = device.counters().liveSlots;
  const remembering = rememberPrefix(target);
  const through = draftThrough(draft, ({ inner }: PrefixCache<LlamaCache>) => inner);
  let text = tokensOf(4, 9);
  for (let turn = 0; turn < 4; turn++) {
    const key = keyOf(turn);
    const rules = { verify: verifyToken, warp, gamma: 4 };
    const fresh = limit(speculative({ ...rules, target, draft }), 20);
    const warm = limit(speculative({ ...rules, target: remembering, draft: through }), 20);
    const [expected, found] = [
      await generate(fresh, text, { key }),
      await generate(warm, text, { key }),
    ];
    assertEquals(found.tokens, expected.tokens, `turn ${turn}`);
    // The very same tokens are drafted: what the target knows of the text is all there.
    const accepted = (reports: typeof found.reports) => reports.map((report) => report.accepted);
    assertEquals(accepted(found.reports), accepted(expected.reports));
    text = [...text, ...found.tokens, ...tokensOf(turn, 5)];
  }
  remembering.forget();
  assertEquals(device.counters().liveSlots, before);
  device.close();
});

Deno.test("nothing of a block drafter stays on the device", async () => {
  const { target, draft, device } = world();
  const decoder = speculative({
    target,
    draft,
    verify: verifyToken,
    warp: temperature(1),
    gamma: 3,
  });
  const before = device.counters().liveSlots;
  await generate(limit(decoder, 30), tokensOf(2, 270), { key: keyOf(2) });
  assertEquals(device.counters().liveSlots, before);
  device.close();
});

Deno.test("a target that keeps no features is told what to do", async () => {
  const { target, draft, device } = world("nothing");
  const decoder = speculative({
    target,
    draft,
    verify: verifyToken,
    warp: temperature(0),
    gamma: 3,
  });
  const before = device.counters().liveSlots;
  await assertRejects(
    () => generate(limit(decoder, 4), [1, 2, 3], { key: keyOf(1) }),
    OutriderError,
    "the drafter's taps",
  );
  assertEquals(device.counters().liveSlots, before);
  device.close();
});
