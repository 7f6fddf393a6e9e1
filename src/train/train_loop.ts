/**
 * The training loop: steps, metrics, checkpoints, validation, and an end at any moment.
 *
 * Everything that the next step depends on is in the state and in a {@link RunProgress}, so a run
 * that was killed goes on to the same bits.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { HostTensor } from "../core/host_tensor.ts";
import type { Shape } from "../core/shape.ts";
import { releaseTree } from "../runtime/device.ts";
import { nextTurn } from "../runtime/next_turn.ts";
import { type BestStep, betterStep } from "./best_step.ts";
import type { BatchSource } from "./batch_source.ts";
import { guardStep, isGood, reasonToStop } from "./guard.ts";
import type { RowBatch } from "./row_batch.ts";
import type { RunProgress } from "./run_progress.ts";
import type { Trainer } from "./training_step.ts";
import { takeScalars, validate, type Validation } from "./validation.ts";

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

/** A batch of which it is known how many rows it has: those of `tokens`. */
export interface CountedRows {
  /** An array `[rows, ...]`. */
  readonly tokens: { readonly shape: Shape };
}

/** Data that the model itself writes. */
export interface Refresh<State, Batch = RowBatch<HostTensor>> {
  /** Steps that learn from the same data: what is made before step 0 serves steps 1 to `every`. */
  readonly every: number;
  /** The batches of the next steps, by a state that stays alive. */
  readonly source: (
    state: State,
    progress: RunProgress,
  ) => Promise<BatchSource<Batch>>;
}

/** One run of a trainer. */
export interface TrainLoopOptions<State, Batch = RowBatch<HostTensor>> {
  /** What a step does. */
  readonly trainer: Pick<Trainer<State, unknown, Batch>, "step" | "evaluate">;
  /** The state to go on from; it dies. */
  readonly state: State;
  /** How far this state is. */
  readonly progress: RunProgress;
  /** Steps of the whole run. */
  readonly totalSteps: number;
  /** What the steps learn from. */
  readonly source: BatchSource<Batch>;
  /** How data that the model itself writes are made anew as it learns, in place of `source`. */
  readonly refresh?: Refresh<State, Batch>;
  /** Batches that are held out, and when they are scored. */
  readonly validation?: Validation<Batch>;
  /** Told of every validated step that is better than those before, while its state is alive. */
  readonly onBest?: (state: State, best: BestStep) => Promise<void>;
  /** Told of every step. */
  readonly onStep?: (notice: StepNotice) => void;
  /** Writes a state to go on from: where `saveAt` says so, at the end, and when the signal aborts. */
  readonly save?: (state: State, progress: RunProgress) => Promise<void>;
  /** The numbers of steps, from 1, after which the state is saved; only at the end if left out. */
  readonly saveAt?: (step: number) => boolean;
  /** Stops after the running step; the state is saved and returned. */
  readonly signal?: AbortSignal;
}

/** Where a run ended. */
export interface TrainLoopResult<State> {
  /** The state, which is the caller's to release. */
  readonly state: State;
  /** Steps that it has seen. */
  readonly step: number;
  /** The best of the validated steps. */
  readonly best?: BestStep;
}

/**
 * Runs steps until the last one or until the signal aborts.
 *
 * A step that is not finite changes nothing but a count. While the loss has left its course nothing
 * is saved, so the last good state stands. The state is released where anything throws.
 *
 * @throws OutriderError where 10 steps in a row are not finite, or where for 100 steps in a row the
 * loss (or -log alpha) is far above all its levels of 500 steps before; the last good state is saved
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { adamW, constantSchedule } from "@outrider/outrider/optim";
 * import { createDevice, releaseTree } from "@outrider/outrider/runtime";
 * import { batchOfStep, newRun, pretrainer, textBatch, trainLoop } from "@outrider/outrider/train";
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
 * const source = batchOfStep(() => textBatch(rows));
 * const losses: number[] = [];
 * const { state } = await trainLoop({
 *   trainer,
 *   state: trainer.init(initLlama(keyOf(1), config)),
 *   progress: newRun(source),
 *   totalSteps: 3,
 *   source,
 *   onStep: ({ metrics }) => void losses.push(metrics.loss),
 * });
 * assert(losses[2] < losses[0]);
 * releaseTree(state);
 * ```
 */
export async function trainLoop<State, Batch extends CountedRows>(
  options: TrainLoopOptions<State, Batch>,
): Promise<TrainLoopResult<State>> {
  const { trainer, totalSteps, refresh, onBest, onStep, save, saveAt = () => false, signal } =
    options;
  let { state, progress, source } = options;
  let good = progress;
  let saved = progress.step;
  let isDue = false;
  const isAborted = (): boolean => signal?.aborted === true;
  const saveGood = async (): Promise<void> => {
    // Skipped steps change nothing, but a loss off its course has changed the state.
    if (progress.guard.highInARow > 0 || good.step === saved) return;
    await save?.(state, good);
    saved = good.step;
  };
  try {
    while (progress.step < totalSteps && !isAborted()) {
      const started = performance.now();
      const isStale = progress === options.progress || progress.step % (refresh?.every ?? 1) === 0;
      if (refresh !== undefined && isStale) {
        source = await refresh.source(state, progress);
        if (isAborted()) break;
      }
      const { batch, positions } = source.step(progress.positions);
      const made = trainer.step(state, batch);
      state = made.state;
      const metrics = await takeScalars(made.metrics);
      const step = progress.step + 1;
      const guard = guardStep(progress.guard, metrics);
      const isLast = step === totalSteps;
      const seconds = (performance.now() - started) / 1000;
      const held = await validate(options, state, step);
      const best = betterStep(progress.best, step, held);
      if (best !== undefined && best !== progress.best) await onBest?.(state, best);
      progress = { step, positions, guard, ...(best === undefined ? {} : { best }) };
      const tokens = batch.tokens.shape[0];
      onStep?.({ step, totalSteps, tokens, seconds, metrics: { ...metrics, ...held } });
      isDue ||= saveAt(step);
      if (isGood(progress.guard, metrics)) good = progress;
      const reason = reasonToStop(progress.guard, metrics, step);
      if (reason !== undefined) {
        await saveGood();
        throw reason;
      }
      if (isDue && good === progress && !isLast) {
        await saveGood();
        isDue = false;
      }
      await nextTurn();
    }
    if (progress.step < totalSteps) await saveGood();
    else if (progress.step > saved) await save?.(state, progress);
  } catch (error) {
    releaseTree(state);
    throw error;
  }
  return { state, step: progress.step, best: progress.best };
}

/**
 * Every `count` steps.
 *
 * @throws OutriderError where the count is not 1 or more: no step would ever come
 * @example
 * ```ts
 * import { every } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([1, 2, 3, 4, 5, 6].filter(every(3, "checkpoints")), [3, 6]);
 * ```
 */
export function every(count: number, what: string): (step: number) => boolean {
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new OutriderError(`1 or more steps between ${what}`, `${count}`, "raise it");
  }
  return (step) => step % count === 0;
}
