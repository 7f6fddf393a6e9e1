/** What decoders rely on in a transformer with a cache: rollback, growth, no compiling, no leaks. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import {
  argmax,
  autoregressive,
  CACHE_TYPES,
  chainWarps,
  draftModel,
  draftPromptLookup,
  generate,
  type LanguageModel,
  limit,
  probabilities,
  repetitionPenalty,
  speculative,
  temperature,
  topP,
  verifyBlock,
  type Warp,
} from "../../src/decode/mod.ts";
import { failingBackend } from "./failing_backend.ts";
import { openTiny, TINY, tokensOf } from "./tiny_llama.ts";

/** The logits of the last `wanted` tokens of a text that is read from the start in one go. */
async function freshLogits<Cache>(
  model: LanguageModel<Cache>,
  text: readonly number[],
  wanted: number,
): Promise<readonly Float32Array[]> {
  const passed = await model.forward(model.open(), text, wanted);
  model.close(passed.cache);
  return passed.logits;
}

for (const cacheType of CACHE_TYPES) {
  Deno.test(`an ${cacheType} cache that was rolled back, went on and grew has the bits of a fresh prefill`, async () => {
    const { device, model, parameterSlots } = openTiny({ firstSlots: 4, cacheType });
    const fresh = openTiny({ firstSlots: 700, cacheType });
    for (let seed = 0; seed < 6; seed++) {
      let cache = model.open();
      let text: number[] = [];
      for (let turn = 0; turn < 7; turn++) {
        const key = foldIn(foldIn(keyOf(seed), "script"), turn);
        const most = Math.min(300, TINY.contextLength - text.length);
        const count = 1 + uniformInteger(foldIn(key, "count"), turn % 2 === 0 ? most : 9);
        const wanted = uniformInteger(foldIn(key, "wanted"), Math.min(count, 140) + 1);
        const tokens = tokensOf(100 * seed + turn, count);
        const passed = await model.forward(cache, tokens, wanted);
        text = [...text, ...tokens];
        assertEquals(model.lengthOf(passed.cache), text.length);
        if (wanted > 0) {
          const expected = await freshLogits(fresh.model, text, wanted);
          assertEquals(passed.logits, expected, `seed ${seed}, turn ${turn}`);
        }
        const length = uniformInteger(foldIn(key, "length"), text.length + 1);
        cache = model.truncate(passed.cache, length);
        text = text.slice(0, length);
      }
      model.close(cache);
      assertEquals(device.counters().liveSlots, parameterSlots);
    }
    fresh.device.close();
    device.close();
  });
}

Deno.test("an f16 cache takes half the memory and gives nearly the logits of an f32 one", async () => {
  const [whole, halves] = CACHE_TYPES.map((cacheType) => openTiny({ firstSlots: 64, cacheType }));
  const text = tokensOf(1, 60);
  const [wide, narrow] = [whole, halves].map(({ model }) => {
    const cache = model.open();
    const [{ key, value }] = cache.look().memory.layers;
    model.close(cache);
    return [key, value].map(({ shape, type }) => ({ shape, type }));
  });
  assertEquals(wide, [0, 1].map(() => ({ shape: [64, 16], type: "f32" })));
  assertEquals(narrow, [0, 1].map(() => ({ shape: [64, 8], type: "i32" })));
  const expected = await freshLogits(whole.model, text, 60);
  const found = await freshLogits(halves.model, text, 60);
  const size = Math.max(...expected.flatMap((row) => [...row].map(Math.abs)));
  const errors = found.flatMap((row, i) => [...row].map((x, id) => Math.abs(x - expected[i][id])));
  const largest = Math.max(...errors) / size;
  assert(largest > 0 && largest < 2 ** -10, `logits are ${largest} of the largest off`);
  for (const { device } of [whole, halves]) device.close();
});

Deno.test("heads that do not fill blocks of halves are refused for an f16 cache", () => {
  const config = { ...TINY, headWidth: 12 };
  const error = assertThrows(() => openTiny({ config, cacheType: "f16" }), OutriderError);
  assertEquals(error.message.includes("multiple of 8"), true);
});

Deno.test("the second decoding step compiles nothing, nor does any other position or length", async () => {
  const { device, model } = openTiny({ firstSlots: 256 });
  const decoder = autoregressive({ target: model, warp: temperature(0) });
  let state = await decoder.init([1, 2, 3], keyOf(1));
  state = (await decoder.step(state)).state;
  const { compiles, runs } = device.counters();
  for (let i = 0; i < 60; i++) state = (await decoder.step(state)).state;
  assertEquals(device.counters().compiles, compiles);
  assertEquals(device.counters().runs, runs + 60, "one run per step");
  decoder.close(state);
  device.close();
});

