/** What PEARL leaves behind: caches with the bits of a fresh prefill, and nothing where a side fails. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../../src/core/errors.ts";
import { keyOf } from "../../../src/core/random.ts";
import {
  type Draft,
  draftModel,
  draftNone,
  type FunctionCache,
  generate,
  type LanguageModel,
  logitsOf,
  oneHot,
  pearl,
  temperature,
} from "../../../src/decode/mod.ts";
import { tinyLlama } from "../../../src/nn/mod.ts";
import { failingBackend } from "../failing_backend.ts";
import { counted, hashModel } from "../mock_models.ts";
import { openTiny, TINY, tokensOf } from "../tiny_llama.ts";

const key = keyOf(1);
const warp = temperature(0.9);

/** A model whose given pass is refused, while other passes take a turn of the event loop. */
function failing(
  model: LanguageModel<FunctionCache>,
  pass: number,
): LanguageModel<FunctionCache> {
  let [passes, inFlight] = [0, 0];
  return {
    ...model,
    forward: async (cache, tokens, wanted) => {
      if (++passes === pass) throw new Error("no power");
      inFlight++;
      await new Promise((resolve) => setTimeout(resolve));
      inFlight--;
      return await model.forward(cache, tokens, wanted);
    },
    close: (cache) => {
      assertEquals(inFlight, 0, "nothing is released under a pass");
      model.close(cache);
    },
  };
}

Deno.test("where one side fails the other is waited for, and both caches are released", async () => {
  for (let pass = 1; pass <= 7; pass++) {
    for (const side of ["target", "draft"]) {
      const [target, model] = [counted(hashModel(7, 4, 20)), counted(hashModel(7, 4, 20))];
      const never = 1000;
      const decoder = pearl({
        target: failing(target, side === "target" ? pass : never),
        draft: draftModel(failing(model, side === "draft" ? pass : never)),
        warp,
        gamma: 3,
      });
      await assertRejects(() => generate(decoder, [1, 2], { key }), Error, "no power");
      assertEquals([target.alive(), model.alive()], [0, 0]);
    }
  }
});

Deno.test("where both sides fail the target's error is told", async () => {
  const [target, model] = [counted(hashModel(7, 4, 20)), counted(hashModel(8, 4, 20))];
  const broken = (name: string) => ({ forward: () => Promise.reject(new Error(name)) });
  const decoder = pearl({
    target: { ...target, ...broken("of the target") },
    draft: draftModel({ ...model, ...broken("of the draft") }),
    warp,
    gamma: 3,
  });
  await assertRejects(() => generate(decoder, [1, 2], { key }), Error, "of the target");
  assertEquals([target.alive(), model.alive()], [0, 0]);
});

Deno.test("bad prompts, rows, drafts and lengths are refused, and nothing stays open", async () => {
  const target = counted(hashModel(7, 4, 10));
  const lie = (tokens: number[], probs = tokens.map(() => oneHot(4, 0))): Draft<null> => ({
    ...draftNone(),
    propose: () => Promise.resolve({ state: null, tokens, probs }),
  });
  const decoderOf = (draft: Draft<null>) => pearl({ target, draft, warp, gamma: 2 });
  for (const prompt of [[], Array(11).fill(0), [0, 4], [0, NaN]]) {
    await assertRejects(() => decoderOf(draftNone()).init(prompt, key), OutriderError, "prompt");
  }
  for (const draft of [lie([1]), lie([9]), lie([0], []), lie([0], [oneHot(3, 0)])]) {
    await assertRejects(
      () => generate(decoderOf(draft), [1], { key }),
      OutriderError,
      "correct the drafter",
    );
  }
  const short = {
    ...target,
    forward: async (cache: FunctionCache, tokens: readonly number[], wanted: number) => {
      const passed = await target.forward(cache, tokens, wanted);
      return { cache: passed.cache, logits: [logitsOf([1, 2])] };
    },
  };
  const decoder = pearl({ target: short, draft: draftNone(), warp, gamma: 2 });
  await assertRejects(() => generate(decoder, [1, 2], { key }), OutriderError, "logits rows of 4");
  for (const gamma of [-1, 1.5, NaN]) {
    await assertRejects(
      () => Promise.resolve().then(() => pearl({ target, draft: draftNone(), warp, gamma })),
      OutriderError,
      "a gamma of 0 or more",
    );
  }
  assertEquals(target.alive(), 0);
});

