/** The PEARL decoder: its texts, its caches, its ends, and what it does at the same time. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { keyOf } from "../../../src/core/random.ts";
import {
  acceptProbability,
  autoregressive,
  balancedLength,
  chainWarps,
  coinsOf,
  type Decoder,
  draftModel,
  draftNone,
  draftPromptLookup,
  type FunctionCache,
  functionModel,
  generate,
  type LanguageModel,
  limit,
  logitsOf,
  pearl,
  probabilities,
  repetitionPenalty,
  residual,
  sample,
  softmax,
  stream,
  temperature,
  type TokenId,
  topP,
  untilToken,
  type Warp,
} from "../../../src/decode/mod.ts";
import { trimmedVocabulary } from "../../../src/nn/mod.ts";
import { jointProbability, sequences } from "../enumeration.ts";
import {
  counted,
  hashLogits,
  hashModel,
  nearModel,
  tiedLogits,
  trimmedModel,
} from "../mock_models.ts";

const gammas = [0, 1, 2, 3, 4, 5, 8];
const key = keyOf(1);

async function textOf<State>(decoder: Decoder<State>, seed: number, most = 24): Promise<number[]> {
  const { tokens } = await generate(limit(decoder, most), [seed % 3, 1, 0], { key: keyOf(seed) });
  return [...tokens];
}

async function compareAll(seed: number, warp: Warp): Promise<number> {
  const vocabulary = 3 + seed % 6;
  const logits = seed % 2 ? tiedLogits(seed, vocabulary) : hashLogits(seed, vocabulary);
  const target = counted(functionModel({ vocabulary, contextLength: 40, logits }));
  const near = counted(nearModel(seed + 1000, logits, vocabulary, seed % 5 ? 40 : 12));
  const plain = await textOf(autoregressive({ target, warp }), seed);
  let accepted = 0;
  const common = { target, warp };
  for (const gamma of gammas) {
    const byModel = pearl({ ...common, draft: draftModel(near), gamma });
    const run = await generate(limit(byModel, 24), [seed % 3, 1, 0], { key: keyOf(seed) });
    assertEquals(run.tokens, plain, `draft model, seed ${seed}, gamma ${gamma}`);
    accepted += run.reports.reduce((sum, report) => sum + report.accepted, 0);
    const byLookup = pearl({ ...common, draft: draftPromptLookup(), gamma });
    assertEquals(await textOf(byLookup, seed), plain, `lookup, seed ${seed}`);
    const byNone = pearl({ ...common, draft: draftNone(), gamma });
    assertEquals(await textOf(byNone, seed), plain, `no draft, seed ${seed}`);
  }
  const byRule = pearl({ ...common, draft: draftModel(near), gamma: balancedLength() });
  assertEquals(await textOf(byRule, seed), plain);
  assertEquals([target.alive(), near.alive()], [0, 0]);
  return accepted;
}

Deno.test("greedy PEARL text equals greedy text for 60 models, all gammas, every draft", async () => {
  let accepted = 0;
  for (let seed = 0; seed < 60; seed++) accepted += await compareAll(seed, temperature(0));
  assert(accepted > 3000, `only ${accepted} drafted tokens were ever accepted`);
});

Deno.test("greedy PEARL text with a repetition penalty stays equal as well", async () => {
  const warp = chainWarps(repetitionPenalty(1.4, 5), temperature(0));
  for (let seed = 300; seed < 320; seed++) await compareAll(seed, warp);
});

Deno.test("a trimmed draft leaves greedy PEARL text as it is", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const logits = hashLogits(seed, 6);
    const target = functionModel({ vocabulary: 6, contextLength: 40, logits });
    const trimmed = trimmedVocabulary([1, 2, 5], 6);
    const near = counted(trimmedModel(logits, trimmed));
    const warp = temperature(0);
    const draft = draftModel(near, { vocabulary: trimmed });
    const plain = await textOf(autoregressive({ target, warp }), seed);
    assertEquals(await textOf(pearl({ target, draft, warp, gamma: 3 }), seed), plain);
    assertEquals(near.alive(), 0);
  }
});

/** The text of a key by definition: every position by itself, with the coins of the position. */
function textByPosition(
  target: (prefix: readonly TokenId[]) => Float32Array,
  draft: (prefix: readonly TokenId[]) => Float32Array,
  warp: Warp,
  prompt: readonly TokenId[],
  { length, seed, draftContext }: {
    readonly length: number;
    readonly seed: number;
    readonly draftContext: number;
  },
): number[] {
  const coins = coinsOf(keyOf(seed));
  const text = [...prompt];
  while (text.length < length) {
    const at = text.length;
    const q = probabilities(warp, logitsOf(target(text)), text);
    if (at > draftContext) {
      text.push(sample(q, coins.sample(at)));
      continue;
    }
    const p = probabilities(warp, logitsOf(draft(text)), text);
    const token = sample(p, coins.draft(at, at));
    const stands = coins.accept(at, at) < acceptProbability(q, p, token);
    text.push(stands ? token : sample(residual(q, p), coins.sample(at)));
  }
  return text.slice(prompt.length);
}

