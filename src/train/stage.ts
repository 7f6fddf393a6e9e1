/**
 * What the training stages share: an optimiser, checkpoints, and a run that can be taken up again.
 *
 * @module
 */
import type { DenseHostTensor, HostTensor } from "../core/host_tensor.ts";
import type { LayerTransform } from "../nn/llama.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { adamW, type AdamWState } from "../optim/adam.ts";
import { warmupCosine } from "../optim/schedules.ts";
import type { GradientTransformation } from "../optim/transformation.ts";
import { type Device, downloadTree, releaseTree } from "../runtime/device.ts";
import { loadCheckpoint, saveCheckpoint } from "./checkpoint.ts";
import type { RowBatch } from "./row_batch.ts";
import { type StepNotice, trainLoop } from "./train_loop.ts";
import type { Trainer } from "./training_step.ts";

/** Options of every training stage. */
export interface StageOptions {
  /** Optimiser steps. */
  readonly steps: number;
  /** Rows (tokens) per step. */
  readonly rowsPerBatch: number;
  /** Peak learning rate; a warm-up leads to it and a cosine down from it. */
  readonly rate: number;
  /** Decides first weights and the order of data. */
  readonly seed: number;
  /** What the data are, in words: a checkpoint of other data is refused. */
  readonly data?: string;
  /** File that the state is saved to and taken up from; none if left out. */
  readonly checkpoint?: string;
  /** How each layer of the draft is run: by `checkpoint` (of `core`) to save memory. */
  readonly layers?: LayerTransform;
  /** Steps between checkpoints; 100 if left out. */
  readonly saveEvery?: number;
  /** Told of every step. */
  readonly onStep?: (notice: StepNotice) => void;
  /** Stops after the running step; the state is saved. */
  readonly signal?: AbortSignal;
}

/** A trained draft. */
export interface StageResult {
  /** Plain f32 weights. */
  readonly parameters: LlamaParameters<DenseHostTensor>;
  /** Steps done; fewer than asked for where the signal aborted. */
  readonly step: number;
}

/** The state of {@link draftOptimizer}. */
export type DraftOptimizerState = AdamWState;

/**
 * AdamW with warm-up and cosine decay.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { draftOptimizer } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = draftOptimizer({ steps: 100, rate: 0.003 });
 * const weights = { head: input([2, 2]) };
 * const { updates } = optimizer.update(weights, optimizer.init(weights), weights);
 * assertEquals(updates.head.shape, [2, 2]);
 * ```
 */
export function draftOptimizer(
  { steps, rate }: Pick<StageOptions, "steps" | "rate">,
): GradientTransformation<DraftOptimizerState> {
  const warmupSteps = Math.min(100, Math.ceil(steps / 10));
  const schedule = warmupCosine({ warmupSteps, totalSteps: steps, peak: rate, end: rate / 30 });
  return adamW({ rate: schedule, beta2: 0.95, weightDecay: 0.05 });
}

/** One stage: what {@link StageOptions} say, and what the stage adds. */
export interface StageRun extends StageOptions {
  /** Where the stage runs. */
  readonly device: Device;
  /** What a step does. */
  readonly trainer: Trainer<DraftOptimizerState>;
  /** Weights to begin with. */
  readonly parameters: LlamaParameters<HostTensor>;
  /** The batch of a step, counted from 0. */
  readonly batch: (step: number) => RowBatch<HostTensor>;
  /** What a checkpoint must agree with besides the options. */
  readonly stage: object;
}

/** Runs a stage from its last checkpoint, or from the start, to its end. */
export async function runStage(run: StageRun): Promise<StageResult> {
  const { device, trainer, checkpoint, steps, rowsPerBatch, rate, seed, data } = run;
  const recipe = JSON.stringify({ ...run.stage, steps, rowsPerBatch, rate, seed, data });
  const fresh = trainer.init(run.parameters);
  const restored = checkpoint === undefined
    ? undefined
    : await loadCheckpoint(device, checkpoint, fresh, recipe);
  const { state, step } = await trainLoop({
    trainer,
    state: restored?.state ?? fresh,
    firstStep: restored?.step ?? 0,
    totalSteps: steps,
    batch: run.batch,
    onStep: run.onStep,
    signal: run.signal,
    saveEvery: run.saveEvery ?? 100,
    save: checkpoint === undefined
      ? undefined
      : (current, done) => saveCheckpoint(checkpoint, current, { step: done, recipe }),
  });
  const parameters = await downloadTree(state.parameters);
  releaseTree(state);
  return { parameters, step };
}
