/** Features of a set are those of the target's own cache, however texts lie in passes. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { llamaModel } from "../../src/decode/mod.ts";
import { createDevice, read, releaseTree } from "../../src/runtime/mod.ts";
import { openPrompts } from "../../src/data/mod.ts";
import { encodeChat } from "../../src/io/mod.ts";
import { spreadTaps } from "../../src/nn/mod.ts";
import { distilledEntries, setFeatures } from "../../src/train/mod.ts";
import { EMBEDDED, withWeights } from "../models/files.ts";
import { answersOf, TARGET, uploadTarget } from "./world.ts";

const TAPS = [0, 1, 2];
const WIDTH = TAPS.length * TARGET.width;

async function world() {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const answers = await answersOf(device, parameters);
  const entries = [{ ...answers[0], response: [] }, ...answers, { ...answers[1], response: [] }];
  const target = { config: TARGET, parameters };
  const featuresOf = (options: { readonly mostRows?: number; readonly rowsPerPass?: number }) =>
    Array.fromAsync(setFeatures(entries, { device, target, taps: TAPS, mostRows: 48, ...options }));
  return { device, parameters, entries, target, featuresOf };
}

Deno.test("features of a set are those that the target's cache keeps of each text", async () => {
  const { device, parameters, entries, featuresOf } = await world();
  const before = device.counters().liveSlots;
  const found = await featuresOf({ rowsPerPass: 40 });
  assertEquals(device.counters().liveSlots, before, "passes are released");
  assertEquals(found.length, entries.length);
  const model = llamaModel({ device, config: TARGET, parameters, taps: TAPS });
  for (const [i, { prompt, response }] of entries.entries()) {
    if (response.length === 0) {
      assertEquals(found[i].length, 0);
      continue;
    }
    const text = [...prompt, ...response].slice(0, -1);
    // In two parts, as decoding reads a text.
    const first = text.length > 3
      ? (await model.forward(model.open(), text.slice(0, 3), 0)).cache
      : model.open();
    const { cache } = await model.forward(first, text.slice(text.length > 3 ? 3 : 0), 0);
    const kept = cache.look().memory.features;
    if (kept === undefined) throw new Error("the cache keeps features");
    const values = (await read(kept)).subarray(0, text.length * WIDTH);
    assertEquals(found[i].length, values.length);
    const worst = found[i].reduce(
      (most, value, at) => Math.max(most, Math.abs(value - values[at])),
      0,
    );
    assert(worst < 1e-5, `entry ${i}: ${worst}`);
    model.close(cache);
  }
  releaseTree(parameters);
  device.close();
});

Deno.test("features do not depend on what shares a pass, and long texts have passes of their own", async () => {
  const { device, entries, featuresOf } = await world();
  const wide = await featuresOf({ rowsPerPass: 96 });
  const longest = Math.max(...wide.map(({ length }) => length / WIDTH));
  assert(longest > 8);
  assertEquals(await featuresOf({ rowsPerPass: 8 }), wide, "the same bits");
  const short = await featuresOf({ rowsPerPass: 24, mostRows: 12 });
  assertEquals(
    short.map(({ length }) => length > 0),
    wide.map(({ length }) => length > 0 && length / WIDTH <= 12),
  );
  assertEquals(short.length, entries.length);
  device.close();
});

for (const dtype of ["keep", "q8", "q4"] as const) {
  Deno.test({
    name:
      `the features that the embedded model's answers come with are those of a set, in ${dtype}`,
    ignore: EMBEDDED === undefined,
    fn: async () => {
      const device = createDevice(wasmBackend());
      await withWeights(device, EMBEDDED, dtype, async ({ file, parameters }) => {
        const conversations = await openPrompts("language", { seed: 5, count: 12 });
        const target = { config: file.config, parameters };
        const taps = spreadTaps(file.config.layers, 3);
        const made = await Array.fromAsync(distilledEntries({
          device,
          target,
          taps,
          prompts: conversations.map((turns) => encodeChat(file.tokenizer, turns)),
          done: 3,
          temperatures: [0, 0.7],
          topP: 0.95,
          maximumTokens: 20,
          stopTokens: file.tokenizer.endOfTurn,
          seed: 1,
          sequences: 4,
        }));
        assertEquals(made.length, conversations.length - 3);
        const mostRows = file.config.contextLength;
        const options = { device, target, taps, mostRows };
        const entries = made.map(({ entry }) => entry);
        const found = await Array.fromAsync(setFeatures(entries, options));
        made.forEach(({ features }, i) => assertEquals(features, found[i], `answer ${i}`));
      });
      device.close();
    },
  });
}

Deno.test("an aborted run ends between passes", async () => {
  const { device, entries, target } = await world();
  const stop = new AbortController();
  const options = { device, target, taps: TAPS, mostRows: 48, rowsPerPass: 24 };
  const run = setFeatures(entries, { ...options, signal: stop.signal });
  const before = device.counters().liveSlots;
  await run.next();
  stop.abort();
  await assertRejects(() => Array.fromAsync(run), DOMException);
  assertEquals(device.counters().liveSlots, before);
  device.close();
});