Deno.test("no temperature, no rule and no seed is part of a plan", async () => {
  const { device, model } = openTiny({ firstSlots: 256 });
  const write = async (warp: Warp, seed: number) => {
    const plain = limit(autoregressive({ target: model, warp }), 12);
    await generate(plain, tokensOf(seed, 10), { key: keyOf(seed) });
    const draft = draftPromptLookup();
    const ahead = speculative({ target: model, draft, verify: verifyBlock, warp, gamma: 3 });
    await generate(limit(ahead, 12), tokensOf(seed, 10), { key: keyOf(seed) });
  };
  // Every row count of up to gamma + 1 occurs here.
  for (let rows = 1; rows <= 4; rows++) {
    const passed = await model.forward(model.open(), tokensOf(1, rows), rows);
    passed.weights?.(1);
    model.close(passed.cache);
  }
  await write(temperature(0), 1);
  const { compiles } = device.counters();
  for (const value of [0, 0.3, 0.71, 1, 1.9]) await write(temperature(value), 2 + value);
  await write(chainWarps(repetitionPenalty(1.2), temperature(0.8), topP(0.9)), 9);
  assertEquals(device.counters().compiles, compiles);
  device.close();
});

Deno.test("a cache that outgrows its slots compiles once for every doubling, and only once", async () => {
  const { device, model } = openTiny({ firstSlots: 16 });
  const decode = () =>
    generate(limit(autoregressive({ target: model, warp: temperature(0) }), 100), [5], {
      key: keyOf(1),
    });
  const first = await decode();
  const { compiles } = device.counters();
  const second = await decode();
  assertEquals(device.counters().compiles, compiles);
  assertEquals(second.tokens, first.tokens);
  // A new cache, a pass of one row for 16, 32, 64 and 128 slots, and three times a growth.
  assertEquals(compiles, 1 + 4 + 3);
  device.close();
});

Deno.test("after closing, only the parameters are left on the device", async () => {
  const { device, model, parameterSlots } = openTiny();
  const cache = model.open();
  assert(device.counters().liveSlots > parameterSlots);
  const passed = await model.forward(cache, tokensOf(1, 200), 3);
  model.close(model.truncate(passed.cache, 1));
  assertEquals(device.counters().liveSlots, parameterSlots);
  const draft = draftModel(model);
  const warp = temperature(1);
  const decoder = speculative({ target: model, draft, verify: verifyBlock, warp, gamma: 4 });
  await generate(limit(decoder, 20), [1, 2], { key: keyOf(3) });
  assertEquals(device.counters().liveSlots, parameterSlots);
  device.close();
});

Deno.test("a cache is used once: its old handle dies, and says who took it", async () => {
  const { device, model, parameterSlots } = openTiny();
  const first = model.open();
  const { cache: second } = await model.forward(first, [1, 2, 3], 1);
  await assertRejects(() => model.forward(first, [4], 1), Error, "forward has taken");
  assertThrows(() => model.truncate(first, 1), Error, "forward has taken");
  assertThrows(() => model.lengthOf(first), Error, "forward has taken");
  const third = model.truncate(second, 2);
  await assertRejects(() => model.forward(second, [4], 1), Error, "truncate has taken");
  model.close(first);
  assertEquals(model.lengthOf(third), 2, "closing a dead handle touches nothing");
  model.close(third);
  model.close(third);
  assertThrows(() => model.truncate(third, 0), Error, "close has taken");
  assertEquals(device.counters().liveSlots, parameterSlots);
  device.close();
});

Deno.test("what does not fit the context or the vocabulary is refused, and the cache lives on", async () => {
  const { device, model, parameterSlots } = openTiny();
  const { cache } = await model.forward(model.open(), tokensOf(1, 690), 0);
  const refused: readonly (readonly [number[], string])[] = [
    [tokensOf(2, 11), "expected at most 700 tokens in the context, found 701"],
    [[], "one or more token ids below 40"],
    [[1, 40], "found 40"],
    [[-1], "found -1"],
    [[1.5], "found 1.5"],
    [[NaN], "found NaN"],
  ];
  for (const [tokens, message] of refused) {
    await assertRejects(() => model.forward(cache, tokens, 1), Error, message);
  }
  const passed = await model.forward(cache, tokensOf(2, 10), 1);
  const text = [...tokensOf(1, 690), ...tokensOf(2, 10)];
  assertEquals(passed.logits, await freshLogits(model, text, 1));
  await assertRejects(() => model.forward(passed.cache, [1], 1), Error, "at most 700 tokens");
  model.close(passed.cache);
  const decoder = autoregressive({ target: model, warp: temperature(0) });
  await assertRejects(
    () => generate(decoder, tokensOf(3, 701), { key: keyOf(1) }),
    Error,
    "a prompt of at most 700 tokens",
  );
  assertEquals(device.counters().liveSlots, parameterSlots);
  device.close();
});

