/**
 * What the stages share that train drafters on a target's features.
 *
 * @module
 */
import type { DenseHostTensor, HostTensor } from "../core/host_tensor.ts";
import { foldIn, type Key, keyOf } from "../core/random.ts";
import { batches, type Corpus, type PackedBatch } from "../data/packing.ts";
import type { BlockDrafterConfig, BlockDrafterParameters } from "../nn/block_drafter_parameters.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { Device } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { BatchSource } from "./batch_source.ts";
import { anchoredSource } from "./block_rows.ts";
import type { SharedWithTarget } from "./block_states.ts";
import { type FeatureNoise, noisySource } from "./feature_noise.ts";
import { runStage, type StageOptions, type StageResult, type TrainedOf } from "./stage.ts";
import type { CountedRows } from "./train_loop.ts";
import type { Trainer } from "./training_step.ts";

/** What a stage needs that trains a drafter on features. */
export interface FeatureStageOptions<
  Weights = BlockDrafterParameters<HostTensor>,
  Trained = BlockDrafterParameters<DenseHostTensor>,
> extends Omit<StageOptions<Trained>, "layers"> {
  /** Where the drafter is trained. */
  readonly device: Device;
  /** Its sizes. */
  readonly config: BlockDrafterConfig;
  /** Weights to begin with. */
  readonly parameters: Weights;
  /** What it shares with its target, on the device; it stays the caller's. */
  readonly shared: SharedWithTarget<DeviceArray>;
  /** The tokens that it drafts. */
  readonly vocabulary: TrimmedVocabulary;
  /** Answers with the target's features, and its distributions where they are learnt from. */
  readonly set: Corpus;
  /** Blocks of a batch; `rowsPerBatch` counts the rows of context. */
  readonly anchors: number;
  /** What is done to the features that are learnt from; nothing if left out. */
  readonly featureNoise?: FeatureNoise;
  /** As that of `draftOptimizer`. */
  readonly weightDecay?: number;
}

/** What makes a stage one of a kind. */
export interface FeatureStageParts<
  State extends { readonly parameters: unknown },
  Weights,
  Batch,
  Made extends Batch,
> {
  /** What a step does. */
  readonly trainer: Trainer<State, Weights, Batch>;
  /** What the order of texts is drawn by. */
  readonly drawnBy: string;
  /** The batch of some packed texts. */
  readonly batchOf: (packed: PackedBatch, key: Key) => Made;
  /** What a checkpoint must agree with besides the options that all stages have. */
  readonly stage: object;
}

/** Runs a stage: blocks in packed texts, with noise in what is learnt from, none in what is scored. */
export async function runFeatureStage<
  State extends { readonly parameters: unknown },
  Weights,
  Batch extends CountedRows,
  Made extends Batch & { readonly features: DenseHostTensor },
>(
  options: FeatureStageOptions<Weights, TrainedOf<State>>,
  { trainer, drawnBy, batchOf, stage }: FeatureStageParts<State, Weights, Batch, Made>,
): Promise<StageResult<TrainedOf<State>>> {
  const { config, validation, featureNoise, rowsPerBatch, seed } = options;
  const sourceOf = (corpus: Corpus, name: string): BatchSource<Made> => {
    const key = foldIn(keyOf(seed), name);
    const sequenceLength = Math.min(config.contextLength, rowsPerBatch);
    const packed = batches(corpus, { key, rowsPerBatch, sequenceLength });
    return anchoredSource(packed, foldIn(key, "anchors"), batchOf);
  };
  const source = sourceOf(options.set, drawnBy);
  const noiseKey = foldIn(keyOf(seed), "feature noise");
  return await runStage({
    ...options,
    trainer,
    source: featureNoise === undefined ? source : noisySource(source, noiseKey, featureNoise),
    heldOut: validation === undefined ? undefined : sourceOf(validation.corpus, "validation"),
    stage,
  });
}
