/**
 * The training loop: batches by step number, metrics, checkpoints, and an end at any moment.
 *
 * A batch is a function of the step alone, so a run that was killed goes on to the same bits.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { HostTensor } from "../core/host_tensor.ts";
import { read, releaseTree } from "../runtime/device.ts";
import type { RowBatch } from "./row_batch.ts";
import type { DeviceState, Trainer } from "./training_step.ts";

/** What the loop tells after every step. */
export interface StepNotice {
  /** Steps done, this one included. */
  readonly step: number;
  /** Steps of the whole run. */
  readonly totalSteps: number;
  /** Rows of the batch. */
  readonly tokens: number;
  /** Wall-clock time of the step. */
  readonly seconds: number;
  /** The trainer's metrics by name. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** One run of a trainer. */
export interface TrainLoopOptions<Optimizer> {
  /** What a step does. */
  readonly trainer: Trainer<Optimizer>;
  /** The state to go on from; it dies. */
  readonly state: DeviceState<Optimizer>;
  /** Steps that the state has seen. */
  readonly firstStep: number;
  /** Steps of the whole run. */
  readonly totalSteps: number;
  /** The batch of a step, counted from 0. */
  readonly batch: (step: number) => RowBatch<HostTensor>;
  /** Told of every step. */
  readonly onStep?: (notice: StepNotice) => void;
  /** Called every `saveEvery` steps, at the end, and when the signal aborts. */
  readonly save?: (state: DeviceState<Optimizer>, step: number) => Promise<void>;
  /** Steps between saves; only at the end if left out. */
  readonly saveEvery?: number;
  /** Stops after the running step; the state is saved and returned. */
  readonly signal?: AbortSignal;
}

/** Where a run ended. */
export interface TrainLoopResult<Optimizer> {
  /** The state, which is the caller's to release. */
  readonly state: DeviceState<Optimizer>;
  /** Steps that it has seen. */
  readonly step: number;
}

/**
 * Runs steps until the last one or until the signal aborts.
 *
 * The state is released where anything throws.
 *
 * @throws OutriderError where the loss, or another metric but `gradientNorm`, is not finite; the
 * last checkpoint stands; where `saveEvery` is not 1 or more
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { adamW, constantSchedule } from "@outrider/outrider/optim";
 * import { createDevice, releaseTree } from "@outrider/outrider/runtime";
 * import { pretrainer, textBatch, trainLoop } from "@outrider/outrider/train";
 * import { assert } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 8 });
 * const optimizer = adamW({ rate: constantSchedule(0.01) });
 * const trainer = pretrainer({ device, config, optimizer });
 * const rows = {
 *   tokens: Int32Array.of(3, 1, 4),
 *   targets: Int32Array.of(1, 4, -1),
 *   lossMask: Float32Array.of(1, 1, 0),
 *   starts: Int32Array.of(0, 0, 0),
 *   positions: Int32Array.of(0, 1, 2),
 * };
 * const losses: number[] = [];
 * const { state } = await trainLoop({
 *   trainer,
 *   state: trainer.init(initLlama(keyOf(1), config)),
 *   firstStep: 0,
 *   totalSteps: 3,
 *   batch: () => textBatch(rows),
 *   onStep: ({ metrics }) => void losses.push(metrics.loss),
 * });
 * assert(losses[2] < losses[0]);
 * releaseTree(state);
 * ```
 */
export async function trainLoop<Optimizer>(
  options: TrainLoopOptions<Optimizer>,
): Promise<TrainLoopResult<Optimizer>> {
  const { trainer, totalSteps, batch, onStep, save, saveEvery, signal } = options;
  let { state, firstStep: step } = options;
  try {
    checkSaveEvery(saveEvery);
    while (step < totalSteps && signal?.aborted !== true) {
      const started = performance.now();
      const rows = batch(step);
      const made = trainer.step(state, rows);
      state = made.state;
      step++;
      const metrics = await takeScalars(made.metrics);
      refuseNaN(metrics, step);
      const seconds = (performance.now() - started) / 1000;
      onStep?.({ step, totalSteps, tokens: rows.tokens.shape[0], seconds, metrics });
      if (saveEvery !== undefined && step % saveEvery === 0 && step < totalSteps) {
        await save?.(state, step);
      }
    }
    await save?.(state, step);
  } catch (error) {
    releaseTree(state);
    throw error;
  }
  return { state, step };
}

/** Zero and numbers that are not whole would never be reached, and a long run never saved. */
function checkSaveEvery(saveEvery = 1): void {
  if (Number.isSafeInteger(saveEvery) && saveEvery >= 1) return;
  throw new OutriderError("1 or more steps between checkpoints", `${saveEvery}`, "raise it");
}

/** Reads scalars and gives their memory back. */
async function takeScalars(
  metrics: Readonly<Record<string, Parameters<typeof read>[0]>>,
): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {};
  try {
    for (const [name, array] of Object.entries(metrics)) found[name] = (await read(array))[0];
  } finally {
    releaseTree(metrics);
  }
  return found;
}

/**
 * Losses made of comparisons stay finite where the target is not a number, so every metric is
 * checked. The norm of the gradients is not: the optimiser decides what becomes of such a step.
 */
function refuseNaN(metrics: Readonly<Record<string, number>>, step: number): void {
  const names = ["loss", ...Object.keys(metrics)].filter((name) => name !== "gradientNorm");
  const broken = names.find((name) => !Number.isFinite(metrics[name]));
  if (broken === undefined) return;
  throw new OutriderError(
    `a finite ${broken}`,
    `${metrics[broken]} in step ${step}`,
    "check the data and the target, or lower the learning rate and start in another folder",
  );
}
