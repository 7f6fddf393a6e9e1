/**
 * Stage A of the recipe: pretraining a draft on text, with the target's tokenizer.
 *
 * @module
 */
import type { HostTensor } from "../core/host_tensor.ts";
import { keyOf } from "../core/random.ts";
import { batches, type Corpus } from "../data/packing.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import { initLlama, type LlamaParameters } from "../nn/llama_parameters.ts";
import { type TrimmedVocabulary, vocabularyId } from "../nn/trimmed_vocabulary.ts";
import type { Device } from "../runtime/device.ts";
import { packedSource } from "./batch_source.ts";
import { draftOptimizer } from "./draft_optimizer.ts";
import { textBatch } from "./row_batch.ts";
import { runStage, type StageOptions, type StageResult } from "./stage.ts";
import { pretrainer } from "./trainer.ts";

/** What {@link pretrainDraft} needs. */
export interface PretrainOptions extends StageOptions {
  /** Where the draft is trained. */
  readonly device: Device;
  /** The draft's sizes. */
  readonly config: LlamaConfig;
  /** Text to learn, as documents of the target's tokens. */
  readonly corpus: Corpus;
  /** The classes that the draft knows; all of the target's tokens if left out. */
  readonly vocabulary?: TrimmedVocabulary;
  /** Weights to begin with; drawn from the seed if left out. */
  readonly parameters?: LlamaParameters<HostTensor>;
}

/** Trains a draft from scratch to predict the next token (Goel et al. 2024, section 3). */
export async function pretrainDraft(options: PretrainOptions): Promise<StageResult> {
  const { device, config, corpus, seed, layers, validation, vocabulary } = options;
  const trainer = pretrainer({
    device,
    config,
    layers,
    vocabulary,
    optimizer: draftOptimizer(options),
  });
  const sourceOf = (documents: Corpus) => {
    const packed = batches(documents, {
      key: keyOf(seed),
      rowsPerBatch: options.rowsPerBatch,
      sequenceLength: Math.min(config.contextLength, options.rowsPerBatch),
    });
    return packedSource([packed], ([rows]) => textBatch(rows));
  };
  return await runStage({
    ...options,
    trainer,
    parameters: options.parameters ?? initLlama(keyOf(seed), config),
    source: sourceOf(corpus),
    heldOut: validation === undefined ? undefined : sourceOf(validation.corpus),
    stage: { name: "pretrain", config, vocabulary: vocabulary && vocabularyId(vocabulary) },
  });
}
