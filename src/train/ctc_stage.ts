/**
 * Training a CTC drafter on a target's answers and its features.
 *
 * @module
 */
import type { DenseHostTensor, HostTensor } from "../core/host_tensor.ts";
import type { CtcDrafterParameters } from "../nn/ctc_drafter.ts";
import { vocabularyId } from "../nn/trimmed_vocabulary.ts";
import { ctcBatch, type CtcLabels } from "./ctc_batch.ts";
import { type CtcLossName, ctcTrainer } from "./ctc_trainer.ts";
import { draftOptimizer } from "./draft_optimizer.ts";
import { type FeatureStageOptions, runFeatureStage } from "./feature_stage.ts";
import type { StageResult } from "./stage.ts";

/** A trained CTC drafter. */
export type CtcStageResult = StageResult<CtcDrafterParameters<DenseHostTensor>>;

/** What {@link trainCtcDrafter} needs. */
export interface CtcStageOptions
  extends
    FeatureStageOptions<CtcDrafterParameters<HostTensor>, CtcDrafterParameters<DenseHostTensor>> {
  /** Most tokens of a continuation, at most as many as there are places. */
  readonly labels: number;
  /** Which tokens they are. */
  readonly of: CtcLabels;
  /** What the alignments are to be. */
  readonly loss: CtcLossName;
}

/**
 * Trains a CTC drafter (Wen, Gui & Feng 2024, arXiv 2412.00061): in every step blocks begin at tokens
 * drawn from the target's answers, and their places learn to align with what the target says next.
 */
export async function trainCtcDrafter(options: CtcStageOptions): Promise<CtcStageResult> {
  const { config, vocabulary, anchors, labels, of, loss, featureNoise, weightDecay } = options;
  return await runFeatureStage(options, {
    trainer: ctcTrainer({ ...options, optimizer: draftOptimizer(options) }),
    drawnBy: "ctc drafts",
    batchOf: (packed, key) => ctcBatch(packed, key, options),
    stage: {
      name: "ctc-draft",
      config,
      vocabulary: vocabularyId(vocabulary),
      ...{ loss, labels, of, anchors, featureNoise, weightDecay },
    },
  });
}
