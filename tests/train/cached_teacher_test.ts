/** Finetuning without the target at hand, and over a trimmed vocabulary. */
import { assert, assertAlmostEquals, assertThrows } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { keyOf } from "../../src/core/random.ts";
import { batches, type PackedBatch } from "../../src/data/mod.ts";
import { kld } from "../../src/losses/mod.ts";
import {
  initLlama,
  type LlamaConfig,
  tinyLlama,
  type TrimmedVocabulary,
  trimmedVocabulary,
} from "../../src/nn/mod.ts";
import { adamW, constantSchedule } from "../../src/optim/mod.ts";
import { createDevice, type Device, read, uploadTree } from "../../src/runtime/mod.ts";
import {
  cachedTeacherBatch,
  distillationBatch,
  distilledEntries,
  finetuner,
  pretrainer,
  textBatch,
} from "../../src/train/mod.ts";
import { responseDocument } from "../../src/data/documents.ts";

const VOCABULARY = 40;
const TARGET = tinyLlama({ width: 32, layers: 2, vocabulary: VOCABULARY, contextLength: 32 });
/** A target with opinions: its weights are larger than a first draft's. */
const WEIGHTS = {
  ...initLlama(keyOf(5), TARGET),
  embedding: (() => {
    const { embedding } = initLlama(keyOf(5), TARGET);
    return { ...embedding, data: Float32Array.from(embedding.data, (value) => 12 * value) };
  })(),
};
const TRIMMED = trimmedVocabulary([0, 3, 5, 6, 9, 11, 17, 20, 21, 30], VOCABULARY);
const optimizer = adamW({ rate: constantSchedule(0.01) });

/** A batch of the target's answers with all of its distributions. */
async function batchOf(device: Device): Promise<PackedBatch> {
  const parameters = uploadTree(device, WEIGHTS);
  const entries = await Array.fromAsync(distilledEntries({
    device,
    target: { config: TARGET, parameters },
    prompts: [[1, 2, 3], [3, 4], [30, 7, 5], [9]],
    done: 0,
    temperatures: [1],
    topP: 1,
    maximumTokens: 9,
    stopTokens: new Set(),
    seed: 1,
    sequences: 4,
    teacherTokens: VOCABULARY,
  }));
  const documents = entries.map(({ entry, teacher }) => ({
    ...responseDocument(entry.prompt, entry.response),
    teacher: () => teacher,
  }));
  const corpus = { length: documents.length, document: (index: number) => documents[index] };
  const { init, step } = batches(corpus, { key: keyOf(1), rowsPerBatch: 48, sequenceLength: 32 });
  return step(init()).batch;
}

/** The metrics of a first step, cached or with the target at work. */
async function firstStep(
  device: Device,
  rows: PackedBatch,
  { kept, vocabulary }: { readonly kept?: number; readonly vocabulary?: TrimmedVocabulary },
): Promise<{ loss: number; alpha: number; gradientNorm: number }> {
  const config: LlamaConfig = {
    ...TARGET,
    layers: 1,
    vocabulary: vocabulary?.classes ?? VOCABULARY,
  };
  const target = { config: TARGET, parameters: uploadTree(device, WEIGHTS) };
  const trainer = finetuner({
    device,
    config,
    optimizer,
    loss: kld,
    textWeight: 0,
    target: kept === undefined ? target : "cached",
    vocabulary,
  });
  const batch = distillationBatch(rows);
  const given = kept === undefined
    ? batch
    : cachedTeacherBatch(batch, rows.teacher, { kept, vocabulary });
  const { metrics } = trainer.step(trainer.init(initLlama(keyOf(2), config)), given);
  const value = async (name: string) => (await read(metrics[name]))[0];
  return {
    loss: await value("loss"),
    alpha: await value("alpha"),
    gradientNorm: await value("gradientNorm"),
  };
}

for (const vocabulary of [undefined, TRIMMED]) {
  const name = vocabulary === undefined ? "the whole vocabulary" : "a trimmed vocabulary";
  Deno.test(`over ${name}, cached distributions teach what the target itself does`, async () => {
    const device = createDevice(wasmBackend());
    const rows = await batchOf(device);
    const wanted = await firstStep(device, rows, { vocabulary });
    const found = await firstStep(device, rows, { kept: VOCABULARY, vocabulary });
    assertAlmostEquals(found.loss, wanted.loss, 1e-4);
    assertAlmostEquals(found.alpha, wanted.alpha, 1e-4);
    assertAlmostEquals(found.gradientNorm, wanted.gradientNorm, 1e-4);
    assert(wanted.loss > 0.1 && wanted.alpha < 0.9, "there is something to learn");
    // Fewer tokens leave a coarser law, which is never further from the draft's.
    let [loss, alpha] = [Infinity, 0];
    for (const kept of [VOCABULARY, 20, 5, 1]) {
      const coarser = await firstStep(device, rows, { kept, vocabulary });
      assert(coarser.loss <= loss + 1e-4 && coarser.alpha >= alpha - 1e-4, `${kept} tokens`);
      ({ loss, alpha } = coarser);
    }
    device.close();
  });
}

Deno.test("alpha of a trimmed draft counts what it can draft, and nothing of the class of others", async () => {
  const device = createDevice(wasmBackend());
  const rows = await batchOf(device);
  const { alpha } = await firstStep(device, rows, { vocabulary: TRIMMED });
  // A draft that has learnt nothing gives each of its tokens about a tenth.
  let [expected, counted] = [0, 0];
  rows.teacher.forEach((row, i) => {
    if (row === undefined || rows.lossMask[i] === 0) return;
    counted++;
    row.tokens.forEach((token, k) => {
      if (TRIMMED.classOf(token) === TRIMMED.other) return;
      expected += Math.min(0.1, Math.exp(row.logProbs[k]));
    });
  });
  assertAlmostEquals(alpha, expected / counted, 0.03);
  device.close();
});

Deno.test("text is learnt in classes: of ten known tokens and all others", async () => {
  const device = createDevice(wasmBackend());
  const config = { ...TARGET, layers: 1, vocabulary: TRIMMED.classes };
  const trainer = pretrainer({ device, config, optimizer, vocabulary: TRIMMED });
  const tokens = Int32Array.from({ length: 24 }, (_, i) => (i % 2 === 0 ? 5 : i) % VOCABULARY);
  const rows = {
    tokens,
    targets: Int32Array.from(tokens, (_, i) => tokens[i + 1] ?? -1),
    lossMask: Float32Array.from(tokens, (_, i) => i + 1 < tokens.length ? 1 : 0),
    starts: new Int32Array(24),
    positions: Int32Array.from(tokens.keys()),
  };
  let state = trainer.init(initLlama(keyOf(3), config));
  const losses: number[] = [];
  for (let i = 0; i < 40; i++) {
    const made = trainer.step(state, textBatch(rows));
    state = made.state;
    losses.push((await read(made.metrics.loss))[0]);
  }
  assertAlmostEquals(losses[0], Math.log(TRIMMED.classes), 0.2);
  assert(losses[39] < 0.5, "every second token is 5, and most others are others");
  device.close();
});

Deno.test("a row that counts and has no distribution is an error before any step", async () => {
  const device = createDevice(wasmBackend());
  const rows = await batchOf(device);
  const without = rows.teacher.map(() => undefined);
  const make = () => cachedTeacherBatch(distillationBatch(rows), without, { kept: 4 });
  assertThrows(make, OutriderError, "a token without");
  device.close();
});
