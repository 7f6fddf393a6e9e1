/** A drafter that is there and not asked: steps are those of plain decoding. */
import { assert, assertEquals } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  automaticLength,
  autoregressive,
  type DraftLength,
  draftModel,
  draftPromptLookup,
  functionModel,
  generate,
  limit,
  lookUp,
  speculative,
  temperature,
  verifyBlock,
} from "../../src/decode/mod.ts";
import { counted, hashLogits, hashModel, nearModel, tiedLogits } from "./mock_models.ts";

const GREEDY = temperature(0);

/** A rule that never drafts, and does not say so. */
const NEVER: DraftLength<null> = { init: () => null, gamma: () => 0, step: () => null };

Deno.test("an idle drafter's guesses are compared with the tokens that come", async () => {
  const prompt = [0, 1, 2];
  const target = functionModel({ vocabulary: 5, contextLength: 64, logits: tiedLogits(3, 5, 1) });
  const draft = draftPromptLookup();
  const decoder = speculative({
    target,
    draft,
    verify: verifyBlock,
    warp: temperature(1),
    gamma: NEVER,
  });
  const { tokens, reports } = await generate(limit(decoder, 50), prompt, { key: keyOf(4) });
  const guesses = tokens.map((_, i) => lookUp([...prompt, ...tokens.slice(0, i)], 1, 3, 1)[0]);
  const right = guesses.map((guess, i) => guess === undefined ? undefined : guess === tokens[i]);
  assertEquals(reports.map(({ guessed }) => guessed), right);
  assert(right.includes(true) && right.includes(false) && right.includes(undefined));
});

Deno.test("without a draft the passes and reports are those of plain decoding", async () => {
  const now = () => 0;
  const [ours, theirs] = [counted(hashModel(1, 6)), counted(hashModel(1, 6))];
  const draft = draftModel(hashModel(2, 6));
  const idle = speculative({
    target: ours,
    draft,
    verify: verifyBlock,
    warp: GREEDY,
    gamma: NEVER,
    now,
  });
  const plain = autoregressive({ target: theirs, warp: GREEDY, now });
  const options = { key: keyOf(1) };
  const waited = await generate(limit(idle, 20), [1, 2, 3], options);
  assertEquals(waited, await generate(limit(plain, 20), [1, 2, 3], options));
  assertEquals(ours.passes, theirs.passes);
});

Deno.test("a draft that can never pay reads nothing, prompt included", async () => {
  const model = counted(hashModel(2, 6));
  for (const [gamma, passes] of [[automaticLength({ draftCost: 2 }), 0], [NEVER, 1]] as const) {
    const target = hashModel(1, 6);
    const parts = { target, draft: draftModel(model), verify: verifyBlock, warp: GREEDY };
    const decoder = limit(speculative({ ...parts, gamma }), 10);
    model.passes.length = 0;
    await generate(decoder, [1, 2, 3, 4], { key: keyOf(1) });
    assertEquals([model.passes.length, model.alive()], [passes, 0]);
  }
});

Deno.test("lengths that follow a clock, however it goes, change no greedy token", async () => {
  const logits = hashLogits(1, 6);
  const target = functionModel({ vocabulary: 6, contextLength: 200, logits });
  const plain = limit(autoregressive({ target, warp: GREEDY }), 150);
  const { tokens } = await generate(plain, [1, 2], { key: keyOf(1) });
  const lengths = new Set<number>();
  for (const seed of [1, 2, 3, 4, 5]) {
    let calls = 0;
    const now = () => (calls += 1 + (calls * seed) % 7) * 1e-3;
    const draft = draftModel(nearModel(3, logits, 6, 200));
    const gamma = automaticLength({ draftCost: 0.05, catchUpCost: 0.001 });
    const decoder = speculative({ target, draft, verify: verifyBlock, warp: GREEDY, gamma, now });
    const written = await generate(limit(decoder, 150), [1, 2], { key: keyOf(seed) });
    assertEquals(written.tokens, tokens);
    written.reports.forEach(({ drafted }) => lengths.add(drafted));
  }
  assert(lengths.size > 2, "lengths were chosen");
});
