/** A tree's rows have the bits of the chains that they stand for, and a kept path those of a prefill. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { wasmBackend } from "../../../src/backends/wasm/mod.ts";
import {
  type HostTensor,
  packedHostTensor,
  type PackedType,
  packMatrix,
} from "../../../src/core/mod.ts";
import { foldIn, keyOf, uniformInteger } from "../../../src/core/random.ts";
import {
  CACHE_TYPES,
  type CacheType,
  functionModel,
  type LlamaCache,
  llamaModel,
  type TreeLanguageModel,
} from "../../../src/decode/mod.ts";
import { initLlama, tinyLlama } from "../../../src/nn/mod.ts";
import {
  type Backend,
  createDevice,
  type Device,
  read,
  uploadTree,
} from "../../../src/runtime/mod.ts";
import { failingBackend } from "../failing_backend.ts";
import { hashLogits } from "../mock_models.ts";
import { tokensOf } from "../tiny_llama.ts";
import { branchOf, randomTree } from "./random_trees.ts";

const CONFIG = tinyLlama({
  layers: 2,
  width: 32,
  feedForwardWidth: 64,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 8,
  vocabulary: 40,
  contextLength: 400,
});

interface Opened {
  readonly device: Device;
  readonly model: TreeLanguageModel<LlamaCache>;
  readonly parameterSlots: number;
}

interface OpenOptions {
  readonly backend?: Backend;
  readonly cacheType?: CacheType;
  readonly type?: PackedType;
  readonly firstSlots?: number;
}

function packed(tensor: HostTensor, type: PackedType | undefined): HostTensor {
  const { shape, data } = tensor;
  if (type === undefined || shape.length !== 2 || !(data instanceof Float32Array)) return tensor;
  return packedHostTensor(type, shape, packMatrix(type, shape[0], shape[1], data));
}

function open(
  { backend = wasmBackend(), cacheType = "f32", type, firstSlots = 256 }: OpenOptions = {},
): Opened {
  const device = createDevice(backend);
  const { layers, ...outer } = initLlama(keyOf(4), CONFIG);
  const of = (tensor: HostTensor) => packed(tensor, type);
  const parameters = uploadTree(device, {
    embedding: of(outer.embedding),
    finalNorm: of(outer.finalNorm),
    layers: layers.map((layer) => ({
      attentionNorm: of(layer.attentionNorm),
      query: of(layer.query),
      key: of(layer.key),
      value: of(layer.value),
      output: of(layer.output),
      feedForwardNorm: of(layer.feedForwardNorm),
      gate: of(layer.gate),
      up: of(layer.up),
      down: of(layer.down),
    })),
  });
  const parameterSlots = device.counters().liveSlots;
  const model = llamaModel({
    device,
    config: CONFIG,
    parameters,
    cacheType,
    firstSlots,
    taps: [1, 2],
  });
  return { device, model, parameterSlots };
}

/** The rows in use of every table of a cache. */
async function contents(cache: LlamaCache): Promise<number[][]> {
  const { memory: { layers, features }, length } = cache.look();
  const tables = layers.flatMap(({ key, value }) => [key, value]);
  const all = features === undefined ? tables : [...tables, features];
  return await Promise.all(
    all.map(async (table) => [...await read(table, 0, length * table.shape[1])]),
  );
}

async function prefilled(
  model: TreeLanguageModel<LlamaCache>,
  text: readonly number[],
): Promise<LlamaCache> {
  return (await model.forward(model.open(), text, 0)).cache;
}

