/** Weights that are not numbers stop a run with the reason, and its last checkpoint stands. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { hostTensor, isHostTensor } from "../../src/core/host_tensor.ts";
import { keyOf } from "../../src/core/random.ts";
import { mapTree } from "../../src/core/tree.ts";
import { distillationCorpus } from "../../src/data/mod.ts";
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
import { finetuneDraft, type FinetuneOptions, pretrainDraft } from "../../src/train/mod.ts";
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
  steps: 12,
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
        `expected a finite ${metric}, found NaN in step 7`,
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

Deno.test("a draft that is not a number is refused in its first step, and nothing is saved", () =>
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
    await assertRejects(run, OutriderError, "found NaN in step 1");
    assertEquals([...Deno.readDirSync(folder)], []);
    releaseTree(good);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  }));

Deno.test("data that spoil a later step leave the checkpoint of the steps before it", () =>
  withFolder(async (folder) => {
    const device = createDevice(wasmBackend());
    const checkpoint = `${folder}/checkpoint`;
    const steps: number[] = [];
    // Broken data come after step 9: behind the checkpoint of step 8.
    const corpus = {
      length: COUNTING.length,
      document: (index: number) => {
        const { tokens, weights } = COUNTING.document(index);
        return { tokens, weights: steps.length < 9 ? weights : weights.map(() => NaN) };
      },
    };
    const { config, rate, rowsPerBatch, seed, saveEvery } = RUN;
    const run = { device, config, rate, rowsPerBatch, seed, saveEvery, steps: 12 };
    const failing = () =>
      pretrainDraft({ ...run, corpus, checkpoint, onStep: ({ step }) => void steps.push(step) });
    await assertRejects(failing, OutriderError, "found NaN in step 10");
    assertEquals(steps, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const resumed: number[] = [];
    const onStep = ({ step }: { readonly step: number }) => void resumed.push(step);
    const result = await pretrainDraft({ ...run, corpus: COUNTING, checkpoint, onStep });
    assertEquals(resumed, [9, 10, 11, 12], "it goes on after the last checkpoint, step 8");
    const expected = await pretrainDraft({ ...run, corpus: COUNTING });
    assertEquals(bitsOf(result.parameters), bitsOf(expected.parameters));
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  }));

for (const loss of Object.keys(losses).filter(isLossName)) {
  Deno.test(`${loss}: a target with one weight that is not finite is refused in the first step`, async () => {
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
      await assertRejects(run, OutriderError, "found NaN in step 1");
      releaseTree(parameters);
    }
    releaseTree(good);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  });
}