Deno.test("a text may fill its context to the last token, plainly and with a draft", async () => {
  const config = { ...TINY, contextLength: 37 };
  const { device, model, parameterSlots } = openTiny({ config });
  const warp = temperature(0);
  const plain = await generate(autoregressive({ target: model, warp }), tokensOf(1, 9), {
    key: keyOf(1),
  });
  assertEquals([plain.tokens.length, plain.finish], [37 - 9 + 1, "context"]);
  for (const gamma of [1, 3, 8]) {
    const draft = draftModel(model);
    const decoder = speculative({ target: model, draft, verify: verifyBlock, warp, gamma });
    const drafted = await generate(decoder, tokensOf(1, 9), { key: keyOf(1) });
    assertEquals([drafted.tokens, drafted.finish], [plain.tokens, "context"]);
  }
  assertEquals(device.counters().liveSlots, parameterSlots);
  device.close();
});

Deno.test("memory that runs out at any moment of a pass leaves nothing behind", async () => {
  const backend = failingBackend();
  const { device, model, parameterSlots } = openTiny({ backend });
  let failures = 0;
  for (let allocations = 0;; allocations++) {
    const cache = model.open();
    backend.failAfter(allocations);
    try {
      const passed = await model.forward(cache, tokensOf(1, 150), 2);
      backend.failAfter(Infinity);
      model.close(passed.cache);
      break;
    } catch (error) {
      assert(error instanceof Error && error.message.includes("free memory"), `${error}`);
      model.close(cache);
      failures++;
    }
    assertEquals(device.counters().liveSlots, parameterSlots, `allocation ${allocations}`);
  }
  // Five doublings of four arrays each, two passes with their rows, places and logits.
  assert(failures >= 24, `only ${failures} allocations`);
  assertEquals(device.counters().liveSlots, parameterSlots);
  device.close();
});

Deno.test("a model that knows the likeliest tokens says those of its logits, and holds no more for it", async () => {
  const config = { ...TINY, vocabulary: 1024, contextLength: 200 };
  const { device, model, parameterSlots } = openTiny({ config, firstSlots: 8 });
  let { cache, logits, likeliest } = await model.forward(model.open(), tokensOf(1, 5), 5);
  const { liveSlots } = device.counters();
  for (const [count, wanted] of [[1, 1], [3, 2], [16, 16], [20, 1], [2, 0], [140, 30], [1, 1]]) {
    ({ cache, logits, likeliest } = await model.forward(cache, tokensOf(count, count), wanted));
    const expected = logits.map((row) => argmax(row));
    assertEquals(logits.length, wanted);
    if (likeliest !== undefined) assertEquals(likeliest, expected);
    assertEquals(likeliest !== undefined, wanted > 0 && wanted <= 16, `${count} rows`);
  }
  assertEquals(device.counters().liveSlots, liveSlots);
  model.close(cache);
  assertEquals(device.counters().liveSlots, parameterSlots);
  device.close();
});

Deno.test("weights of a device are the probabilities of its logits, and go with the next pass", async () => {
  for (const vocabulary of [40, 1024, 1025]) {
    const { device, model, parameterSlots } = openTiny({ config: { ...TINY, vocabulary } });
    let passed = await model.forward(model.open(), tokensOf(1, 9), 3);
    for (const at of [1, 0.3, 2, 1]) {
      const weights = passed.weights?.(at);
      if (weights === undefined) throw new Error("a model in shared memory has weights");
      passed.logits.forEach((row, i) => {
        const expected = probabilities(temperature(at), row, []);
        const sum = weights[i].reduce((a, b) => a + b, 0);
        expected.forEach((p, id) => assertAlmostEquals(weights[i][id] / sum, p, 2e-6 * (p + 1e-3)));
      });
      passed = await model.forward(passed.cache, tokensOf(2, 2), 1 + (at > 1 ? 1 : 0));
    }
    model.close(passed.cache);
    assertEquals(device.counters().liveSlots, parameterSlots);
    device.close();
  }
});