/** Reads a tree behind a text, holds every row to its chain, keeps a path and holds the cache to a prefill. */
async function holdTree(
  { model }: Opened,
  text: readonly number[],
  seed: number,
  count: number,
  bushy: number,
): Promise<void> {
  const rows = randomTree(seed, count, CONFIG.vocabulary, bushy);
  const wanted = rows.map((_, place) => place).filter((place) =>
    (place + seed) % 3 > 0 || place === 0
  );
  const passed = await model.forwardTree(await prefilled(model, text), rows, wanted);
  assertEquals(model.lengthOf(passed.cache), text.length);
  const found = passed.logits.map((row) => Float32Array.from(row));
  assertEquals(found.length, wanted.length);
  for (const [i, place] of wanted.entries()) {
    const { tokens } = branchOf(rows, place);
    const chain = await model.forward(await prefilled(model, text), tokens, 1);
    assertEquals(found[i], Float32Array.from(chain.logits[0]), `seed ${seed}, row ${place}`);
    model.close(chain.cache);
  }
  const end = uniformInteger(foldIn(keyOf(seed), "end"), count);
  const { places, tokens } = branchOf(rows, end);
  const kept = model.keepPath(passed.cache, places);
  assertEquals(model.lengthOf(kept), text.length + tokens.length);
  const fresh = await prefilled(model, [...text, ...tokens]);
  assertEquals(await contents(kept), await contents(fresh), `seed ${seed}`);
  const [after, expected] = await Promise.all(
    [kept, fresh].map((cache) => model.forward(cache, [7, 8], 2)),
  );
  assertEquals(
    after.logits.map((row) => [...row]),
    expected.logits.map((row) => [...row]),
  );
  model.close(after.cache);
  model.close(expected.cache);
}

const WEIGHTS = [undefined, "packed_f32", "packed_q8_0", "integer_q8_0"] as const;

for (const type of WEIGHTS) {
  for (const cacheType of CACHE_TYPES) {
    Deno.test(`trees have the bits of chains: ${type ?? "f32"} weights, ${cacheType} cache`, async () => {
      const opened = open({ type, cacheType });
      // Lengths on both sides of what attention takes at once, and a text that just begins.
      for (const [seed, length] of [1, 3, 64, 127, 254].entries()) {
        await holdTree(opened, tokensOf(seed, length), seed, 1 + 4 * (seed % 4), (seed % 3) / 2);
      }
      assertEquals(opened.device.counters().liveSlots, opened.parameterSlots);
      opened.device.close();
    });
  }
}

Deno.test("trees have the bits of chains with three threads, and where caches grow", async () => {
  const backend = wasmBackend({ threads: 3 });
  const opened = open({ backend, firstSlots: 4 });
  await holdTree(opened, tokensOf(3, 3), 3, 40, 0.3);
  const alone = open({ firstSlots: 4 });
  await holdTree(alone, tokensOf(3, 3), 3, 40, 0.3);
  const rows = randomTree(9, 30, CONFIG.vocabulary, 0.5);
  const all = rows.map((_, place) => place);
  const [together, single] = await Promise.all([opened, alone].map(async ({ model }) => {
    const passed = await model.forwardTree(await prefilled(model, tokensOf(5, 90)), rows, all);
    model.close(passed.cache);
    return passed.logits.map((row) => [...row]);
  }));
  assertEquals(together, single);
  for (const { device, parameterSlots } of [opened, alone]) {
    assertEquals(device.counters().liveSlots, parameterSlots);
    device.close();
  }
});

Deno.test("the second tree of a size compiles nothing, whatever its form and whichever path stands", async () => {
  const { device, model } = open();
  const step = async (cache: LlamaCache, seed: number, count: number): Promise<LlamaCache> => {
    // At most four rows deep behind the first, and a path that has to be moved.
    const rows = Array.from({ length: count }, (_, i) => ({
      token: (seed + i) % CONFIG.vocabulary,
      parent: i < 4 + seed % 3 ? -1 : i % 4,
    }));
    const passed = await model.forwardTree(cache, rows, rows.map((_, place) => place));
    return model.keepPath(passed.cache, branchOf(rows, count - 1).places);
  };
  let cache = await step(await prefilled(model, [1, 2, 3]), 0, 13);
  const { compiles } = device.counters();
  for (let seed = 1; seed < 12; seed++) cache = await step(cache, seed, 13 + seed % 4);
  assertEquals(device.counters().compiles, compiles);
  model.close(cache);
  device.close();
});

Deno.test("a path that lies where it belongs is kept without a pass", async () => {
  const { device, model } = open();
  const rows = randomTree(1, 5, CONFIG.vocabulary, 0);
  const passed = await model.forwardTree(await prefilled(model, [1, 2]), rows, [4]);
  const { runs } = device.counters();
  const kept = model.keepPath(passed.cache, [0, 1, 2]);
  assertEquals([device.counters().runs, model.lengthOf(kept)], [runs, 5]);
  model.close(kept);
  device.close();
});