Deno.test("a sampled text is decided position by position, whatever gamma is and however it changes", async () => {
  const warps = [temperature(1), topP(0.8), chainWarps(repetitionPenalty(1.3), temperature(0.7))];
  for (let seed = 0; seed < 30; seed++) {
    const warp = warps[seed % warps.length];
    const logits = hashLogits(seed, 5);
    const aside = hashLogits(seed + 500, 5, 0.8);
    const near = (prefix: readonly TokenId[]) =>
      logits(prefix).map((value, i) => value + aside(prefix)[i]);
    const draftContext = seed % 4 ? 30 : 9;
    const target = functionModel({ vocabulary: 5, contextLength: 29, logits });
    const model = functionModel({ vocabulary: 5, contextLength: draftContext, logits: near });
    const options = { length: 30, seed, draftContext };
    const expected = textByPosition(logits, near, warp, [1, 2], options);
    let ticks = 0;
    const now = () => ticks += 1 + (ticks * 7919) % 5;
    const common = { target, draft: draftModel(model), warp, now };
    const decoders = [1, 2, 3, 5, 8].map((gamma) => pearl({ ...common, gamma }));
    for (const decoder of decoders) {
      const { tokens, finish } = await generate(decoder, [1, 2], { key: keyOf(seed) });
      assertEquals([tokens, finish], [expected, "context"]);
    }
    const byClock = pearl({ ...common, gamma: balancedLength({ first: 2 }) });
    assertEquals((await generate(byClock, [1, 2], { key: keyOf(seed) })).tokens, expected);
  }
});

Deno.test("PEARL texts of many keys have the target's frequencies", async () => {
  const [vocabulary, length, texts] = [3, 3, 5000];
  const options = { vocabulary, contextLength: 16 };
  const logits = hashLogits(1, vocabulary);
  const target = functionModel({ ...options, logits });
  const draft = draftModel(functionModel({ ...options, logits: hashLogits(2, vocabulary) }));
  const decoder = limit(pearl({ target, draft, warp: chainWarps(), gamma: 2 }), length);
  const counts = new Map<string, number>();
  for (let seed = 0; seed < texts; seed++) {
    const { tokens } = await generate(decoder, [0], { key: keyOf(seed) });
    counts.set(tokens.join(" "), (counts.get(tokens.join(" ")) ?? 0) + 1);
  }
  const distribution = (text: readonly TokenId[]) => softmax(logitsOf(logits(text)));
  const chiSquare = sequences(vocabulary, length).reduce((sum, tokens) => {
    const expected = texts * jointProbability(distribution, [0], tokens);
    return sum + ((counts.get(tokens.join(" ")) ?? 0) - expected) ** 2 / expected;
  }, 0);
  const degrees = vocabulary ** length - 1;
  assert(chiSquare < degrees + 5 * Math.sqrt(2 * degrees), `chi-square ${chiSquare}`);
});

Deno.test("a target that drafts for itself writes gamma tokens per step, and none is rejected", async () => {
  const target = functionModel({ vocabulary: 5, contextLength: 60, logits: hashLogits(3, 5) });
  for (const warp of [temperature(0), temperature(0.8), chainWarps()]) {
    const decoder = pearl({ target, draft: draftModel(target), warp, gamma: 4 });
    const { reports } = await generate(decoder, [1, 2], { key });
    assertEquals(reports.map(({ emitted }) => emitted), [1, ...Array(14).fill(4), 2]);
    for (const report of reports) assertEquals(report.accepted, report.drafted);
  }
});

