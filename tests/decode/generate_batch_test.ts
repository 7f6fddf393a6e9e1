import { assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { hostTensor } from "../../src/core/host_tensor.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import {
  autoregressive,
  type BatchRequest,
  CACHE_TYPES,
  chainWarps,
  generate,
  generateBatch,
  limit,
  llamaModel,
  nucleus,
  temperature,
  topP,
  untilToken,
} from "../../src/decode/mod.ts";
import { initLlama, type LlamaConfig } from "../../src/nn/mod.ts";
import { createDevice, read, releaseTree, uploadTree } from "../../src/runtime/mod.ts";
import { TINY } from "./tiny_llama.ts";

const CONFIG: LlamaConfig = { ...TINY, contextLength: 256 };
const STOP = new Set([3, 17, 29]);

function requestsOf(count: number): BatchRequest[] {
  return Array.from({ length: count }, (_, i) => {
    const key = foldIn(keyOf(11), i);
    const length = 1 + uniformInteger(foldIn(key, "length"), 90);
    return {
      prompt: Array.from({ length }, (_, k) => uniformInteger(foldIn(key, k), 40)),
      warp: i % 3 === 0 ? temperature(0) : chainWarps(temperature(0.9), topP(0.95)),
      key,
      maximumTokens: 5 + (i * 7) % 20,
    };
  });
}

for (const cacheType of CACHE_TYPES) {
  Deno.test(`a text is the same alone and in any batch, greedy and sampled, ${cacheType} cache`, async () => {
    const device = createDevice(wasmBackend());
    const parameters = uploadTree(device, initLlama(keyOf(4), CONFIG));
    const requests = requestsOf(9);
    const model = llamaModel({ device, config: CONFIG, parameters, cacheType });
    const alone = [];
    for (const { prompt, warp, key, maximumTokens } of requests) {
      const plain = limit(autoregressive({ target: model, warp }), maximumTokens);
      alone.push((await generate(untilToken(plain, [...STOP]), prompt, { key })).tokens);
    }
    for (const sequences of [1, 2, 5, 16]) {
      const options = {
        device,
        config: CONFIG,
        parameters,
        cacheType,
        sequences,
        length: 128,
        stopTokens: STOP,
      };
      const together = new Map<BatchRequest, readonly number[]>();
      for await (const { request, tokens } of generateBatch(options, requests)) {
        together.set(request, tokens);
      }
      const withoutStop = requests.map((request) =>
        (together.get(request) ?? []).filter((token) => !STOP.has(token))
      );
      assertEquals(withoutStop, alone.map((tokens) => tokens.filter((token) => !STOP.has(token))));
    }
    releaseTree(parameters);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  });
}

Deno.test("greedy texts, whose tokens the device chooses, are those of plain decoding", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTree(device, initLlama(keyOf(4), CONFIG));
  const requests = requestsOf(7).map((request) => ({ ...request, warp: temperature(0) }));
  const model = llamaModel({ device, config: CONFIG, parameters });
  const none = new Set<number>();
  const options = { device, config: CONFIG, parameters, length: 128, stopTokens: none };
  for (const sequences of [1, 3, 6]) {
    for await (const { request, tokens } of generateBatch({ ...options, sequences }, requests)) {
      const plain = limit(autoregressive({ target: model, warp: request.warp }), tokens.length);
      const alone = await generate(plain, request.prompt, { key: request.key });
      assertEquals(tokens, alone.tokens);
    }
  }
  device.close();
});

Deno.test("prompts that begin alike are computed once a lane, and their texts stay the same", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTree(device, initLlama(keyOf(4), CONFIG));
  const header = Array.from({ length: 120 }, (_, i) => (7 * i) % 40);
  const requests = requestsOf(8).map((request, i) => ({
    ...request,
    prompt: i % 3 === 2 ? request.prompt : [...header, ...request.prompt.slice(0, 1 + i)],
  }));
  const options = { device, config: CONFIG, parameters, length: 256, stopTokens: STOP };
  const textsOf = async (sequences: number) => {
    const texts = await Array.fromAsync(generateBatch({ ...options, sequences }, requests));
    return new Map(texts.map(({ request, tokens }) => [request, tokens]));
  };
  const expected = await textsOf(8); // every text in a lane of its own
  for (const sequences of [1, 2, 3]) {
    const found = await textsOf(sequences);
    for (const request of requests) assertEquals(found.get(request), expected.get(request));
  }
  const alike = requests.filter((_, i) => i % 3 !== 2);
  const runsOf = async (given: BatchRequest[]) => {
    const before = device.counters().runs;
    await Array.fromAsync(generateBatch({ ...options, sequences: 1 }, given));
    return device.counters().runs - before;
  };
  let apart = 0;
  for (const request of alike) apart += await runsOf([request]) - 1; // one run makes the cache
  assertEquals(await runsOf(alike) - 1, apart - (alike.length - 1), "a pass of prompt less each");
  device.close();
});

