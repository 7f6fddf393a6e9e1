/**
 * Training a CTC drafter on a target's answers and its features.
 *
 * @module
 */
import type { DenseHostTensor, HostTensor } from "../core/host_tensor.ts";
import { foldIn, keyOf } from "../core/random.ts";
import { batches, type Corpus } from "../data/packing.ts";
import type { BlockDrafterConfig } from "../nn/block_drafter_parameters.ts";
import type { CtcDrafterParameters } from "../nn/ctc_drafter.ts";
import { type TrimmedVocabulary, vocabularyId } from "../nn/trimmed_vocabulary.ts";
import type { Device } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { BatchSource } from "./batch_source.ts";
import { anchoredSource } from "./block_rows.ts";
import type { SharedWithTarget } from "./block_states.ts";
import { type CtcBatch, ctcBatch, type CtcLabels } from "./ctc_batch.ts";
import { type CtcLossName, ctcTrainer } from "./ctc_trainer.ts";
import { draftOptimizer } from "./draft_optimizer.ts";
import { type FeatureNoise, noisySource } from "./feature_noise.ts";
import { runStage, type StageOptions, type StageResult } from "./stage.ts";

/** A trained CTC drafter. */
export type CtcStageResult = StageResult<CtcDrafterParameters<DenseHostTensor>>;

/** What {@link trainCtcDrafter} needs. */
export interface CtcStageOptions
  extends Omit<StageOptions<CtcDrafterParameters<DenseHostTensor>>, "layers"> {
  /** Where the drafter is trained. */
  readonly device: Device;
  /** Its sizes; `block` is the number of places. */
  readonly config: BlockDrafterConfig;
  /** Weights to begin with. */
  readonly parameters: CtcDrafterParameters<HostTensor>;
  /** What it shares with its target, on the device; it stays the caller's. */
  readonly shared: SharedWithTarget<DeviceArray>;
  /** The tokens that it drafts. */
  readonly vocabulary: TrimmedVocabulary;
  /** Answers with the target's features, and its distributions where `of` is `greedy`. */
  readonly set: Corpus;
  /** Blocks of a batch; `rowsPerBatch` counts the rows of context. */
  readonly anchors: number;
  /** Most tokens of a continuation, at most as many as there are places. */
  readonly labels: number;
  /** Which tokens they are. */
  readonly of: CtcLabels;
  /** What the alignments are to be. */
  readonly loss: CtcLossName;
  /** What is done to the features that are learnt from; nothing if left out. */
  readonly featureNoise?: FeatureNoise;
  /** As that of `draftOptimizer`. */
  readonly weightDecay?: number;
}

/** Blocks in the texts of a corpus. */
function sourceOf(
  corpus: Corpus,
  name: string,
  options: CtcStageOptions,
): BatchSource<CtcBatch<DenseHostTensor>> {
  const { rowsPerBatch, seed, config } = options;
  const key = foldIn(keyOf(seed), name);
  const packed = batches(corpus, {
    key,
    rowsPerBatch,
    sequenceLength: Math.min(config.contextLength, rowsPerBatch),
  });
  return anchoredSource(
    packed,
    foldIn(key, "anchors"),
    (texts, drawn) => ctcBatch(texts, drawn, options),
  );
}

/**
 * Trains a CTC drafter (Wen, Gui & Feng 2024, arXiv 2412.00061): in every step blocks begin at tokens
 * drawn from the target's answers, and their places learn to align with what the target says next.
 */
export async function trainCtcDrafter(options: CtcStageOptions): Promise<CtcStageResult> {
  const { config, vocabulary, anchors, validation, labels, of, loss } = options;
  const { featureNoise, weightDecay } = options;
  const source = sourceOf(options.set, "ctc drafts", options);
  const noiseKey = foldIn(keyOf(options.seed), "feature noise");
  return await runStage({
    ...options,
    trainer: ctcTrainer({ ...options, optimizer: draftOptimizer(options) }),
    source: featureNoise === undefined ? source : noisySource(source, noiseKey, featureNoise),
    heldOut: validation === undefined
      ? undefined
      : sourceOf(validation.corpus, "validation", options),
    stage: {
      name: "ctc-draft",
      config,
      vocabulary: vocabularyId(vocabulary),
      ...{ loss, labels, of, anchors, featureNoise, weightDecay },
    },
  });
}