Deno.test("stop tokens, limits and streams end PEARL as they end plain decoding", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const logits = hashLogits(seed, 4);
    const target = counted(functionModel({ vocabulary: 4, contextLength: 40, logits }));
    const near = counted(nearModel(seed + 50, logits, 4));
    const warp = temperature(0);
    const decoder = pearl({ target, draft: draftModel(near), warp, gamma: 3 });
    const plain = autoregressive({ target, warp });
    for (const stop of [0, 1, 2, 3]) {
      const found = await generate(limit(untilToken(decoder, [stop]), 15), [1, 2], { key });
      const expected = await generate(limit(untilToken(plain, [stop]), 15), [1, 2], { key });
      assertEquals([found.tokens, found.finish], [expected.tokens, expected.finish]);
    }
    for await (const _ of stream(decoder, [1, 2], { key })) break;
    assertEquals([target.alive(), near.alive()], [0, 0]);
  }
});

Deno.test("PEARL fills a context to its last row, and a step beyond it is an error", async () => {
  for (const promptLength of [1, 2, 7, 10]) {
    for (const gamma of gammas) {
      for (const draftContext of [3, 10, 64]) {
        const [target, model] = [
          counted(hashModel(2, 4, 10)),
          counted(hashModel(9, 4, draftContext)),
        ];
        const draft = draftModel(model);
        const decoder = pearl({ target, draft, warp: temperature(0.9), gamma });
        let state = await decoder.init(Array(promptLength).fill(1), key);
        for (let left = 11 - promptLength; left > 0;) {
          const step = await decoder.step(state);
          state = step.state;
          left -= step.tokens.length;
          assertEquals(step.finish, left === 0 ? "context" : undefined);
          assertEquals(target.lengthOf(state.cache), state.text.length - 1);
        }
        await assertRejects(() => decoder.step(state), Error, "at most 10 tokens");
        decoder.close(state);
        assertEquals([target.alive(), model.alive()], [0, 0]);
      }
    }
  }
});

Deno.test("the target never reads a token twice, and the draft only what it has not seen", async () => {
  const [target, model] = [counted(hashModel(8, 4, 60)), counted(hashModel(8, 4, 60))];
  const decoder = pearl({ target, draft: draftModel(model), warp: temperature(0.5), gamma: 3 });
  await generate(decoder, [1, 2, 3, 0], { key });
  assertEquals(target.passes.slice(0, 3), [3, 1, 3], "the rest of a block and the row behind it");
  assertEquals(new Set(model.passes.slice(1)), new Set([1]), "block follows block without a gap");
});

/** A model whose passes take a while and say when they begin and end. */
function delayed(
  model: LanguageModel<FunctionCache>,
  milliseconds: number,
  say: (what: string) => void,
): LanguageModel<FunctionCache> {
  return {
    ...model,
    forward: async (cache, tokens, wanted) => {
      say("begins");
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
      say("ends");
      return await model.forward(cache, tokens, wanted);
    },
    close: (cache) => {
      say("closes");
      model.close(cache);
    },
  };
}

Deno.test("a target's pass and the drafting of a block run at the same time", async () => {
  const said: string[] = [];
  const target = delayed(hashModel(7, 4, 20), 20, (what) => said.push(`target ${what}`));
  const model = delayed(hashModel(7, 4, 20), 1, (what) => said.push(`draft ${what}`));
  const decoder = pearl({ target, draft: draftModel(model), warp: temperature(0), gamma: 2 });
  const state = await decoder.init([1], key);
  const { state: next } = await decoder.step(state);
  assertEquals(said, [
    "target begins",
    ...["draft begins", "draft ends", "draft begins", "draft ends"],
    "target ends",
  ]);
  decoder.close(next);
});

Deno.test("a step's seconds add up to its time, and those of the target are what it was waited for", async () => {
  let ticks = 0;
  const now = () => ticks++;
  const target = hashModel(8, 4, 40);
  const draft = draftModel(hashModel(9, 4));
  const decoder = pearl({ target, draft, warp: temperature(0.9), gamma: 3, now });
  const state = await decoder.init([1, 2, 3], key);
  const begin = ticks;
  const { report } = await decoder.step(state);
  const { prefill, draft: drafting, target: waited, verify, host } = report.seconds;
  assertEquals([prefill > 0, waited, verify], [true, 1, 1]);
  assertEquals(drafting + waited + verify + host, ticks - 1 - begin);
});
