/** Pretraining text beside distilled rows changes neither their loss nor their acceptance. */
import { assertEquals, assertNotEquals } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import type { HostTensor } from "../../src/core/host_tensor.ts";
import { mul } from "../../src/core/elementwise_ops.ts";
import { sum } from "../../src/core/linear_ops.ts";
import { keyOf } from "../../src/core/random.ts";
import { batches } from "../../src/data/mod.ts";
import { losses, type LossName } from "../../src/losses/mod.ts";
import { initLlama } from "../../src/nn/mod.ts";
import { adamW, constantSchedule } from "../../src/optim/mod.ts";
import { createDevice, read, releaseTree } from "../../src/runtime/mod.ts";
import {
  type DeviceState,
  distillationBatch,
  finetuner,
  type PackedRows,
  type RowBatch,
  type Trainer,
} from "../../src/train/mod.ts";
import { COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

const TEXT_WEIGHT = 0.25;

function packed(rowsPerBatch: number, step: number): PackedRows {
  return batches(COUNTING, { key: keyOf(4), rowsPerBatch, sequenceLength: 24 }).at(step);
}

/** Metrics of the first step on a batch. */
async function scores<Optimizer>(
  trainer: Trainer<DeviceState<Optimizer>>,
  batch: RowBatch<HostTensor>,
  names: readonly string[],
): Promise<number[]> {
  const made = trainer.step(trainer.init(initLlama(keyOf(2), DRAFT)), batch);
  const found: number[] = [];
  for (const name of names) found.push((await read(made.metrics[name]))[0]);
  releaseTree(made);
  return found;
}

for (const loss of ["kld", "tvd", "tvd++"] satisfies LossName[]) {
  Deno.test(`${loss} of distilled rows has the same bits with pretraining rows and without`, async () => {
    const device = createDevice(wasmBackend());
    const parameters = uploadTarget(device);
    const optimizer = adamW({ rate: constantSchedule(0.01) });
    const trainer = finetuner({
      device,
      config: DRAFT,
      optimizer,
      loss: losses[loss],
      textWeight: TEXT_WEIGHT,
      target: { config: TARGET, parameters },
    });
    const rows = packed(60, 0);
    const names = ["distilled", "alpha"];
    const expected = await scores(trainer, distillationBatch(rows), [...names, "loss"]);
    assertEquals(expected[2], expected[0], "without text the whole loss is the distilled rows'");
    for (const count of [24, 33, 60, 128]) {
      const mixed = distillationBatch(rows, packed(count, 2));
      assertEquals(await scores(trainer, mixed, names), expected.slice(0, 2), `${count} rows`);
    }
    releaseTree(parameters);
    assertEquals(device.counters().liveSlots, 0);
    device.close();
  });
}

Deno.test("the loss of pretraining rows has the same bits whatever is distilled in front of them", async () => {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const trainer = finetuner({
    device,
    config: DRAFT,
    optimizer: adamW({ rate: constantSchedule(0.01) }),
    loss: (draft) => mul(0, sum(draft)), // What is left of the whole loss is the text's.
    textWeight: 1,
    target: { config: TARGET, parameters },
  });
  const [rows, text] = [packed(60, 0), packed(41, 2)];
  const others = { ...rows, tokens: rows.tokens.map((id) => (5 * id + 3) % 12) };
  const [first] = await scores(trainer, distillationBatch(rows, text), ["loss"]);
  const [second] = await scores(trainer, distillationBatch(others, text), ["loss"]);
  assertEquals(second, first);
  const otherText = { ...text, tokens: text.tokens.map((id) => (5 * id + 3) % 12) };
  const [third] = await scores(trainer, distillationBatch(rows, otherText), ["loss"]);
  assertNotEquals(third, first, "the text itself counts");
  releaseTree(parameters);
  device.close();
});
