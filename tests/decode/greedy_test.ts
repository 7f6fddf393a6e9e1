/** Greedy speculative text is greedy text, whatever drafts and however far. */
import { assert, assertEquals } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  automaticLength,
  autoregressive,
  chainWarps,
  type Decoder,
  draftModel,
  draftNone,
  draftPromptLookup,
  functionModel,
  generate,
  limit,
  repetitionPenalty,
  speculative,
  temperature,
  verifyBlock,
  verifyToken,
  type Warp,
} from "../../src/decode/mod.ts";
import { trimmedVocabulary } from "../../src/nn/mod.ts";
import { counted, hashLogits, nearModel, tiedLogits, trimmedModel } from "./mock_models.ts";

const gammas = [1, 2, 3, 4, 5, 6, 7, 8];

async function greedyTokens<State>(decoder: Decoder<State>, seed: number): Promise<number[]> {
  const prompt = [seed % 3, 1, 0];
  const { tokens } = await generate(limit(decoder, 24), prompt, { key: keyOf(seed) });
  return [...tokens];
}

async function compareAll(seed: number, warp: Warp): Promise<number> {
  const vocabulary = 3 + seed % 6;
  const logits = seed % 2 ? tiedLogits(seed, vocabulary) : hashLogits(seed, vocabulary);
  const target = counted(functionModel({ vocabulary, contextLength: 40, logits }));
  const near = counted(nearModel(seed + 1000, logits, vocabulary, seed % 5 ? 40 : 12));
  const plain = await greedyTokens(autoregressive({ target, warp }), seed);
  let accepted = 0;
  for (const gamma of gammas) {
    for (const verify of [verifyToken, verifyBlock]) {
      const common = { target, verify, warp, gamma };
      const byModel = speculative({ ...common, draft: draftModel(near) });
      const run = await generate(limit(byModel, 24), [seed % 3, 1, 0], { key: keyOf(seed) });
      assertEquals(run.tokens, plain, `draft model, seed ${seed}, gamma ${gamma}`);
      accepted += run.reports.reduce((sum, report) => sum + report.accepted, 0);
      const byLookup = speculative({ ...common, draft: draftPromptLookup() });
      assertEquals(await greedyTokens(byLookup, seed), plain, `lookup, seed ${seed}`);
      const byNone = speculative({ ...common, draft: draftNone() });
      assertEquals(await greedyTokens(byNone, seed), plain, `no draft, seed ${seed}`);
    }
  }
  const byRule = { target, verify: verifyToken, warp, gamma: automaticLength({ draftCost: 0.3 }) };
  assertEquals(
    await greedyTokens(speculative({ ...byRule, draft: draftModel(near) }), seed),
    plain,
  );
  assertEquals([target.alive(), near.alive()], [0, 0]);
  return accepted;
}

Deno.test("greedy speculative text equals greedy text for 240 models, gammas 1 to 8, every draft", async () => {
  let accepted = 0;
  for (let seed = 0; seed < 240; seed++) accepted += await compareAll(seed, temperature(0));
  assert(accepted > 10_000, `only ${accepted} drafted tokens were ever accepted`);
});

Deno.test("a trimmed draft leaves greedy text as it is, with and without a repetition penalty", async () => {
  const penalised = chainWarps(repetitionPenalty(1.4, 5), temperature(0));
  let accepted = 0;
  for (let seed = 0; seed < 40; seed++) {
    const warp = seed % 2 ? temperature(0) : penalised;
    const logits = hashLogits(seed, 6);
    const target = functionModel({ vocabulary: 6, contextLength: 40, logits });
    const trimmed = trimmedVocabulary([1, 2, 5], 6);
    const near = counted(trimmedModel(logits, trimmed));
    const draft = draftModel(near, { vocabulary: trimmed });
    const plain = await greedyTokens(autoregressive({ target, warp }), seed);
    for (const gamma of [1, 4]) {
      const decoder = limit(speculative({ target, draft, verify: verifyBlock, warp, gamma }), 24);
      const run = await generate(decoder, [seed % 3, 1, 0], { key: keyOf(seed) });
      assertEquals(run.tokens, plain);
      accepted += run.reports.reduce((sum, report) => sum + report.accepted, 0);
    }
    assertEquals(near.alive(), 0);
  }
  assert(accepted > 200, `only ${accepted} drafted tokens were ever accepted`);
});

Deno.test("greedy text with a repetition penalty stays equal as well", async () => {
  const warp = chainWarps(repetitionPenalty(1.4, 5), temperature(0));
  for (let seed = 300; seed < 330; seed++) await compareAll(seed, warp);
});

Deno.test("a target that drafts for itself has every token accepted, greedy or sampled", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const logits = hashLogits(seed, 5);
    const target = functionModel({ vocabulary: 5, contextLength: 60, logits });
    for (const warp of [temperature(0), temperature(0.8), chainWarps(), repetitionPenalty(2)]) {
      for (const verify of [verifyToken, verifyBlock]) {
        const decoder = speculative({ target, draft: draftModel(target), verify, warp, gamma: 4 });
        const { reports } = await generate(decoder, [1, 2], { key: keyOf(seed) });
        for (const report of reports) assertEquals(report.accepted, report.drafted);
      }
    }
  }
});

Deno.test("sampled speculation without a draft draws the same tokens as plain sampling", async () => {
  for (let seed = 0; seed < 30; seed++) {
    const target = functionModel({ vocabulary: 6, contextLength: 50, logits: hashLogits(seed, 6) });
    const warp = temperature(0.9);
    const plain = await greedyTokens(autoregressive({ target, warp }), seed);
    const options = { target, draft: draftNone(), verify: verifyBlock, warp, gamma: 5 };
    assertEquals(await greedyTokens(speculative(options), seed), plain);
  }
});