/** What any model that reads trees refuses. */
async function holdRefusals<Cache>(model: TreeLanguageModel<Cache>): Promise<void> {
  const { cache } = await model.forward(model.open(), [1, 2], 0);
  const row = (token: number, parent: number) => ({ token, parent });
  const refused = [
    { rows: [], wanted: [], message: "one or more rows" },
    { rows: [row(40, -1)], wanted: [], message: "found 40" },
    { rows: [row(1, 0)], wanted: [], message: "come behind their parents" },
    { rows: [row(1, -1), row(1, -2)], wanted: [], message: "come behind their parents" },
    { rows: [row(1, -1)], wanted: [1], message: "places below 1" },
    {
      rows: randomTree(1, 399, 40, 0),
      wanted: [],
      message: "at most 400 tokens in the context, found 401",
    },
  ];
  for (const { rows, wanted, message } of refused) {
    await assertRejects(() => model.forwardTree(cache, rows, wanted), Error, message);
  }
  assertThrows(() => model.keepPath(cache, [0]), Error, "no tree");
  const rows = [row(1, -1), row(2, 0), row(3, 0)];
  const passed = await model.forwardTree(cache, rows, [2]);
  await assertRejects(() => model.forwardTree(cache, rows, [2]), Error, "forwardTree");
  assertThrows(() => model.keepPath(passed.cache, [1]), Error, "from its first row on");
  assertThrows(() => model.keepPath(passed.cache, [0, 1, 2]), Error, "from its first row on");
  const none = model.keepPath(passed.cache, []);
  assertEquals(model.lengthOf(none), 2);
  assertThrows(() => model.keepPath(none, [0]), Error, "no tree");
  const again = await model.forwardTree(none, rows, []);
  const chain = await model.forward(again.cache, [4], 1);
  assertEquals(model.lengthOf(chain.cache), 3, "a forward drops the tree");
  assertThrows(() => model.keepPath(chain.cache, [0]), Error, "no tree");
  model.close(chain.cache);
}

Deno.test("what is no tree, or no path of it, is refused, and the cache lives on", async () => {
  const { device, model, parameterSlots } = open();
  await holdRefusals(model);
  assertEquals(device.counters().liveSlots, parameterSlots);
  device.close();
  const logits = hashLogits(1, 40);
  await holdRefusals(functionModel({ vocabulary: 40, contextLength: 400, logits }));
});

Deno.test("a model of a function reads trees as it reads chains", async () => {
  const model = functionModel({ vocabulary: 6, contextLength: 40, logits: hashLogits(3, 6) });
  for (let seed = 0; seed < 20; seed++) {
    const rows = randomTree(seed, 9, 6, (seed % 3) / 2);
    const { cache } = await model.forward(model.open(), [1, 2], 0);
    const passed = await model.forwardTree(cache, rows, [8, 3]);
    for (const [i, place] of [8, 3].entries()) {
      const read = await model.forward(model.open(), [1, 2, ...branchOf(rows, place).tokens], 1);
      assertEquals(passed.logits[i], read.logits[0]);
    }
    const { places, tokens } = branchOf(rows, 8);
    assertEquals(model.keepPath(passed.cache, places).tokens, [1, 2, ...tokens]);
  }
});

Deno.test("memory that runs out at any moment of a tree leaves nothing behind", async () => {
  const backend = failingBackend();
  const { device, model, parameterSlots } = open({ backend, firstSlots: 4 });
  const rows = randomTree(2, 9, CONFIG.vocabulary, 0.5);
  const { places } = branchOf(rows, 8);
  let failures = 0;
  for (let allocations = 0;; allocations++) {
    let cache = await prefilled(model, [1, 2]);
    backend.failAfter(allocations);
    try {
      cache = (await model.forwardTree(cache, rows, [0, 8])).cache;
      cache = model.keepPath(cache, places);
      backend.failAfter(Infinity);
      model.close(cache);
      break;
    } catch (error) {
      assert(error instanceof Error && error.message.includes("free memory"), `${error}`);
      model.close(cache);
      failures++;
    }
    assertEquals(device.counters().liveSlots, parameterSlots, `allocation ${allocations}`);
  }
  assert(failures >= 12, `only ${failures} allocations`);
  device.close();
});
