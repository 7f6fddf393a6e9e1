/** Decoders at the borders of the context, with bad input, and after errors. */
import { assertEquals, assertRejects } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  autoregressive,
  chainWarps,
  type Coins,
  type Decoder,
  type Draft,
  draftModel,
  draftNone,
  draftPromptLookup,
  type FunctionCache,
  functionModel,
  generate,
  type LanguageModel,
  logitsOf,
  oneHot,
  speculative,
  temperature,
  verifyToken,
  type Warp,
} from "../../src/decode/mod.ts";
import { counted, hashLogits, hashModel } from "./mock_models.ts";

const warp = temperature(0.9);
const key = keyOf(1);

/** Runs a check on every kind of decoder over one target. */
async function forEachDecoder(
  target: LanguageModel<FunctionCache>,
  check: <State>(decoder: Decoder<State>, name: string) => Promise<void>,
): Promise<void> {
  const common = { target, verify: verifyToken, warp, gamma: 4 };
  await check(autoregressive({ target, warp }), "autoregressive");
  await check(speculative({ ...common, draft: draftModel(hashModel(9, 4, 10)) }), "draft model");
  await check(speculative({ ...common, draft: draftPromptLookup() }), "prompt lookup");
  await check(speculative({ ...common, draft: draftNone() }), "no draft");
}

Deno.test("every decoder fills the context to its last row and then ends", async () => {
  for (const promptLength of [1, 2, 7, 10]) {
    const target = counted(hashModel(2, 4, 10));
    await forEachDecoder(target, async (decoder, name) => {
      const { tokens, finish } = await generate(decoder, Array(promptLength).fill(1), { key });
      assertEquals([tokens.length, finish], [10 - promptLength + 1, "context"], name);
      assertEquals(target.alive(), 0);
    });
  }
});

Deno.test("an empty, too long or foreign prompt is refused before any cache is opened", async () => {
  const target = counted(hashModel(3, 4, 10));
  await forEachDecoder(target, async (decoder) => {
    await assertRejects(() => decoder.init([], key), Error, "at least one token");
    await assertRejects(() => decoder.init(Array(11).fill(0), key), Error, "at most 10 tokens");
    for (const foreign of [4, -1, 0.5, NaN]) {
      await assertRejects(() => decoder.init([0, foreign], key), Error, `${foreign} at place 1`);
    }
    assertEquals(target.alive(), 0);
  });
});

Deno.test("a step after close, or of a state that was stepped already, is an error", async () => {
  const target = counted(hashModel(4, 4, 10));
  await forEachDecoder(target, async (decoder) => {
    const first = await decoder.init([1, 2], key);
    const { state } = await decoder.step(first);
    await assertRejects(() => decoder.step(first), Error, "already taken by step");
    decoder.close(first);
    assertEquals(target.alive(), 1, "closing a spent state leaves its successor alone");
    decoder.close(state);
    decoder.close(state);
    await assertRejects(() => decoder.step(state), Error, "already taken by close");
    assertEquals(target.alive(), 0);
  });
});

Deno.test("a step beyond a full context is an error, and the state can still be closed", async () => {
  const target = counted(hashModel(4, 4, 2));
  await forEachDecoder(target, async (decoder) => {
    const { state, finish } = await decoder.step(await decoder.init([1, 2], key));
    assertEquals(finish, "context");
    await assertRejects(() => decoder.step(state), Error, "at most 2 tokens");
    decoder.close(state);
    assertEquals(target.alive(), 0);
  });
});

Deno.test("a damaged row in the target ends the text with one clear error and no live cache", async () => {
  for (
    const [damage, message] of [[NaN, "NaN for token 1"], [-Infinity, "-Infinity for all"]] as const
  ) {
    const logits = hashLogits(5, 4);
    const target = counted(functionModel({
      vocabulary: 4,
      contextLength: 20,
      logits: (prefix) =>
        prefix.length < 5
          ? logits(prefix)
          : [damage, damage, damage, damage].map((value, i) =>
            i === 1 || damage === -Infinity ? value : 0
          ),
    }));
    await forEachDecoder(target, async (decoder) => {
      const error = await assertRejects(
        () => generate(decoder, [1, 2, 3], { key }),
        Error,
        message,
      );
      assertEquals(error.message.includes("for position 5"), true, error.message);
      assertEquals(target.alive(), 0);
    });
  }
});

Deno.test("a damaged row in the draft releases both caches", async () => {
  const target = counted(hashModel(6, 4, 20));
  const broken = counted(
    functionModel({
      vocabulary: 4,
      contextLength: 20,
      logits: (prefix) => prefix.length < 5 ? [0, 0, 0, 0] : [0, NaN, 0, 0],
    }),
  );
  const decoder = speculative({
    target,
    draft: draftModel(broken),
    verify: verifyToken,
    warp,
    gamma: 4,
  });
  await assertRejects(() => generate(decoder, [1, 2, 3], { key }), Error, "NaN for token 1");
  assertEquals([target.alive(), broken.alive()], [0, 0]);
});

