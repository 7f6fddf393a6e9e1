/** The distillation set: the same whatever is at work together, and whole however often it stops. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { foldIn, keyOf } from "../../src/core/random.ts";
import {
  type DistillationEntry,
  openDistillationSet,
  openSetWriter,
  type SetManifest,
} from "../../src/data/mod.ts";
import { readShards } from "../../src/data/set_folder.ts";
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
import { distilledEntries } from "../../src/train/mod.ts";
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

const MANIFEST: SetManifest = {
  version: 1,
  target: "a random model",
  dtype: "f32",
  tokenizerHash: "none",
  templateHash: "none",
  vocabulary: TARGET.vocabulary,
  prompts: "random",
  maximumPrompt: 64,
  maximumTokens: 12,
  temperatures: [0, 0.7, 1],
  topP: 0.95,
  seed: 3,
  teacherTokens: 4,
  entriesPerShard: 10,
};

/** A killed process may leave half a line, and rows of the teacher without a line. */
async function tear(path: string): Promise<void> {
  const last = (await readShards(path)).at(-1)?.path ?? "";
  await Deno.writeTextFile(last, '{"prompt":[1,2],"respon', { append: true });
  await Deno.writeFile(last.replace("jsonl", "teacher"), new Uint8Array(37), { append: true });
}

/** The rows beside a set are those of a greedy answer's own tokens, in their places. */
async function checkTeacher(path: string, expected: readonly DistillationEntry[]): Promise<void> {
  const set = await openDistillationSet(path);
  assertEquals(set.corpus.length, expected.length);
  for (const [index, { response, temperature }] of expected.entries()) {
    const rows = set.corpus.document(index).teacher?.() ?? [];
    assertEquals(rows.length, response.length);
    for (const [i, { tokens, logProbs }] of rows.entries()) {
      if (temperature === 0) assertEquals(tokens[0], response[i]);
      assert(logProbs.every((value, k) => value <= (logProbs[k - 1] ?? 0)), "likeliest first");
    }
  }
  set.close();
}

Deno.test("a set that was broken off at any answer goes on without loss or repeat", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const expected = await answersOf(device, parameters);
  await withFolder(async (folder) => {
    for (const breaks of [[1], [3, 11], [24], [5, 6, 7, 20]]) {
      const path = `${folder}/set-${breaks.join("-")}`;
      await Deno.mkdir(path);
      for (const [round, stop] of [...breaks, Infinity].entries()) {
        const writer = await openSetWriter(path, MANIFEST);
        const entries = distilledEntries({
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
          teacherTokens: MANIFEST.teacherTokens,
        });
        for await (const { entry, teacher } of entries) {
          await writer.append(entry, teacher);
          if (writer.count() >= stop) break;
        }
        await writer.close();
        if (stop < Infinity) await tear(path);
      }
      const shards = await readShards(path, TARGET.vocabulary);
      assertEquals(shards.flatMap(({ entries }) => entries), expected);
      assert(shards.slice(0, -1).every(({ entries }) => entries.length === 10));
      await checkTeacher(path, expected);
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
