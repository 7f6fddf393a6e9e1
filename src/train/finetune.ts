/**
 * Stage C of the recipe: finetuning a draft on the target's own distributions.
 *
 * @module
 */
import type { DenseHostTensor, HostTensor } from "../core/host_tensor.ts";
import { foldIn, keyOf } from "../core/random.ts";
import { type Batches, batches, type Corpus } from "../data/packing.ts";
import { isRowwise, type LossName, lossNamed } from "../losses/registry.ts";
import type { DistillationLoss, RowwiseLoss } from "../losses/rows.ts";
import { atTemperature } from "../losses/warped.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { type TrimmedVocabulary, vocabularyId } from "../nn/trimmed_vocabulary.ts";
import type { Device } from "../runtime/device.ts";
import { packedSource } from "./batch_source.ts";
import { draftOptimizer } from "./draft_optimizer.ts";
import {
  cachedTeacherBatch,
  distillationBatch,
  type PackedRows,
  type RowBatch,
} from "./row_batch.ts";
import { runStage, type StageOptions, type StageResult } from "./stage.ts";
import { finetuner, type FrozenTarget } from "./trainer.ts";

/** What {@link finetuneDraft} needs. */
export interface FinetuneOptions extends StageOptions {
  /** Where draft and target run. */
  readonly device: Device;
  /** The draft's sizes. */
  readonly config: LlamaConfig;
  /** The pretrained draft. */
  readonly parameters: LlamaParameters<HostTensor>;
  /** The frozen target, or how many tokens of its distributions the set keeps. */
  readonly target: FrozenTarget | { readonly cachedTokens: number };
  /** The classes that the draft knows; all of the target's tokens if left out. */
  readonly vocabulary?: TrimmedVocabulary;
  /** Which loss draws the draft's distributions to the target's. */
  readonly loss: LossName;
  /** Temperature at which both distributions are compared; best that of decoding, 1 for greedy. */
  readonly temperature: number;
  /** The target's responses. */
  readonly set: Corpus;
  /** Pretraining text that is mixed in, and its share of the rows. */
  readonly mix?: { readonly corpus: Corpus; readonly share: number };
}

function packing(corpus: Corpus, options: FinetuneOptions, rows: number, name: string): Batches {
  return batches(corpus, {
    key: foldIn(keyOf(options.seed), name),
    rowsPerBatch: rows,
    sequenceLength: Math.min(options.config.contextLength, rows),
  });
}

/** The loss of a name at a temperature, in chunks of rows where its rows do not see one another. */
function lossAt(name: LossName, temperature: number): DistillationLoss | RowwiseLoss {
  const loss = temperature === 1 ? lossNamed(name) : atTemperature(lossNamed(name), temperature);
  return isRowwise(name) ? { rowwise: loss } : loss;
}

/** The batch that teaches: with the cached distributions beside, where the target does not run. */
function batchOf(
  { target, vocabulary }: Pick<FinetuneOptions, "target" | "vocabulary">,
  rows: PackedRows,
  mixed?: PackedRows,
): RowBatch<DenseHostTensor> {
  const batch = distillationBatch(rows, mixed);
  if (!("cachedTokens" in target)) return batch;
  return cachedTeacherBatch(batch, rows.teacher ?? [], { kept: target.cachedTokens, vocabulary });
}

/** Distils the target into a draft (Goel et al. 2024, section 3), mixing in pretraining text. */
export async function finetuneDraft(options: FinetuneOptions): Promise<StageResult> {
  const { device, config, target, loss, temperature, mix, rowsPerBatch, validation, vocabulary } =
    options;
  const mixedRows = mix === undefined ? 0 : Math.round(rowsPerBatch * mix.share);
  const set = packing(options.set, options, rowsPerBatch - mixedRows, "distillation");
  const text = mix === undefined || mixedRows === 0
    ? []
    : [packing(mix.corpus, options, mixedRows, "mixed text")];
  const trainer = finetuner({
    device,
    config,
    optimizer: draftOptimizer(options),
    layers: options.layers,
    loss: lossAt(loss, temperature),
    textWeight: mix?.share ?? 0,
    target: "cachedTokens" in target ? "cached" : target,
    vocabulary,
  });
  return await runStage({
    ...options,
    trainer,
    source: packedSource([set, ...text], ([rows, mixed]) => batchOf(options, rows, mixed)),
    heldOut: validation === undefined ? undefined : packedSource(
      [packing(validation.corpus, options, rowsPerBatch, "validation")],
      ([rows]) => batchOf(options, rows),
    ),
    stage: {
      name: "finetune",
      config,
      vocabulary: vocabulary && vocabularyId(vocabulary),
      loss,
      temperature,
      share: mix?.share ?? 0,
    },
  });
}