Deno.test("features of a text are those that a cache of its own keeps, bit for bit in any batch", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTree(device, initLlama(keyOf(4), CONFIG));
  const header = Array.from({ length: 30 }, (_, i) => (7 * i) % 40);
  const requests = requestsOf(9).map((request, i) => ({
    ...request,
    prompt: i % 2 === 0 ? request.prompt : [...header, ...request.prompt.slice(0, 1 + i)],
  }));
  const taps = [1, CONFIG.layers];
  const width = taps.length * CONFIG.width;
  const options = { device, config: CONFIG, parameters, length: 128, stopTokens: STOP };
  const bare = await Array.fromAsync(generateBatch({ ...options, sequences: 3 }, requests));
  const expected = new Map<BatchRequest, Float32Array>();
  const tapped = llamaModel({ device, config: CONFIG, parameters, taps });
  for (const { request, tokens, features } of bare) {
    assertEquals(features.length, 0, "none are kept where none are asked for");
    const text = [...request.prompt, ...tokens].slice(0, -1);
    const { cache } = await tapped.forward(tapped.open(), text, 0);
    const kept = cache.look().memory.features;
    if (kept === undefined) throw new Error("the cache keeps features");
    expected.set(request, Float32Array.from(await read(kept, 0, text.length * width)));
    tapped.close(cache);
  }
  const tokensOf = new Map(bare.map(({ request, tokens }) => [request, tokens]));
  for (const sequences of [1, 2, 4, 9]) {
    let count = 0;
    for await (const text of generateBatch({ ...options, sequences, taps }, requests)) {
      assertEquals(text.tokens, tokensOf.get(text.request), "the texts stay the same");
      assertEquals(text.features, expected.get(text.request));
      count++;
    }
    assertEquals(count, requests.length);
  }
  device.close();
});

Deno.test("texts from a nucleus, which the device sums up, are those of plain decoding", async () => {
  const device = createDevice(wasmBackend());
  const config = { ...CONFIG, vocabulary: 1024 };
  const parameters = uploadTree(device, initLlama(keyOf(4), config));
  const requests = requestsOf(9).map((request, i) => ({
    ...request,
    warp: nucleus([0, 0.05, 0.3][i % 3], 0.9),
  }));
  const model = llamaModel({ device, config, parameters });
  const none = new Set<number>();
  const options = { device, config, parameters, length: 128, stopTokens: none };
  for (const sequences of [1, 4, 9]) {
    const batch = { ...options, sequences, topTokens: 5 };
    for await (const { request, tokens, top } of generateBatch(batch, requests)) {
      const plain = limit(autoregressive({ target: model, warp: request.warp }), tokens.length);
      const alone = await generate(plain, request.prompt, { key: request.key });
      assertEquals(tokens, alone.tokens);
      assertEquals(top.length, tokens.length);
      for (const [i, { tokens: likeliest }] of top.entries()) {
        assertEquals(likeliest.length, 5);
        if (request.warp.only !== undefined) assertEquals(likeliest[0], tokens[i]);
      }
    }
  }
  device.close();
});

Deno.test("one weight that is not a number is found, greedy as well", async () => {
  for (const value of [NaN, Infinity]) {
    const device = createDevice(wasmBackend());
    const weights = initLlama(keyOf(4), CONFIG);
    const { embedding } = weights;
    const data = Float32Array.from(embedding.data);
    data[5 * CONFIG.width] = value;
    const spoiled = { ...weights, embedding: hostTensor(data, embedding.shape) };
    const parameters = uploadTree(device, spoiled);
    const options = { device, config: CONFIG, parameters, sequences: 2, length: 8 };
    const requests = [1, 2].map((token) => ({
      ...{ prompt: [token], warp: temperature(0), key: keyOf(1), maximumTokens: 4 },
    }));
    await assertRejects(
      () => Array.fromAsync(generateBatch({ ...options, stopTokens: STOP }, requests)),
      Error,
      "finite logit",
    );
    device.close();
  }
});

Deno.test("a prompt that does not fit is refused and nothing stays on the device", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTree(device, initLlama(keyOf(4), CONFIG));
  const before = device.counters().liveSlots;
  const options = { device, config: CONFIG, parameters, sequences: 2, length: 8, stopTokens: STOP };
  const request = {
    prompt: new Array(8).fill(1),
    warp: temperature(0),
    key: keyOf(1),
    maximumTokens: 4,
  };
  await assertRejects(
    () => Array.fromAsync(generateBatch(options, [request])),
    Error,
    "1 to 7 tokens",
  );
  assertEquals(device.counters().liveSlots, before);
  device.close();
});
