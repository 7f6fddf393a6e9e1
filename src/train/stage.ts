/**
 * What the training stages share: options, checkpoints, and a run that can be taken up again.
 *
 * @module
 */
import type { DenseHostTensor, HostTensor } from "../core/host_tensor.ts";
import type { MapLeaves } from "../core/tree.ts";
import type { Corpus } from "../data/packing.ts";
import type { LayerTransform } from "../nn/llama.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { type Device, downloadTree, releaseTree } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { BestStep } from "./best_step.ts";
import type { BatchSource } from "./batch_source.ts";
import { saveCheckpoint } from "./checkpoint.ts";
import { type DraftOptimizerState, extendableSteps, type RateOptions } from "./draft_optimizer.ts";
import { beforeDecay, type Resume, resumeRun } from "./resume.ts";
import type { RowBatch } from "./row_batch.ts";
import { type CountedRows, every, type Refresh, type StepNotice, trainLoop } from "./train_loop.ts";
import type { DeviceState, Trainer } from "./training_step.ts";

/** Data that are held out of training. */
export interface HeldOut {
  /** The documents, none of which is trained on. */
  readonly corpus: Corpus;
  /** Steps between scores; the last step is always scored. */
  readonly every: number;
  /** Batches that are scored, of as many rows as a step has. */
  readonly batches: number;
}

/** Options of every training stage. */
export interface StageOptions<Trained = LlamaParameters<DenseHostTensor>> extends RateOptions {
  /** Rows (tokens) per step. */
  readonly rowsPerBatch: number;
  /** Decides first weights and the order of data. */
  readonly seed: number;
  /** What the data are, in words: a checkpoint of other data is refused. */
  readonly data?: string;
  /** File that the state is saved to and taken up from; none if left out. */
  readonly checkpoint?: string;
  /** Whether the run goes on from its checkpoint: `ifThere` if left out. */
  readonly resume?: Resume;
  /** How each layer of the draft is run: by `checkpoint` (of `core`) to save memory. */
  readonly layers?: LayerTransform;
  /** Steps between checkpoints; 100 if left out. */
  readonly saveEvery?: number;
  /** Data to score the draft on as it learns: metrics `validationLoss` and the like. */
  readonly validation?: HeldOut;
  /**
   * Given the draft of every validated step that is better than those before, to be kept: the last one
   * given is the run's best, also where a run was stopped and goes on.
   */
  readonly onBest?: (draft: StageResult<Trained>) => Promise<void>;
  /** Told of every step. */
  readonly onStep?: (notice: StepNotice) => void;
  /** Stops after the running step; the state is saved. */
  readonly signal?: AbortSignal;
}

/** A trained draft. */
export interface StageResult<Trained = LlamaParameters<DenseHostTensor>> {
  /** Plain f32 weights. */
  readonly parameters: Trained;
  /** Steps done; fewer than asked for where the signal aborted. */
  readonly step: number;
  /** The best of the validated steps, where there were any. */
  readonly best?: BestStep;
}

/** The plain weights that the state of a trainer holds. */
export type TrainedOf<State extends { readonly parameters: unknown }> = MapLeaves<
  State["parameters"],
  DeviceArray,
  DenseHostTensor
>;

/** One stage: what {@link StageOptions} say, and what the stage adds. */
export interface StageRun<
  State extends { readonly parameters: unknown } = DeviceState<DraftOptimizerState>,
  Weights = LlamaParameters<HostTensor>,
  Batch = RowBatch<HostTensor>,
> extends StageOptions<TrainedOf<State>> {
  /** Where the stage runs. */
  readonly device: Device;
  /** What a step does. */
  readonly trainer: Trainer<State, Weights, Batch>;
  /** Weights to begin with. */
  readonly parameters: Weights;
  /** What the steps learn from. */
  readonly source: BatchSource<Batch>;
  /**
   * How data that the draft itself writes are made anew. They follow from the weights, so the state is
   * saved where they are made, and a run that was stopped goes on from there.
   */
  readonly refresh?: Refresh<State, Batch>;
  /** Batches of the data held out. */
  readonly heldOut?: BatchSource<Batch>;
  /** What a checkpoint must agree with besides the options. */
  readonly stage: object;
}

/** What a run is known again by. */
interface Recipe extends RateOptions, Pick<StageOptions, "rowsPerBatch" | "seed" | "data"> {
  readonly stage: object;
}

/** What must be equal for a run to go on. */
function recipeOf(
  { stage, steps, rowsPerBatch, rate, seed, data, schedule }: Recipe,
): string {
  const fixed = schedule === undefined || schedule === "cosine" ? { steps } : { schedule };
  return JSON.stringify({ ...stage, ...fixed, rowsPerBatch, rate, seed, data });
}

/** Writes the state of a step, and the last one before the rate falls to a file of its own too. */
async function saveStep(
  run: RateOptions & { readonly checkpoint: string },
  state: unknown,
  info: Parameters<typeof saveCheckpoint>[2],
): Promise<void> {
  await saveCheckpoint(run.checkpoint, state, info);
  if (run.schedule !== "wsd" || info.progress.step !== extendableSteps(run)) return;
  await saveCheckpoint(beforeDecay(run.checkpoint), state, info);
}

/** Runs a stage from its last checkpoint, or from the start, to its end. */
export async function runStage<
  State extends { readonly parameters: unknown },
  Weights,
  Batch extends CountedRows,
>(run: StageRun<State, Weights, Batch>): Promise<StageResult<TrainedOf<State>>> {
  const { trainer, checkpoint, steps, source, validation, heldOut, saveEvery = 100 } = run;
  const recipe = recipeOf(run);
  const { refresh } = run;
  const isFresh = every(refresh?.every ?? 1, "refreshed data");
  const isSaved = every(saveEvery, "checkpoints");
  const isScored = every(validation?.every ?? 1, "scores");
  const { state, progress } = await resumeRun(run, recipe);
  const ended = await trainLoop({
    trainer,
    state,
    progress,
    totalSteps: steps,
    source,
    refresh,
    validation: validation === undefined || heldOut === undefined
      ? undefined
      : { source: heldOut, batches: validation.batches, at: isScored },
    onBest: async (current, best) => {
      if (run.onBest === undefined) return;
      const parameters = await downloadTree<State["parameters"]>(current.parameters);
      await run.onBest({ parameters, step: best.step, best });
    },
    onStep: run.onStep,
    signal: run.signal,
    saveAt: (step) =>
      refresh === undefined ? isSaved(step) || step === extendableSteps(run) : isFresh(step),
    save: checkpoint === undefined ? undefined : async (current, progress) => {
      if (!isFresh(progress.step) && progress.step !== steps) return;
      await saveStep({ ...run, checkpoint }, current, { progress, totalSteps: steps, recipe });
    },
  });
  const parameters = await downloadTree<State["parameters"]>(ended.state.parameters);
  releaseTree(ended.state);
  return { parameters, step: ended.step, best: ended.best };
}
