/** A run of a block drafter that ended anywhere goes on to the bits of one that was not disturbed. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { createDevice, type Device, releaseTree, uploadTree } from "../../src/runtime/mod.ts";
import {
  type BlockStageOptions,
  type BlockStageResult,
  type StepNotice,
  trainBlockDrafter,
} from "../../src/train/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import {
  BLOCK_DRAFT,
  DRAFTED,
  featureCorpus,
  firstBlockDraft,
  KEPT,
  sharedOf,
  uploadTarget,
} from "./block_world.ts";
import { bitsOf } from "./world.ts";

const learnt = await (async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const { corpus } = await featureCorpus(device, parameters, 30);
  const shared = await sharedOf(parameters);
  device.close();
  const part = (from: number, length: number) => ({
    length,
    document: (index: number) => corpus.document(from + index),
  });
  return { shared, set: part(0, 22), heldOut: part(22, 8) };
})();

const RUN = { steps: 17, rowsPerBatch: 64, rate: 0.01, seed: 1, saveEvery: 5, anchors: 12 };

async function onDevice<Result>(use: (device: Device) => Promise<Result>): Promise<Result> {
  const device = createDevice(wasmBackend());
  try {
    return await use(device);
  } finally {
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  }
}

const train = (options: Partial<BlockStageOptions> = {}): Promise<BlockStageResult> =>
  onDevice(async (device) => {
    const shared = uploadTree(device, learnt.shared);
    try {
      return await trainBlockDrafter({
        device,
        config: BLOCK_DRAFT,
        parameters: firstBlockDraft(),
        shared,
        vocabulary: DRAFTED,
        set: learnt.set,
        cachedTokens: KEPT,
        loss: "kld",
        ...RUN,
        ...options,
      });
    } finally {
      releaseTree(shared);
    }
  });

Deno.test("a run that broke or was stopped at any step ends in the same bits", () =>
  withFolder(async (folder) => {
    const whole = `${folder}/whole`;
    const bits = bitsOf((await train({ checkpoint: whole })).parameters);
    assert(bits.size > 10);
    for (const last of [1, 5, 6, 16]) {
      const checkpoint = `${folder}/broken-${last}`;
      const onStep = ({ step }: StepNotice) => {
        if (step === last) throw new Error("the power went");
      };
      await assertRejects(() => train({ checkpoint, onStep }), Error, "the power went");
      const resumed = await train({ checkpoint });
      assertEquals(bitsOf(resumed.parameters), bits, `broken at step ${last}`);
      assertEquals(await Deno.readFile(checkpoint), await Deno.readFile(whole));
    }
    const checkpoint = `${folder}/stopped`;
    const stop = new AbortController();
    const onStep = ({ step }: StepNotice) => step === 8 && stop.abort();
    const stopped = await train({
      checkpoint,
      signal: stop.signal,
      onStep: (notice) => void onStep(notice),
    });
    assertEquals(stopped.step, 8);
    assertEquals(bitsOf((await train({ checkpoint })).parameters), bits);
    const other = train({ checkpoint, anchors: 13 });
    await assertRejects(() => other, OutriderError, "a checkpoint with anchors 13");
  }));

Deno.test("noise on features and weight decay are the same after a break, and not in scores", () =>
  withFolder(async (folder) => {
    const validation = { corpus: learnt.heldOut, every: 1, batches: 2 };
    const options = { featureNoise: { dropout: 0.3, noise: 0.2 }, weightDecay: 0.4 };
    const plain = bitsOf((await train()).parameters);
    const bits = bitsOf((await train(options)).parameters);
    const alone = [{ featureNoise: options.featureNoise }, { weightDecay: 0.4 }];
    for (const run of [options, ...alone]) {
      const made = run === options ? bits : bitsOf((await train(run)).parameters);
      assert(made.get("fuse")?.join() !== plain.get("fuse")?.join());
    }
    const checkpoint = `${folder}/broken`;
    const onStep = ({ step }: StepNotice) => {
      if (step === 8) throw new Error("the power went");
    };
    await assertRejects(() => train({ ...options, checkpoint, onStep }), Error, "the power went");
    await assertRejects(
      () => train({ ...options, checkpoint, weightDecay: 0.5 }),
      OutriderError,
      "a checkpoint with weightDecay 0.5",
    );
    assertEquals(bitsOf((await train({ ...options, checkpoint })).parameters), bits);
    // At a rate of 0 nothing is learnt, so that scores tell what they are scored on.
    const scores: (number | undefined)[] = [];
    for (const run of [{}, { featureNoise: options.featureNoise }]) {
      const onStep = ({ metrics }: StepNotice) => void scores.push(metrics.validationAlpha);
      await train({ ...run, steps: 1, rate: 0, validation, onStep });
    }
    assert(scores[0] !== undefined);
    assertEquals(scores[0], scores[1]);
  }));

Deno.test("held-out acceptance rises, is the same every time, and the best drafter is kept", async () => {
  const notices: StepNotice[] = [];
  const kept: BlockStageResult[] = [];
  const validation = { corpus: learnt.heldOut, every: 10, batches: 2 };
  const result = await train({
    steps: 60,
    validation,
    onStep: (notice) => void notices.push(notice),
    onBest: (best) => Promise.resolve(void kept.push(best)),
  });
  const scores = notices.flatMap(({ metrics }) => metrics.validationAlpha ?? []);
  assertEquals(scores.length, 6);
  assert(scores[5] > scores[0] + 0.02, `${scores}`);
  assertEquals(kept.at(-1)?.step, result.best?.step);
  assertEquals(result.best?.score, Math.max(...scores));
  const names = Object.keys(notices[9].metrics);
  for (const name of ["loss", "alpha", "alpha0", "alpha2", "validationAlpha2", "gradientNorm"]) {
    assert(names.includes(name), name);
  }
  assertEquals(notices[0].tokens, RUN.anchors * BLOCK_DRAFT.block);
  assertEquals(
    bitsOf(result.parameters),
    bitsOf((await train({ steps: 60 })).parameters),
    "scoring changes nothing",
  );
});

Deno.test("weights of places and the temperature of the loss change what is learnt", async () => {
  const plain = await train({ steps: 3 });
  for (const options of [{ decay: 0.5 }, { temperature: 0.7 }, { loss: "tvd" as const }]) {
    const other = await train({ steps: 3, ...options });
    assert(
      bitsOf(other.parameters).get("fuse")?.join() !== bitsOf(plain.parameters).get("fuse")?.join(),
    );
  }
});
