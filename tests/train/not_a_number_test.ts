/** Weights that are not numbers stop a run with the reason, and its last checkpoint stands. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { type HostTensor, hostTensor, isHostTensor } from "../../src/core/host_tensor.ts";
import { keyOf } from "../../src/core/random.ts";
import { mapTree } from "../../src/core/tree.ts";
import { batches, type Corpus, distillationCorpus } from "../../src/data/mod.ts";
import { isLossName, losses } from "../../src/losses/mod.ts";
import { initLlama, type LlamaParameters } from "../../src/nn/mod.ts";
import {
  createDevice,
  type Device,
  type DeviceArray,
  downloadTree,
  releaseTree,
  uploadTree,
} from "../../src/runtime/mod.ts";
import {
  batchOfStep,
  draftOptimizer,
  finetuneDraft,
  type FinetuneOptions,
  newRun,
  pretrainDraft,
  pretrainer,
  type RowBatch,
  type StepNotice,
  textBatch,
  trainLoop,
} from "../../src/train/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { answersOf, bitsOf, COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

/** The world's target with one number of one matrix spoilt. */
async function brokenTarget(device: Device, value: number): Promise<LlamaParameters<DeviceArray>> {
  const whole = uploadTarget(device);
  const weights = await downloadTree(whole);
  releaseTree(whole);
  const query = weights.layers[1].query;
  const values = Float32Array.from(query.data);
  values[5] = value;
  const layers = weights.layers.map((layer, index) =>
    index === 1 ? { ...layer, query: hostTensor(values, query.shape) } : layer
  );
  return uploadTree(device, { ...weights, layers });
}

const RUN = {
  config: DRAFT,
  steps: 20,
  rowsPerBatch: 64,
  rate: 0.01,
  seed: 1,
  saveEvery: 4,
  temperature: 1,
  mix: { corpus: COUNTING, share: 0.25 },
} as const;

/** Losses by what they refuse first: those made of comparisons stay finite themselves. */
const REFUSALS = [["kld", "loss"], ["tvd", "loss"], ["tvd++", "alpha"]] as const;

for (const [loss, metric] of REFUSALS) {
  Deno.test(`${loss}: a target that is not a number stops the run, and the checkpoint stands`, () =>
    withFolder(async (folder) => {
      const device = createDevice(wasmBackend());
      const good = uploadTarget(device);
      const set = distillationCorpus(await answersOf(device, good));
      const run = (
        parameters: LlamaParameters<DeviceArray>,
        more: Pick<FinetuneOptions, "checkpoint" | "signal" | "onStep">,
      ) =>
        finetuneDraft({
          ...RUN,
          ...more,
          device,
          loss,
          set,
          parameters: initLlama(keyOf(1), DRAFT),
          target: { config: TARGET, parameters },
        });
      const expected = await run(good, {});
      const checkpoint = `${folder}/checkpoint`;
      const abort = new AbortController();
      const stopAt = ({ step }: { readonly step: number }) => {
        if (step === 6) abort.abort();
      };
      assertEquals((await run(good, { checkpoint, signal: abort.signal, onStep: stopAt })).step, 6);
      const saved = await Deno.readFile(checkpoint);
      const broken = await brokenTarget(device, NaN);
      const slots = device.counters().liveSlots;
      const error = await assertRejects(
        () => run(broken, { checkpoint }),
        OutriderError,
        `expected a finite ${metric}, found NaN in steps 7 to 16`,
      );
      assert(!error.message.includes("\n"));
      assertEquals(device.counters().liveSlots, slots, "the draft's state was given back");
      assertEquals(await Deno.readFile(checkpoint), saved);
      assertEquals([...Deno.readDirSync(folder)].length, 1, "no half-written file stays");
      const resumed = await run(good, { checkpoint });
      assertEquals(bitsOf(resumed.parameters), bitsOf(expected.parameters));
      releaseTree([good, broken]);
      assertEquals(device.counters().liveSlots, 0);
      device.close();
    }));
}

Deno.test("a draft that is not a number stops the run, and nothing is saved", () =>
  withFolder(async (folder) => {
    const device = createDevice(wasmBackend());
    const good = uploadTarget(device);
    const set = distillationCorpus(await answersOf(device, good));
    const spoilt = mapTree(
      initLlama(keyOf(1), DRAFT),
      isHostTensor,
      (leaf) => hostTensor(Float32Array.from(leaf.data, () => NaN), leaf.shape),
    );
    const run = () =>
      finetuneDraft({
        ...RUN,
        device,
        loss: "tvd++",
        set,
        parameters: spoilt,
        target: { config: TARGET, parameters: good },
        checkpoint: `${folder}/checkpoint`,
      });
    await assertRejects(run, OutriderError, "found NaN in steps 1 to 10");
    assertEquals([...Deno.readDirSync(folder)], []);
    releaseTree(good);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  }));