Deno.test("a model that fails in a pass leaves no live cache", async () => {
  const failing = (
    model: LanguageModel<FunctionCache>,
    pass: number,
  ): LanguageModel<FunctionCache> => {
    let passes = 0;
    return {
      ...model,
      forward: (cache, tokens, wanted) =>
        ++passes === pass
          ? Promise.reject(new Error("no power"))
          : model.forward(cache, tokens, wanted),
    };
  };
  for (let pass = 1; pass <= 4; pass++) {
    const [target, draft] = [counted(hashModel(7, 4, 20)), counted(hashModel(8, 4, 20))];
    const options = { verify: verifyToken, warp, gamma: 3 };
    const targetFails = speculative({
      ...options,
      target: failing(target, pass),
      draft: draftModel(draft),
    });
    await assertRejects(() => generate(targetFails, [1, 2], { key }), Error, "no power");
    const draftFails = speculative({ ...options, target, draft: draftModel(failing(draft, pass)) });
    await assertRejects(() => generate(draftFails, [1, 2], { key }), Error, "no power");
    assertEquals([target.alive(), draft.alive()], [0, 0]);
  }
});

Deno.test("a model that gives the wrong rows is named as the culprit", async () => {
  const model = hashModel(7, 4, 20);
  const target = counted({
    ...model,
    forward: async (cache: FunctionCache, tokens: readonly number[], wanted: number) => {
      const { cache: next } = await model.forward(cache, tokens, wanted);
      return { cache: next, logits: [logitsOf([1, 2])] };
    },
  });
  await forEachDecoder(target, async (decoder) => {
    await assertRejects(() => generate(decoder, [1, 2], { key }), Error, "logits rows of 4");
    assertEquals(target.alive(), 0);
  });
});

Deno.test("a drafter that cannot have drawn its tokens is refused", async () => {
  const target = counted(hashModel(7, 4, 20));
  const lie = (tokens: number[], probs = tokens.map(() => oneHot(4, 0))): Draft<null> => ({
    ...draftNone(),
    propose: () => Promise.resolve({ state: null, tokens, probs }),
  });
  for (const draft of [lie([1]), lie([9]), lie([0], []), lie([0], [oneHot(3, 0)])]) {
    const decoder = speculative({ target, draft, verify: verifyToken, warp, gamma: 2 });
    await assertRejects(() => generate(decoder, [1], { key }), Error, "correct the drafter");
  }
  assertEquals(target.alive(), 0);
});

Deno.test("a gamma that is no whole number from 0 on is refused", async () => {
  for (const gamma of [-1, 1.5, NaN]) {
    const options = {
      target: hashModel(7, 4),
      draft: draftNone(),
      verify: verifyToken,
      warp,
      gamma,
    };
    await assertRejects(
      () => Promise.resolve().then(() => speculative(options)),
      Error,
      "a gamma of 0 or more",
    );
  }
});

Deno.test("a speculative pass feeds the last token and the drafts, and never a token twice", async () => {
  const target = counted(hashModel(8, 4, 40));
  const decoder = speculative({
    target,
    draft: draftModel(hashModel(9, 4)),
    verify: verifyToken,
    warp,
    gamma: 3,
  });
  const { reports } = await generate(decoder, [1, 2, 3, 0], { key });
  assertEquals(target.passes, [3, ...reports.map(({ drafted }) => drafted + 1)]);
});

Deno.test("a report's seconds add up to the time of the step by the given clock", async () => {
  let ticks = 0;
  const now = () => ticks++;
  const target = hashModel(8, 4, 40);
  const options = {
    target,
    draft: draftModel(hashModel(9, 4)),
    verify: verifyToken,
    warp,
    gamma: 3,
  };
  const decoder = speculative({ ...options, now });
  const state = await decoder.init([1, 2, 3], key);
  const begin = ticks;
  const { report } = await decoder.step(state);
  const { prefill, draft, target: passes, verify, host } = report.seconds;
  assertEquals([prefill > 0, passes, verify], [true, 1, 1]);
  assertEquals(draft + passes + verify + host, ticks - 1 - begin);
});

Deno.test("the token that ends a block is drawn by the coin of its absolute position", async () => {
  const target = functionModel({ vocabulary: 4, contextLength: 20, logits: () => [0, 0, 0, 0] });
  const draft: Draft<null> = {
    ...draftNone(),
    propose: (state) =>
      Promise.resolve({ state, tokens: [0, 0], probs: [oneHot(4, 0), oneHot(4, 0)] }),
  };
  const decoder = speculative({ target, draft, verify: verifyToken, warp: chainWarps(), gamma: 2 });
  for (const [standing, last] of [[2, 2], [1, 3], [0, 1]]) {
    const coins: Coins = {
      sample: (position) => [0.3, 0.9, 0.6][position - 5],
      draft: () => 0,
      accept: (start, position) => position - start < standing ? 0 : 0.9,
    };
    const state = await decoder.init([1, 2, 3, 0, 1], key);
    const { state: next, tokens } = await decoder.step({ ...state, coins });
    decoder.close(next);
    assertEquals(tokens, [...Array(standing).fill(0), last]);
  }
});

Deno.test("token verification warps no row behind the first rejection", async () => {
  const target = functionModel({ vocabulary: 2, contextLength: 20, logits: () => [1, 0] });
  const draft: Draft<null> = {
    ...draftNone(),
    propose: (state) =>
      Promise.resolve({ state, tokens: [0, 1, 0], probs: [0, 1, 0].map((id) => oneHot(2, id)) }),
  };
  let rows = 0;
  const counting: Warp = (logits, previous) => {
    rows++;
    return temperature(0)(logits, previous);
  };
  const decoder = speculative({ target, draft, verify: verifyToken, warp: counting, gamma: 3 });
  const { state, tokens } = await decoder.step(await decoder.init([0], key));
  decoder.close(state);
  assertEquals([tokens, rows], [[0, 0], 2]);
});
