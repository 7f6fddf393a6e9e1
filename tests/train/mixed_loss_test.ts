/** Pretraining text beside distilled rows changes neither their loss nor their acceptance. */
import { assert, assertEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { keyOf } from "../../src/core/random.ts";
import { batches } from "../../src/data/mod.ts";
import { losses, type LossName } from "../../src/losses/mod.ts";
import { initLlama } from "../../src/nn/mod.ts";
import { adamW, constantSchedule } from "../../src/optim/mod.ts";
import { createDevice, read, releaseTree } from "../../src/runtime/mod.ts";
import { distillationBatch, finetuner, type PackedRows } from "../../src/train/mod.ts";
import { COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

function packed(rowsPerBatch: number, step: number): PackedRows {
  return batches(COUNTING, { key: keyOf(4), rowsPerBatch, sequenceLength: 24 }).at(step);
}

for (const loss of ["kld", "tvd", "tvd++"] satisfies LossName[]) {
  Deno.test(`${loss} of distilled rows has the same bits with pretraining rows and without`, async () => {
    const device = createDevice(wasmBackend());
    const parameters = uploadTarget(device);
    const targetSlots = device.counters().liveSlots;
    const trainer = finetuner({
      device,
      config: DRAFT,
      optimizer: adamW({ rate: constantSchedule(0.01) }),
      loss: losses[loss],
      textWeight: 0.25,
      target: { config: TARGET, parameters },
    });
    const distilled = packed(60, 0);
    const scoresWith = async (text?: PackedRows) => {
      const made = trainer.step(
        trainer.init(initLlama(keyOf(2), DRAFT)),
        distillationBatch(distilled, text),
      );
      const found: number[] = [];
      for (const name of ["distilled", "alpha", "loss"]) {
        found.push((await read(made.metrics[name]))[0]);
      }
      releaseTree(made);
      return found;
    };
    const [expected, alpha, total] = await scoresWith();
    assertEquals(total, expected, "without text the whole loss is the distilled rows'");
    for (const rows of [24, 33, 60, 128]) {
      const [found, foundAlpha, foundTotal] = await scoresWith(packed(rows, 2));
      assertEquals([found, foundAlpha], [expected, alpha], `${rows} rows of text`);
      assert(foundTotal > total + 0.1, "the text counts in the whole loss");
    }
    releaseTree(parameters);
    assertEquals(device.counters().liveSlots, 0, `beyond the ${targetSlots} of the target`);
    device.close();
  });
}
