/**
 * Training a block drafter on a target's answers, its distributions and its features.
 *
 * @module
 */
import type { DenseHostTensor, HostTensor } from "../core/host_tensor.ts";
import { foldIn, keyOf } from "../core/random.ts";
import { batches, type Corpus } from "../data/packing.ts";
import { lossNamed, type RowwiseLossName } from "../losses/registry.ts";
import { atTemperature } from "../losses/warped.ts";
import type { BlockDrafterConfig, BlockDrafterParameters } from "../nn/block_drafter_parameters.ts";
import { type TrimmedVocabulary, vocabularyId } from "../nn/trimmed_vocabulary.ts";
import type { Device } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { BatchSource } from "./batch_source.ts";
import { type BlockBatch, blockSource } from "./block_batch.ts";
import type { SharedWithTarget } from "./block_states.ts";
import { blockTrainer, placeDecay } from "./block_trainer.ts";
import { draftOptimizer } from "./draft_optimizer.ts";
import { type FeatureNoise, noisySource } from "./feature_noise.ts";
import { runStage, type StageOptions, type StageResult } from "./stage.ts";

/** A trained block drafter. */
export type BlockStageResult = StageResult<BlockDrafterParameters<DenseHostTensor>>;

/** What {@link trainBlockDrafter} needs. */
export interface BlockStageOptions
  extends Omit<StageOptions<BlockDrafterParameters<DenseHostTensor>>, "layers"> {
  /** Where the drafter is trained. */
  readonly device: Device;
  /** Its sizes. */
  readonly config: BlockDrafterConfig;
  /** Weights to begin with. */
  readonly parameters: BlockDrafterParameters<HostTensor>;
  /** What it shares with its target, on the device; it stays the caller's. */
  readonly shared: SharedWithTarget<DeviceArray>;
  /** The tokens that it drafts. */
  readonly vocabulary: TrimmedVocabulary;
  /** Answers with the target's distributions and features. */
  readonly set: Corpus;
  /** Tokens that the distributions keep. */
  readonly cachedTokens: number;
  /** Blocks of a batch; `rowsPerBatch` counts the rows of context. */
  readonly anchors: number;
  /** Which loss draws the drafter's distributions to the target's. */
  readonly loss: RowwiseLossName;
  /** Temperature at which both distributions are compared; 1 if left out. */
  readonly temperature?: number;
  /** How far the weights of places reach; `placeDecay` if left out. */
  readonly decay?: number;
  /** What is done to the features that are learnt from; nothing if left out. */
  readonly featureNoise?: FeatureNoise;
  /** As that of `draftOptimizer`. */
  readonly weightDecay?: number;
}

/** Blocks in the texts of a corpus. */
function sourceOf(
  corpus: Corpus,
  name: string,
  options: BlockStageOptions,
): BatchSource<BlockBatch<DenseHostTensor>> {
  const { rowsPerBatch, seed, config, anchors, cachedTokens, vocabulary } = options;
  const key = foldIn(keyOf(seed), name);
  const packed = batches(corpus, {
    key,
    rowsPerBatch,
    sequenceLength: Math.min(config.contextLength, rowsPerBatch),
  });
  const teacher = { kept: cachedTokens, vocabulary };
  return blockSource(packed, foldIn(key, "anchors"), { config, anchors, teacher });
}

/**
 * Trains a block drafter (after DFlash, 2602.06036): in every step blocks begin at tokens drawn from
 * the target's answers, and each of their places learns the target's distribution there.
 */
export async function trainBlockDrafter(options: BlockStageOptions): Promise<BlockStageResult> {
  const { device, config, shared, vocabulary, anchors, validation, temperature = 1 } = options;
  const { featureNoise, weightDecay } = options;
  const decay = options.decay ?? placeDecay(config.block);
  const source = sourceOf(options.set, "block drafts", options);
  const noiseKey = foldIn(keyOf(options.seed), "feature noise");
  const loss = lossNamed(options.loss);
  const trainer = blockTrainer({
    device,
    config,
    optimizer: draftOptimizer(options),
    loss: { rowwise: temperature === 1 ? loss : atTemperature(loss, temperature) },
    shared,
    vocabulary,
    decay,
  });
  return await runStage({
    ...options,
    trainer,
    source: featureNoise === undefined ? source : noisySource(source, noiseKey, featureNoise),
    heldOut: validation === undefined
      ? undefined
      : sourceOf(validation.corpus, "validation", options),
    stage: {
      name: "block-draft",
      config,
      vocabulary: vocabularyId(vocabulary),
      loss: options.loss,
      temperature,
      anchors,
      decay,
      featureNoise,
      weightDecay,
    },
  });
}
