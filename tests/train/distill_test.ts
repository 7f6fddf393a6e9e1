/** The distillation set: the same whatever is at work together, and whole however often it stops. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { foldIn, keyOf } from "../../src/core/random.ts";
import { openDistillationWriter, readDistillationSet } from "../../src/data/mod.ts";
import {
  autoregressive,
  chainWarps,
  generate,
  limit,
  llamaModel,
  temperature,
  topP,
} from "../../src/decode/mod.ts";
import { createDevice } from "../../src/runtime/mod.ts";
import { distillationEntries } from "../../src/train/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { answersOf, promptsOf, STOP, TARGET, uploadTarget } from "./world.ts";

Deno.test("the target's answers do not depend on how many are at work together", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const expected = await answersOf(device, parameters, { sequences: 1 });
  for (const sequences of [2, 3, 7, 24, 64]) {
    assertEquals(await answersOf(device, parameters, { sequences }), expected);
  }
  const prompts = promptsOf(24);
  assertEquals(expected.map(({ prompt }) => prompt), prompts, "answers come in the prompts' order");
  assertEquals(expected.slice(0, 4).map((entry) => entry.temperature), [0, 0.7, 1, 0]);
  assert(expected.some(({ response }) => response.at(-1) === STOP), "some answers end");
  assert(expected.some(({ response }) => response.length === 12), "some reach the limit");
  for (const { response } of expected) {
    assert(response.length >= 1 && response.length <= 12);
    assert(!response.slice(0, -1).includes(STOP), "nothing follows the end");
  }
  device.close();
});

Deno.test("an answer is what the target says to the prompt alone, at its temperature", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const target = llamaModel({ device, config: TARGET, parameters });
  for (const [index, entry] of (await answersOf(device, parameters)).entries()) {
    const warp = chainWarps(temperature(entry.temperature), topP(entry.topP));
    const alone = limit(autoregressive({ target, warp }), entry.response.length);
    const { tokens } = await generate(alone, entry.prompt, { key: foldIn(keyOf(3), index) });
    assertEquals(tokens, entry.response, `prompt ${index}`);
  }
  device.close();
});

Deno.test("a set that was broken off at any answer goes on without loss or repeat", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const expected = await answersOf(device, parameters);
  await withFolder(async (folder) => {
    for (const breaks of [[1], [3, 11], [24], [5, 6, 7, 20]]) {
      const path = `${folder}/set-${breaks.join("-")}.jsonl`;
      for (const [round, stop] of [...breaks, Infinity].entries()) {
        const writer = await openDistillationWriter(path);
        const entries = distillationEntries({
          device,
          target: { config: TARGET, parameters },
          prompts: promptsOf(24),
          done: writer.count(),
          temperatures: [0, 0.7, 1],
          topP: 0.95,
          maximumTokens: 12,
          stopTokens: new Set([STOP]),
          seed: 3,
          sequences: 2 + round,
        });
        for await (const entry of entries) {
          await writer.append(entry);
          if (writer.count() >= stop) break;
        }
        await writer.close();
        // A killed process may leave half a line.
        const half = '{"prompt":[1,2],"respon';
        if (stop < Infinity) await Deno.writeTextFile(path, half, { append: true });
      }
      assertEquals(await readDistillationSet(path, TARGET.vocabulary), expected);
    }
  });
  const slots = device.counters().liveSlots;
  await answersOf(device, parameters);
  assertEquals(device.counters().liveSlots, slots, "a loop that was left released its cache");
  device.close();
});

Deno.test("an aborted set ends with the signal's reason and releases its cache", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const slots = device.counters().liveSlots;
  const abort = new AbortController();
  abort.abort(new Error("enough"));
  await assertRejects(
    () => answersOf(device, parameters, { signal: abort.signal }),
    Error,
    "enough",
  );
  assertEquals(device.counters().liveSlots, slots);
  device.close();
});
