/** The recipe on a tiny world: every stage does what it is for, and leaves nothing behind. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import { type Corpus, distillationCorpus } from "../../src/data/mod.ts";
import { initLlama } from "../../src/nn/mod.ts";
import { createDevice, releaseTree } from "../../src/runtime/mod.ts";
import {
  finetuneDraft,
  type FinetuneOptions,
  pretrainDraft,
  type StepNotice,
} from "../../src/train/mod.ts";
import { answersOf, COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

/** The mean of a metric over the first and over the last five steps. */
function ends(notices: readonly StepNotice[], name: string): readonly [number, number] {
  const mean = (part: readonly StepNotice[]) =>
    part.reduce((sum, { metrics }) => sum + metrics[name], 0) / part.length;
  return [mean(notices.slice(0, 5)), mean(notices.slice(-5))];
}

const PRETRAINING = { config: DRAFT, steps: 60, rowsPerBatch: 96, rate: 0.02, seed: 1 };

Deno.test("pretraining learns to count, and nothing stays on the device", async () => {
  const device = createDevice(wasmBackend());
  const notices: StepNotice[] = [];
  const onStep = (notice: StepNotice) => void notices.push(notice);
  const result = await pretrainDraft({ device, corpus: COUNTING, ...PRETRAINING, onStep });
  const [first, last] = ends(notices, "loss");
  assert(first > 2.3, `the first loss is near ln 16, not ${first}`);
  assert(last < 0.9, `the loss fell to ${last} only`);
  assertEquals(result.step, 60);
  assertEquals(notices.map(({ step }) => step), Array.from({ length: 60 }, (_, i) => i + 1));
  assert(notices.every(({ tokens, seconds }) => tokens === 96 && seconds > 0));
  assertEquals(device.counters().liveSlots, 0);
  device.close();
});

for (const loss of ["kld", "tvd", "tvd++"] as const) {
  Deno.test(`finetuning with ${loss} raises acceptance, and only the target stays`, async () => {
    const device = createDevice(wasmBackend());
    const parameters = uploadTarget(device);
    const targetSlots = device.counters().liveSlots;
    const entries = await answersOf(device, parameters);
    assertEquals(device.counters().liveSlots, targetSlots);
    const notices: StepNotice[] = [];
    const options: FinetuneOptions = {
      ...PRETRAINING,
      device,
      steps: 80,
      parameters: initLlama(keyOf(1), DRAFT),
      target: { config: TARGET, parameters },
      loss,
      temperature: 1,
      set: distillationCorpus(entries),
      mix: { corpus: COUNTING, share: 0.1 },
      onStep: (notice) => void notices.push(notice),
    };
    const { step } = await finetuneDraft(options);
    const [before, after] = ends(notices, "alpha");
    assertEquals(step, 80);
    assert(after > before + 0.1, `acceptance went from ${before} to ${after}`);
    const [dear, cheap] = ends(notices, "distilled");
    assert(cheap < dear, `the loss went from ${dear} to ${cheap}`);
    assertEquals(device.counters().liveSlots, targetSlots);
    releaseTree(parameters);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  });
}

Deno.test("data that are not numbers stop a run with the reason, and nothing stays", async () => {
  const device = createDevice(wasmBackend());
  const broken: Corpus = {
    length: 40,
    document: (index) => {
      const { tokens, weights } = COUNTING.document(index);
      return { tokens, weights: weights.map(() => Infinity) };
    },
  };
  const run = () => pretrainDraft({ device, corpus: broken, ...PRETRAINING });
  await assertRejects(run, Error, "expected a finite loss, found NaN in steps 1 to 10");
  assertEquals(device.counters().liveSlots, 0);
  device.close();
});