Deno.test("a step of a state that was stepped or closed already is an error", async () => {
  const [target, model] = [counted(hashModel(4, 4, 10)), counted(hashModel(5, 4, 10))];
  const decoder = pearl({ target, draft: draftModel(model), warp, gamma: 2 });
  const first = await decoder.init([1, 2], key);
  const { state } = await decoder.step(first);
  await assertRejects(() => decoder.step(first), OutriderError, "already taken by step");
  decoder.close(first);
  assertEquals([target.alive(), model.alive()], [1, 1]);
  decoder.close(state);
  decoder.close(state);
  await assertRejects(() => decoder.step(state), OutriderError, "already taken by close");
  assertEquals([target.alive(), model.alive()], [0, 0]);
});

const DRAFT = tinyLlama({ ...TINY, layers: 1, contextLength: 60 });

Deno.test("both caches have the bits of a fresh prefill after every step", async () => {
  const [target, drafter] = [openTiny({ firstSlots: 4 }), openTiny({ seed: 9, config: DRAFT })];
  const model = drafter.model;
  for (const gamma of [1, 3, 6]) {
    const decoder = pearl({
      target: target.model,
      draft: draftModel(model),
      warp: temperature(1),
      gamma,
    });
    let state = await decoder.init(tokensOf(gamma, 5), keyOf(gamma));
    let rejections = 0;
    while (state.text.length < 45) {
      const { state: next, report } = await decoder.step(state);
      rejections += report.accepted < report.emitted ? 1 : 0;
      state = next;
      const seen = [...state.text, ...state.pending.map(({ token }) => token)];
      const probe = [7, 11];
      // The caches as they are, beside those of models that read the same tokens in one go.
      const cached = { target: state.text.slice(0, -1), draft: seen.slice(0, -1) };
      assertEquals(target.model.lengthOf(state.cache), cached.target.length);
      assert(model.lengthOf(state.draft.cache) <= cached.draft.length);
      const targetPass = await target.model.forward(state.cache, probe, 2);
      const fresh = await target.model.forward(
        target.model.open(),
        [...cached.target, ...probe],
        2,
      );
      assertEquals(targetPass.logits, fresh.logits);
      target.model.close(fresh.cache);
      const rows = model.lengthOf(state.draft.cache);
      const draftPass = await model.forward(state.draft.cache, probe, 2);
      const freshDraft = await model.forward(model.open(), [...seen.slice(0, rows), ...probe], 2);
      assertEquals(draftPass.logits, freshDraft.logits);
      model.close(freshDraft.cache);
      state = {
        ...state,
        cache: target.model.truncate(targetPass.cache, cached.target.length),
        draft: { cache: model.truncate(draftPass.cache, rows) },
      };
    }
    assert(rejections > 2, "both caches were rolled back");
    decoder.close(state);
  }
  assertEquals(target.device.counters().liveSlots, target.parameterSlots);
  assertEquals(drafter.device.counters().liveSlots, drafter.parameterSlots);
  target.device.close();
  drafter.device.close();
});

Deno.test("memory that runs out on either device leaves none of it behind", async () => {
  for (const side of ["target", "draft"]) {
    const backend = failingBackend();
    const target = openTiny({ firstSlots: 4, backend: side === "target" ? backend : undefined });
    const drafter = openTiny({
      firstSlots: 4,
      seed: 9,
      config: DRAFT,
      backend: side === "draft" ? backend : undefined,
    });
    const draft = draftModel(drafter.model);
    const decoder = pearl({ target: target.model, draft, warp: temperature(1), gamma: 3 });
    let refused = 0;
    for (let allocations = 0; allocations < 60; allocations += 7) {
      backend.failAfter(allocations);
      try {
        const state = await decoder.init(tokensOf(1, 3), key);
        decoder.close((await decoder.step((await decoder.step(state)).state)).state);
      } catch (error) {
        assert(error instanceof OutriderError, String(error));
        refused++;
      }
      backend.failAfter(Infinity);
      assertEquals(target.device.counters().liveSlots, target.parameterSlots, side);
      assertEquals(drafter.device.counters().liveSlots, drafter.parameterSlots, side);
    }
    assert(refused > 2, `only ${refused} runs were refused`);
    target.device.close();
    drafter.device.close();
  }
});
