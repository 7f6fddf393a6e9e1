/** Options that make no sense are refused with one line, and a run that fails leaves nothing. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import { keyOf } from "../../src/core/random.ts";
import { losses } from "../../src/losses/mod.ts";
import { initLlama } from "../../src/nn/mod.ts";
import { adamW, constantSchedule } from "../../src/optim/mod.ts";
import { createDevice, type Device, releaseTree } from "../../src/runtime/mod.ts";
import {
  distillationBatch,
  type DistillOptions,
  finetuner,
  pretrainDraft,
  type StageOptions,
} from "../../src/train/mod.ts";
import { withFolder } from "../io/with_folder.ts";
import { answersOf, COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

/** Runs on a device on which nothing may stay. */
async function onDevice(use: (device: Device) => Promise<void>): Promise<void> {
  const device = createDevice(wasmBackend());
  await use(device);
  assertEquals(device.counters().liveSlots, 0);
  device.close();
}

async function assertRefused(run: () => Promise<unknown>, message: string): Promise<void> {
  const error = await assertRejects(run, OutriderError, message);
  assert(!error.message.includes("\n"));
}

function pretrain(device: Device, options: Partial<StageOptions>) {
  const run = { steps: 3, rowsPerBatch: 64, rate: 0.01, seed: 1, ...options };
  return pretrainDraft({ device, config: DRAFT, corpus: COUNTING, ...run });
}

Deno.test("a stage refuses steps, rows and pauses between checkpoints that make no sense", () =>
  onDevice(async (device) => {
    const cases: [Partial<StageOptions>, string][] = [
      [{ steps: -1 }, "steps"],
      [{ steps: 1.5 }, "steps"],
      [{ steps: NaN }, "steps"],
      [{ rowsPerBatch: 0 }, "found 0"],
      [{ rowsPerBatch: 2.5 }, "found 2.5"],
      [{ rowsPerBatch: NaN }, "found NaN"],
      [{ saveEvery: 0 }, "between checkpoints, found 0"],
      [{ saveEvery: -5 }, "between checkpoints, found -5"],
      [{ saveEvery: NaN }, "between checkpoints, found NaN"],
      [{ rate: NaN }, "a finite learning rate, found NaN"],
      [{ rate: Infinity }, "a finite learning rate"],
      [{ schedule: "constant", steps: NaN }, "steps"],
    ];
    for (const [options, message] of cases) {
      await assertRefused(() => pretrain(device, options), message);
      assertEquals(device.counters().liveSlots, 0);
    }
  }));

Deno.test("a checkpoint that cannot be a file is refused, and the first state is given back", () =>
  withFolder((folder) =>
    onDevice(async (device) => {
      const file = `${folder}/file`;
      await Deno.writeTextFile(file, "text");
      for (const checkpoint of [folder, `${file}/below`, `${folder}/none/below`]) {
        await assertRefused(() => pretrain(device, { checkpoint }), checkpoint);
        assertEquals(device.counters().liveSlots, 0, checkpoint);
      }
    })
  ));

Deno.test("distillation refuses counts with which no answer would come", () =>
  onDevice(async (device) => {
    const parameters = uploadTarget(device);
    const slots = device.counters().liveSlots;
    const cases: [Partial<DistillOptions>, string][] = [
      [{ done: -1 }, "entries done, found -1"],
      [{ done: 1.5 }, "entries done, found 1.5"],
      [{ done: NaN }, "entries done, found NaN"],
      [{ sequences: 0 }, "sequences at work, found 0"],
      [{ sequences: -1 }, "sequences at work, found -1"],
      [{ sequences: NaN }, "sequences at work, found NaN"],
      [{ temperatures: [] }, "1 or more temperatures, found 0"],
      [{ temperatures: [-1] }, "temperature"],
      [{ topP: 2 }, "top-p"],
      [{ prompts: [[]] }, "found one of 0"],
      [{ prompts: [new Array(60).fill(1)] }, "found one of 60"],
    ];
    for (const [options, message] of cases) {
      await assertRefused(() => answersOf(device, parameters, options), message);
      assertEquals(device.counters().liveSlots, slots);
    }
    assertEquals(await answersOf(device, parameters, { done: 25 }), [], "more than asked for");
    releaseTree(parameters);
  }));

Deno.test("a step that fails gives its rows back", () =>
  onDevice(async (device) => {
    const config = { ...DRAFT, vocabulary: 12 };
    const parameters = uploadTarget(device);
    const trainer = finetuner({
      device,
      config,
      optimizer: adamW({ rate: constantSchedule(0.01) }),
      loss: losses.kld,
      textWeight: 0,
      target: { config: TARGET, parameters },
    });
    const state = trainer.init(initLlama(keyOf(1), config));
    const slots = device.counters().liveSlots;
    const rows = {
      tokens: Int32Array.of(3, 1, 4),
      targets: Int32Array.of(1, 4, -1),
      lossMask: Float32Array.of(1, 1, 0),
      starts: Int32Array.of(0, 0, 0),
      positions: Int32Array.of(0, 1, 2),
    };
    const step = () => Promise.try(() => trainer.step(state, distillationBatch(rows)));
    await assertRefused(step, "one vocabulary");
    assertEquals(device.counters().liveSlots, slots);
    releaseTree([state, parameters]);
  }));
