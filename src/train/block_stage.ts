/**
 * Training a block drafter on a target's answers, its distributions and its features.
 *
 * @module
 */
import type { DenseHostTensor } from "../core/host_tensor.ts";
import { lossNamed, type RowwiseLossName } from "../losses/registry.ts";
import { atTemperature } from "../losses/warped.ts";
import type { BlockDrafterParameters } from "../nn/block_drafter_parameters.ts";
import { vocabularyId } from "../nn/trimmed_vocabulary.ts";
import { blockBatch } from "./block_batch.ts";
import { blockTrainer, placeDecay } from "./block_trainer.ts";
import { draftOptimizer } from "./draft_optimizer.ts";
import { type FeatureStageOptions, runFeatureStage } from "./feature_stage.ts";
import type { StageResult } from "./stage.ts";

/** A trained block drafter. */
export type BlockStageResult = StageResult<BlockDrafterParameters<DenseHostTensor>>;

/** What {@link trainBlockDrafter} needs. */
export interface BlockStageOptions extends FeatureStageOptions {
  /** Tokens that the distributions keep. */
  readonly cachedTokens: number;
  /** Which loss draws the drafter's distributions to the target's. */
  readonly loss: RowwiseLossName;
  /** Temperature at which both distributions are compared; 1 if left out. */
  readonly temperature?: number;
  /** How far the weights of places reach; `placeDecay` if left out. */
  readonly decay?: number;
}

/**
 * Trains a block drafter (after DFlash, 2602.06036): in every step blocks begin at tokens drawn from
 * the target's answers, and each of their places learns the target's distribution there.
 */
export async function trainBlockDrafter(options: BlockStageOptions): Promise<BlockStageResult> {
  const { config, vocabulary, anchors, cachedTokens, temperature = 1 } = options;
  const { featureNoise, weightDecay } = options;
  const decay = options.decay ?? placeDecay(config.block);
  const loss = lossNamed(options.loss);
  const teacher = { kept: cachedTokens, vocabulary };
  return await runFeatureStage(options, {
    trainer: blockTrainer({
      ...options,
      optimizer: draftOptimizer(options),
      loss: { rowwise: temperature === 1 ? loss : atTemperature(loss, temperature) },
      decay,
    }),
    drawnBy: "block drafts",
    batchOf: (packed, key) => blockBatch(packed, key, { config, anchors, teacher }),
    stage: {
      name: "block-draft",
      config,
      vocabulary: vocabularyId(vocabulary),
      loss: options.loss,
      ...{ temperature, anchors, decay, featureNoise, weightDecay },
    },
  });
}