/** The counting corpus with weights that are not numbers where `isBroken` says so. */
function spoilt(isBroken: () => boolean): Corpus {
  return {
    length: COUNTING.length,
    document: (index) => {
      const { tokens, weights } = COUNTING.document(index);
      return { tokens, weights: isBroken() ? weights.map(() => NaN) : weights };
    },
  };
}

Deno.test("data that stay broken end a run with its last good state, from which it goes on", () =>
  withFolder(async (folder) => {
    const device = createDevice(wasmBackend());
    const checkpoint = `${folder}/checkpoint`;
    const { config, rate, rowsPerBatch, seed, saveEvery, steps } = RUN;
    const run = { device, config, rate, rowsPerBatch, seed, saveEvery, steps };
    const seen: StepNotice[] = [];
    // Broken data come after step 9: behind the checkpoint of step 8.
    const corpus = spoilt(() => seen.length >= 9);
    const failing = () =>
      pretrainDraft({ ...run, corpus, checkpoint, onStep: (notice) => void seen.push(notice) });
    await assertRejects(failing, OutriderError, "a finite loss, found NaN in steps 10 to 19");
    assertEquals(seen.map(({ step }) => step), Array.from({ length: 19 }, (_, i) => i + 1));
    assertEquals(seen.map(({ metrics }) => metrics.skipped).slice(8), [
      0,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      10,
    ]);
    const resumed: number[] = [];
    const onStep = ({ step }: { readonly step: number }) => void resumed.push(step);
    const result = await pretrainDraft({ ...run, corpus: COUNTING, checkpoint, onStep });
    assertEquals(resumed[0], 10, "it goes on after the last good step");
    const expected = await pretrainDraft({ ...run, corpus: COUNTING });
    assertEquals(bitsOf(result.parameters), bitsOf(expected.parameters));
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  }));

Deno.test("a step that is not finite is skipped: the run ends as one without it", async () => {
  const device = createDevice(wasmBackend());
  const { config, rowsPerBatch } = RUN;
  const packed = batches(COUNTING, { key: keyOf(3), rowsPerBatch, sequenceLength: 48 });
  const good = Array.from({ length: 14 }, (_, step) => textBatch(packed.at(step)));
  const bad = (value: number) => {
    const lossMask = good[0].textMask.data.map(() => value);
    return textBatch({ ...packed.at(0), lossMask: Float32Array.from(lossMask) });
  };
  const optimizer = draftOptimizer({ steps: 20, rate: 0.01 });
  const run = async (given: readonly RowBatch<HostTensor>[]) => {
    const trainer = pretrainer({ device, config, optimizer });
    const source = batchOfStep((step) => given[step]);
    const notices: StepNotice[] = [];
    const { state } = await trainLoop({
      trainer,
      state: trainer.init(initLlama(keyOf(1), config)),
      progress: newRun(source),
      totalSteps: given.length,
      source,
      onStep: (notice) => void notices.push(notice),
    });
    const { parameters, optimizer: { inner } } = await downloadTree(state);
    releaseTree(state);
    return { bits: bitsOf({ parameters, inner }), notices };
  };
  const expected = await run(good);
  for (const value of [NaN, Infinity]) {
    const nine = Array.from({ length: 9 }, () => bad(value));
    const found = await run([bad(value), ...good.slice(0, 5), ...nine, ...good.slice(5)]);
    assertEquals(found.bits, expected.bits, "weights and optimiser are those of the good steps");
    const skipped = found.notices.map(({ metrics }) => metrics.skipped);
    const counts = [1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...good.slice(5).map(() => 10)];
    assertEquals(skipped, counts);
  }
  assertEquals(device.counters().liveSlots, 0);
  device.close();
});

for (const loss of Object.keys(losses).filter(isLossName)) {
  Deno.test(`${loss}: a target with one weight that is not finite stops the run`, async () => {
    const device = createDevice(wasmBackend());
    const good = uploadTarget(device);
    const set = distillationCorpus(await answersOf(device, good));
    for (const value of [NaN, Infinity, -Infinity]) {
      const parameters = await brokenTarget(device, value);
      const run = () =>
        finetuneDraft({
          ...RUN,
          device,
          loss,
          set,
          parameters: initLlama(keyOf(1), DRAFT),
          target: { config: TARGET, parameters },
        });
      await assertRejects(run, OutriderError, "found NaN in steps 1 to 10");
      releaseTree(parameters);
    }
    releaseTree(good);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  });
}
