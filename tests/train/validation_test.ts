/** Data held out are scored when asked, the same every time, and change nothing. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import { batches, type Corpus, distillationCorpus } from "../../src/data/mod.ts";
import { initLlama } from "../../src/nn/mod.ts";
import { createDevice, read, releaseTree } from "../../src/runtime/mod.ts";
import {
  draftOptimizer,
  finetuneDraft,
  pretrainDraft,
  pretrainer,
  type StageOptions,
  type StageResult,
  type StepNotice,
  textBatch,
} from "../../src/train/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { answersOf, bitsOf, COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

/** The last ten texts, and those before. */
const HELD_OUT: Corpus = { length: 10, document: (index) => COUNTING.document(30 + index) };
const LEARNT: Corpus = { length: 30, document: COUNTING.document };
const RUN = { config: DRAFT, steps: 12, rowsPerBatch: 64, rate: 0.02, seed: 1 };

async function pretraining(options: Partial<StageOptions>) {
  const device = createDevice(wasmBackend());
  const notices: StepNotice[] = [];
  const onStep = (notice: StepNotice) => void notices.push(notice);
  const { parameters } = await pretrainDraft({
    device,
    ...RUN,
    corpus: LEARNT,
    onStep,
    ...options,
  });
  assertEquals(device.counters().liveSlots, 0);
  device.close();
  return { notices, parameters };
}

const validation = { corpus: HELD_OUT, every: 5, batches: 2 };

Deno.test("held-out text is scored every few steps and at the end, and the weights are the same", async () => {
  const { notices, parameters } = await pretraining({ validation });
  const scored = notices.filter(({ metrics }) => metrics.validationLoss !== undefined);
  assertEquals(scored.map(({ step }) => step), [5, 10, 12]);
  assert(scored[2].metrics.validationLoss < scored[0].metrics.validationLoss);
  assertEquals(bitsOf(parameters), bitsOf((await pretraining({})).parameters));
  const device = createDevice(wasmBackend());
  const trainer = pretrainer({ device, config: DRAFT, optimizer: draftOptimizer(RUN) });
  const state = trainer.init(parameters);
  const packed = batches(HELD_OUT, { key: keyOf(1), rowsPerBatch: 64, sequenceLength: 48 });
  const losses: number[] = [];
  for (const step of [0, 1]) {
    const metrics = trainer.evaluate(state, textBatch(packed.at(step)));
    losses.push((await read(metrics.loss))[0]);
    releaseTree(metrics);
  }
  releaseTree(state);
  device.close();
  const mean = (losses[0] + losses[1]) / 2;
  assertAlmostEquals(scored[2].metrics.validationLoss, mean, 1e-6, "the loss of the last weights");
});

Deno.test("a run that goes on scores what an undisturbed one scores, to the bit", () =>
  withFolder(async (folder) => {
    const checkpoint = `${folder}/checkpoint`;
    const whole = await pretraining({ validation });
    const abort = new AbortController();
    const first: StepNotice[] = [];
    const onStep = (notice: StepNotice) => {
      first.push(notice);
      if (notice.step === 7) abort.abort();
    };
    await pretraining({ validation, checkpoint, signal: abort.signal, onStep });
    const { notices } = await pretraining({ validation, checkpoint });
    const metricsOf = (all: readonly StepNotice[]) => all.map(({ metrics }) => metrics);
    assertEquals(metricsOf([...first, ...notices]), metricsOf(whole.notices));
  }));

Deno.test("finetuning scores acceptance on answers held out", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const answers = await answersOf(device, parameters);
  const notices: StepNotice[] = [];
  await finetuneDraft({
    ...RUN,
    device,
    parameters: initLlama(keyOf(1), DRAFT),
    target: { config: TARGET, parameters },
    loss: "tvd++",
    temperature: 1,
    set: distillationCorpus(answers.slice(0, 16)),
    mix: { corpus: COUNTING, share: 0.25 },
    validation: { corpus: distillationCorpus(answers.slice(16)), every: 6, batches: 1 },
    onStep: (notice) => void notices.push(notice),
  });
  const alphas = notices.map(({ metrics }) => metrics.validationAlpha);
  assertEquals(
    alphas.map((alpha) => alpha !== undefined),
    notices.map(({ step }) => step % 6 === 0),
  );
  assert(alphas[11] > alphas[5] && alphas[11] < 1, `${alphas}`);
  releaseTree(parameters);
  assertEquals(device.counters().liveSlots, 0);
  device.close();
});

