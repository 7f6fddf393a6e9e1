/** Steps that save memory: the same training as steps that do not. */
import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { checkpoint, keyOf } from "../../src/core/mod.ts";
import { batches } from "../../src/data/mod.ts";
import { logitsInChunks, losses, wholeLogits } from "../../src/losses/mod.ts";
import { initLlama } from "../../src/nn/mod.ts";
import { adamW, constantSchedule } from "../../src/optim/mod.ts";
import {
  createDevice,
  type Device,
  downloadTree,
  read,
  releaseTree,
} from "../../src/runtime/mod.ts";
import { OutriderError } from "../../src/core/errors.ts";
import {
  type DeviceState,
  distillationBatch,
  finetuner,
  type FinetunerOptions,
  type PackedRows,
  pretrainer,
  textBatch,
  type Trainer,
} from "../../src/train/mod.ts";
import type { AdamWState } from "../../src/optim/mod.ts";
import { bitsOf, COUNTING, DRAFT, TARGET, uploadTarget } from "./world.ts";

const CONFIG = { ...DRAFT, layers: 3 };
const optimizer = adamW({ rate: constantSchedule(0.01) });

function packed(rowsPerBatch: number, step: number): PackedRows {
  return batches(COUNTING, { key: keyOf(4), rowsPerBatch, sequenceLength: 24 }).at(step);
}

/** Every metric of three steps, and the weights after them. */
async function trained(
  { init, step }: Trainer<DeviceState<AdamWState>>,
  batchOf: (step: number) => ReturnType<typeof textBatch>,
) {
  let state = init(initLlama(keyOf(2), CONFIG));
  const metrics = new Map<string, number>();
  for (let at = 0; at < 3; at++) {
    const made = step(state, batchOf(at));
    state = made.state;
    for (const [name, metric] of Object.entries(made.metrics)) {
      metrics.set(`${name} ${at}`, (await read(metric))[0]);
    }
    releaseTree(made.metrics);
  }
  const weights = bitsOf(await downloadTree(state.parameters));
  releaseTree(state);
  return { metrics, weights };
}

const mixedBatch = (step: number) => distillationBatch(packed(60, step), packed(41, step + 7));

/** Runs with a finetuner of the circle's world. */
async function withFinetuner<Result>(
  run: (
    make: (options: Partial<FinetunerOptions<AdamWState>>) => Trainer<DeviceState<AdamWState>>,
  ) => Result,
): Promise<Awaited<Result>> {
  const device = createDevice(wasmBackend());
  const parameters = uploadTarget(device);
  const target = { config: TARGET, parameters };
  const common = { device, config: CONFIG, optimizer, textWeight: 0.25, target };
  const result = await run((options) => finetuner({ ...common, loss: losses.kld, ...options }));
  releaseTree(parameters);
  assertEquals(device.counters().liveSlots, 0);
  device.close();
  return result;
}

function pretraining(device: Device, options: Partial<FinetunerOptions<AdamWState>>) {
  const trainer = pretrainer({ device, config: CONFIG, optimizer, ...options });
  return trained(trainer, (step) => textBatch(packed(101, step)));
}

Deno.test("pretraining with checkpointed layers has the same bits", async () => {
  const device = createDevice(wasmBackend());
  assertEquals(await pretraining(device, { layers: checkpoint }), await pretraining(device, {}));
  device.close();
});

Deno.test("finetuning with checkpointed layers has the same bits", () =>
  withFinetuner(async (make) => {
    const saving = await trained(make({ layers: checkpoint }), mixedBatch);
    assertEquals(saving, await trained(make({}), mixedBatch));
  }));

function assertAlike(
  found: ReadonlyMap<string, number>,
  expected: ReadonlyMap<string, number>,
): void {
  assertEquals([...found.keys()], [...expected.keys()]);
  for (const [name, value] of expected) {
    assertAlmostEquals(found.get(name) ?? NaN, value, 1e-4, name);
  }
}

Deno.test("pretraining with logits in chunks has the same metrics up to rounding", async () => {
  const device = createDevice(wasmBackend());
  const { metrics } = await pretraining(device, { scoring: wholeLogits });
  for (const rows of [16, 100]) {
    assertAlike((await pretraining(device, { scoring: logitsInChunks(rows) })).metrics, metrics);
  }
  device.close();
});

Deno.test("finetuning with logits in chunks has the same metrics up to rounding", () =>
  withFinetuner(async (make) => {
    for (const name of ["kld", "tvd++"] as const) {
      const { metrics } = await trained(make({ loss: losses[name] }), mixedBatch);
      const loss = { rowwise: losses[name] };
      for (const rows of [16, 60]) {
        const scoring = logitsInChunks(rows);
        assertAlike((await trained(make({ loss, scoring }), mixedBatch)).metrics, metrics);
      }
    }
  }));

Deno.test("a loss that is not said to be rowwise is not scored in chunks", () =>
  withFinetuner((make) => {
    assertThrows(() => make({ scoring: logitsInChunks(16) }), OutriderError, "rowwise");
    make({ scoring: wholeLogits });
  }));
