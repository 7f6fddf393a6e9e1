/** Models in workers: the same bits, the same errors, and a calling thread that goes on. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../../src/core/errors.ts";
import { keyOf } from "../../../src/core/random.ts";
import {
  autoregressive,
  draftModel,
  functionModel,
  generate,
  type LanguageModel,
  limit,
  pearl,
  serveModel,
  speculative,
  temperature,
  verifyToken,
  type WorkerCache,
  workerModel,
} from "../../../src/decode/mod.ts";
import { counted, hashLogits, hashModel } from "../mock_models.ts";
import { openTiny, tokensOf } from "../tiny_llama.ts";

/** Starts a worker for a test and ends it in any case. */
async function withWorker(
  file: string,
  name: string,
  test: (model: Promise<LanguageModel<WorkerCache>>, worker: Worker) => Promise<void>,
): Promise<void> {
  const worker = new Worker(new URL(file, import.meta.url), { type: "module", name });
  try {
    await test(workerModel(worker), worker);
  } finally {
    worker.terminate();
  }
}

Deno.test("a model in a worker gives the bits of one that is here, rolled back and grown", async () => {
  await withWorker("test_worker.ts", "tiny", async (opening) => {
    const [model, here] = [await opening, openTiny({ firstSlots: 4 })];
    assertEquals([model.vocabulary, model.contextLength], [40, 700]);
    let [cache, own] = [model.open(), here.model.open()];
    for (
      const [count, wanted, length] of [[3, 2, 2], [9, 0, 11], [1, 1, 12], [200, 3, 7], [5, 5, 0]]
    ) {
      const tokens = tokensOf(count, count);
      const [passed, expected] = await Promise.all([
        model.forward(cache, tokens, wanted),
        here.model.forward(own, tokens, wanted),
      ]);
      assertEquals(passed.logits, expected.logits);
      assertEquals(model.lengthOf(passed.cache), here.model.lengthOf(expected.cache));
      cache = model.truncate(passed.cache, length);
      own = here.model.truncate(expected.cache, length);
    }
    model.close(cache);
    here.model.close(own);
    here.device.close();
  });
});

Deno.test("PEARL with its target in a worker writes what other decoders write", async () => {
  await withWorker("test_worker.ts", "tiny", async (opening) => {
    const [target, here, ahead] = [await opening, openTiny(), openTiny({ seed: 5 })];
    const draft = draftModel(ahead.model);
    const prompt = tokensOf(3, 6);
    const key = keyOf(1);
    for (const heat of [0, 1]) {
      const warp = temperature(heat);
      const written = await generate(limit(pearl({ target, draft, warp, gamma: 4 }), 24), prompt, {
        key,
      });
      const local = pearl({ target: here.model, draft, warp, gamma: 2 });
      assertEquals(written.tokens, (await generate(limit(local, 24), prompt, { key })).tokens);
      const plain = autoregressive({ target: here.model, warp });
      const expected = await generate(limit(plain, 24), prompt, { key });
      if (heat === 0) assertEquals(written.tokens, expected.tokens);
      const turns = { target, draft, verify: verifyToken, warp, gamma: 3 };
      const inTurns = await generate(limit(speculative(turns), 24), prompt, { key });
      if (heat === 0) assertEquals(inTurns.tokens, expected.tokens);
    }
    assertEquals(ahead.device.counters().liveSlots, ahead.parameterSlots);
    for (const { device } of [here, ahead]) device.close();
  });
});

Deno.test("a pass in a worker begins while this thread is blocked by the draft", async () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  await withWorker("test_worker.ts", "counts", async (opening, worker) => {
    worker.postMessage(words);
    const target = await opening;
    const own = hashModel(2, 5);
    let seen = 0;
    const draft = draftModel({
      ...own,
      forward: (cache: ReturnType<typeof own.open>, tokens: readonly number[], wanted: number) => {
        // As a synchronous backend would: nothing else happens on this thread meanwhile.
        if (Atomics.load(words, 0) === seen) {
          assert(Atomics.wait(words, 0, seen, 20_000) !== "timed-out", "no pass has begun");
        }
        return own.forward(cache, tokens, wanted);
      },
    });
    const decoder = pearl({ target, draft, warp: temperature(1), gamma: 2 });
    let state = await decoder.init([1], keyOf(1));
    for (let step = 0; step < 10; step++) {
      seen = Atomics.load(words, 0);
      ({ state } = await decoder.step(state));
      assertEquals(Atomics.load(words, 0), seen + 1);
    }
    decoder.close(state);
  });
});

Deno.test("a model that cannot be loaded, and a worker that fails, are errors of the caller", async () => {
  await withWorker("test_worker.ts", "cannot load", async (opening) => {
    const error = await assertRejects(() => opening, OutriderError);
    assertEquals(error.message, "expected a model, found none; name one");
  });
  await withWorker("test_worker.ts", "crashes", async (opening) => {
    const model = await opening;
    const [first, second] = [model.open(), model.open()];
    await assertRejects(() => model.forward(first, [1], 1), OutriderError, "crashed");
    await assertRejects(() => model.forward(second, [1], 1), OutriderError, "another worker");
  });
  await withWorker("missing_worker.ts", "", async (opening) => {
    await assertRejects(() => opening, OutriderError, "a worker that runs its model");
  });
});

/** A model behind a channel in this thread, to see what becomes of its caches. */
async function overChannel(contextLength = 20) {
  const logits = hashLogits(1, 4);
  const served = counted(functionModel({ vocabulary: 4, contextLength, logits }));
  const { port1, port2 } = new MessageChannel();
  serveModel(port1, () => Promise.resolve(served));
  const model = await workerModel(port2);
  return { served, model, close: () => [port1, port2].forEach((port) => port.close()) };
}

/** Until all messages so far have been served. */
async function served<Cache>(model: LanguageModel<Cache>): Promise<void> {
  model.close((await model.forward(model.open(), [0], 0)).cache);
  await new Promise((resolve) => setTimeout(resolve, 20));
}

Deno.test("a pass that fails in the worker is the caller's error, and its cache is released", async () => {
  const { model, served: inside, close } = await overChannel(4);
  const { cache } = await model.forward(model.open(), [0, 1], 1);
  const error = await assertRejects(() => model.forward(cache, [9], 1), OutriderError);
  assertEquals([error.expected, error.found], ["tokens below 4", "9"]);
  await assertRejects(() => model.forward(model.open(), [0, 1, 2, 3, 0], 1), OutriderError, "rows");
  await served(model);
  assertEquals(inside.alive(), 0);
  close();
});

Deno.test("caches of a worker's model are used once, shortened only, and closed inside", async () => {
  const { model, served: inside, close } = await overChannel();
  const first = model.open();
  const { cache } = await model.forward(first, [0, 1, 2], 0);
  await assertRejects(() => model.forward(first, [0], 0), OutriderError, "taken by forward");
  for (const length of [4, -1, 0.5, NaN]) {
    assertThrows(() => model.truncate(cache, length), OutriderError, "only become shorter");
  }
  const shorter = model.truncate(cache, 1);
  assertThrows(() => model.truncate(cache, 1), OutriderError, "taken by truncate");
  model.close(cache);
  model.close(model.open());
  const { cache: last, logits } = await model.forward(shorter, [3], 1);
  assertEquals([...logits[0]], [...hashLogits(1, 4)([0, 3])]);
  assertEquals(model.lengthOf(last), 2);
  model.close(last);
  model.close(last);
  await served(model);
  assertEquals(inside.alive(), 0);
  close();
});