Deno.test("scoring keeps the state, and releases what it made", async () => {
  const device = createDevice(wasmBackend());
  const trainer = pretrainer({ device, config: DRAFT, optimizer: draftOptimizer(RUN) });
  const state = trainer.init(initLlama(keyOf(1), DRAFT));
  const slots = device.counters().liveSlots;
  const packed = batches(HELD_OUT, { key: keyOf(1), rowsPerBatch: 64, sequenceLength: 48 });
  const scores: number[] = [];
  for (let i = 0; i < 2; i++) {
    const metrics = trainer.evaluate(state, textBatch(packed.at(0)));
    scores.push((await read(metrics.loss))[0]);
    releaseTree(metrics);
    assertEquals(device.counters().liveSlots, slots);
  }
  assertEquals(scores[0], scores[1]);
  const { metrics, state: next } = trainer.step(state, textBatch(packed.at(0)));
  assertEquals((await read(metrics.loss))[0], scores[0], "a step reports the same loss");
  releaseTree([metrics, next]);
  assertEquals(device.counters().liveSlots, 0);
  device.close();
});

/** Texts that count down: of what is learnt first, which tokens come at all, they are like those. */
const DOWNWARDS: Corpus = {
  length: 10,
  document: (index) => {
    const { tokens, weights } = HELD_OUT.document(index);
    return { tokens: tokens.toReversed(), weights };
  },
};
const LONG = { ...RUN, steps: 24, rate: 0.05 };
const often = { corpus: DOWNWARDS, every: 2, batches: 2 };

/** A run that gets better and then worse on these, and every draft that was the best of its time. */
async function scoredRun(options: Partial<StageOptions> = {}) {
  const device = createDevice(wasmBackend());
  const scores: { step: number; score: number }[] = [];
  const kept: StageResult[] = [];
  const result = await pretrainDraft({
    device,
    ...LONG,
    corpus: LEARNT,
    validation: often,
    ...options,
    onBest: (draft) => Promise.resolve(void kept.push(draft)),
    onStep: (notice) => {
      const { validationLoss } = notice.metrics;
      if (validationLoss !== undefined) scores.push({ step: notice.step, score: -validationLoss });
      options.onStep?.(notice);
    },
  });
  assertEquals(device.counters().liveSlots, 0);
  device.close();
  return { result, scores, kept };
}

Deno.test("the best of the validated steps is kept, the first where several are as good", async () => {
  const { result, scores, kept } = await scoredRun();
  const most = Math.max(...scores.map(({ score }) => score));
  const best = scores.find(({ score }) => score === most);
  assert(best !== undefined && best.step < LONG.steps, "the last step is not the best one");
  const bestStep = best?.step ?? NaN;
  assertEquals(result.best, best);
  assertEquals(kept.at(-1)?.best, best);
  assert(kept.every((draft, i) => i === 0 || draft.step > kept[i - 1].step));
  const stop = new AbortController();
  const { result: there } = await scoredRun({
    signal: stop.signal,
    onStep: ({ step }) => step === bestStep && stop.abort(),
  });
  assertEquals(there.step, bestStep);
  assertEquals(bitsOf(kept.at(-1)?.parameters), bitsOf(there.parameters), "its own weights");
});

Deno.test("a run that was stopped or broke at any step keeps the best of an undisturbed one", () =>
  withFolder(async (folder) => {
    const whole = await scoredRun();
    for (const last of [3, 9, 15, 21]) {
      const checkpoint = `${folder}/${last}`;
      const breaking = scoredRun({
        checkpoint,
        saveEvery: 5,
        onStep: ({ step }) => {
          if (step === last) throw new Error("the power went");
        },
      });
      await assertRejects(() => breaking, Error, "the power went");
      const { result, kept } = await scoredRun({ checkpoint, saveEvery: 5 });
      assertEquals(result.best, whole.result.best, `broken at step ${last}`);
      const [found, expected] = [kept.at(-1), whole.kept.at(-1)];
      if (found === undefined) assert((expected?.step ?? 0) <= last - last % 5);
      else assertEquals(bitsOf(found.parameters), bitsOf(expected?.parameters));
    }
  }));
