/**
 * Finetuning a draft on what it drafts itself (Draft-OPD, arXiv 2605.29343).
 *
 * Every few steps the draft of that moment runs ahead of the target on prompts of a set. The target's
 * verification passes have its distributions in the place of every drafted token, so the steps that
 * follow cost no pass of the target.
 *
 * @module
 */
import { div } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import type { DenseHostTensor, HostTensor } from "../core/host_tensor.ts";
import { foldIn, keyOf, permutation } from "../core/random.ts";
import { type Batches, batches, type Corpus } from "../data/packing.ts";
import { draftModel } from "../decode/draft_model.ts";
import type { LanguageModel, TokenId } from "../decode/language_model.ts";
import { llamaModel } from "../decode/llama_model.ts";
import { verifyToken } from "../decode/verify_token.ts";
import { temperature as temperatureOf } from "../decode/warp.ts";
import { onPolicyCorrection, type OnPolicyLoss } from "../losses/on_policy_correction.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { type TrimmedVocabulary, vocabularyId } from "../nn/trimmed_vocabulary.ts";
import type { Device } from "../runtime/device.ts";
import { type BatchSource, packedSource } from "./batch_source.ts";
import { draftOptimizer, type DraftOptimizerState } from "./draft_optimizer.ts";
import { suffixesAsBranches } from "./on_policy.ts";
import { type OnPolicyBatch, onPolicyBatches } from "./on_policy_batch.ts";
import { onPolicyRowBatch } from "./on_policy_rows.ts";
import { likeliestOf, recordable } from "./recordable.ts";
import { recordSpeculation, type SpeculationRecord } from "./speculation_record.ts";
import { cachedTeacherBatch, distillationBatch } from "./row_batch.ts";
import { type HeldOut, runStage, type StageOptions, type StageResult } from "./stage.ts";
import type { Refresh } from "./train_loop.ts";
import { finetuner } from "./trainer.ts";
import type { DeviceState } from "./training_step.ts";

/** How a draft runs ahead, to learn from it. */
export interface SpeculationOptions {
  /** Tokens to draft at a time, from 1. */
  readonly gamma: number;
  /** New tokens of each text, from 1. */
  readonly tokens: number;
  /** Whether a token ends a text. */
  readonly isEnd: (token: TokenId) => boolean;
  /** Texts that are written at a time. */
  readonly prompts: number;
  /** Steps that learn from them, before the draft writes new ones. */
  readonly every: number;
  /** Likeliest tokens of the target's distributions to keep in each place. */
  readonly teacherTokens: number;
}

/** What {@link onPolicyDraft} needs. */
export interface OnPolicyOptions<Cache> extends Omit<StageOptions, "validation"> {
  /** Where the draft runs. */
  readonly device: Device;
  /** The draft's sizes. */
  readonly config: LlamaConfig;
  /** The draft to begin with. */
  readonly parameters: LlamaParameters<HostTensor>;
  /** The target, which judges. */
  readonly target: LanguageModel<Cache>;
  /** The classes that the draft knows; all of the target's tokens if left out. */
  readonly vocabulary?: TrimmedVocabulary;
  /** Temperature of decoding, at which distributions are compared, too; above 0. */
  readonly temperature: number;
  /** How the draft runs ahead. */
  readonly speculation: SpeculationOptions;
  /** Documents whose prompts, the tokens before the first that counts, are answered. */
  readonly set: Corpus;
  /** Pretraining text that is mixed in, and its share of the rows. */
  readonly mix?: { readonly corpus: Corpus; readonly share: number };
  /** Answers of the target to score the draft on, and how many tokens of distributions they keep. */
  readonly validation?: HeldOut & { readonly cachedTokens: number };
}

/** The prompts of a set that leave room for a text, in an order of their own in every epoch. */
function promptsOf<Cache>(
  { set, seed, target, speculation }: OnPolicyOptions<Cache>,
  rows: number,
): (index: number) => readonly TokenId[] {
  const { tokens, gamma } = speculation;
  const prompts: (readonly TokenId[])[] = [];
  for (let index = 0; index < set.length; index++) {
    const document = set.document(index);
    const prompt = [...document.tokens.slice(0, document.weights.findIndex((it) => it > 0))];
    const fits = prompt.length + tokens <= target.contextLength &&
      prompt.length + tokens * gamma <= rows;
    if (prompt.length > 0 && fits) prompts.push(prompt);
  }
  if (prompts.length === 0) {
    throw new OutriderError(
      `prompts that leave room for ${tokens} tokens in ${rows} rows at gamma ${gamma}`,
      "none in the set",
      "raise the rows, or record shorter texts",
    );
  }
  const key = foldIn(keyOf(seed), "prompts");
  return (index) => {
    const order = permutation(foldIn(key, Math.floor(index / prompts.length)), prompts.length);
    return prompts[order[index % prompts.length]];
  };
}

/** Lets the draft of a moment run ahead; texts are numbered from `first` on. */
async function recordTexts<Cache>(
  options: OnPolicyOptions<Cache>,
  { parameters }: DeviceState<DraftOptimizerState>,
  prompts: readonly (readonly TokenId[])[],
  first: number,
): Promise<readonly SpeculationRecord[]> {
  const { device, config, vocabulary, temperature, signal } = options;
  const { gamma, tokens, isEnd, teacherTokens } = options.speculation;
  const decoder = recordable({
    target: options.target,
    draft: draftModel(llamaModel({ device, config, parameters }), { vocabulary }),
    verify: verifyToken,
    warp: temperatureOf(temperature),
    gamma,
  });
  const kept = Math.min(teacherTokens, options.target.vocabulary);
  const records: SpeculationRecord[] = [];
  for (const [i, prompt] of prompts.entries()) {
    if (signal?.aborted === true) break;
    records.push(
      await recordSpeculation(decoder, prompt, {
        key: foldIn(foldIn(keyOf(options.seed), "on-policy coins"), first + i),
        tokens,
        isEnd,
        teacherOf: likeliestOf(kept),
      }),
    );
  }
  return records;
}

/** The loss at a temperature. */
function correctionAt(temperature: number): OnPolicyLoss {
  return (draft, target, accepted, depth) =>
    onPolicyCorrection(div(draft, temperature), div(target, temperature), accepted, depth);
}

/**
 * Trains a draft on what it drafts itself: {@link onPolicyCorrection}, on records of speculative
 * decoding that are made anew every `speculation.every` steps.
 *
 * A run that was stopped goes on from the last step at which texts were written, to the same bits.
 *
 * @throws {OutriderError} where no prompt of the set leaves room for a text
 */
export async function onPolicyDraft<Cache>(options: OnPolicyOptions<Cache>): Promise<StageResult> {
  const { device, config, target, temperature, mix, rowsPerBatch, vocabulary } = options;
  const { speculation, validation } = options;
  const { gamma, tokens, prompts, every, teacherTokens } = speculation;
  const mixedRows = mix === undefined ? 0 : Math.round(rowsPerBatch * mix.share);
  const packing = (corpus: Corpus, rows: number, name: string): Batches =>
    batches(corpus, {
      key: foldIn(keyOf(options.seed), name),
      rowsPerBatch: rows,
      sequenceLength: Math.min(config.contextLength, rows),
    });
  const text = mix === undefined || mixedRows === 0
    ? undefined
    : packing(mix.corpus, mixedRows, "mixed text");
  const teacher = { kept: Math.min(teacherTokens, target.vocabulary), vocabulary };
  const prompt = promptsOf(options, rowsPerBatch - mixedRows);
  const sourceOf = (made: readonly OnPolicyBatch<DenseHostTensor>[]): BatchSource => ({
    init: () => [{ epoch: 0, index: 0, offset: 0 }, ...(text === undefined ? [] : [text.init()])],
    step: ([own, place]) => {
      const mixed = text?.step(place);
      const batch = made[own.index % every % made.length];
      return {
        batch: onPolicyRowBatch(batch, teacher, mixed?.batch),
        positions: [
          { ...own, index: own.index + 1 },
          ...(mixed === undefined ? [] : [mixed.position]),
        ],
      };
    },
  });
  const refresh: Refresh<DeviceState<DraftOptimizerState>> = {
    every,
    source: async (state, { step }) => {
      const first = Math.floor(step / every) * prompts;
      const asked = Array.from({ length: prompts }, (_, i) => prompt(first + i));
      const pieces = (await recordTexts(options, state, asked, first)).flatMap(suffixesAsBranches);
      return sourceOf(onPolicyBatches(pieces, rowsPerBatch - mixedRows, gamma - 1));
    },
  };
  return await runStage({
    ...options,
    trainer: finetuner({
      device,
      config,
      optimizer: draftOptimizer(options),
      layers: options.layers,
      loss: { onPolicy: correctionAt(temperature) },
      textWeight: mix?.share ?? 0,
      target: "cached",
      vocabulary,
    }),
    source: sourceOf([]),
    refresh,
    heldOut: validation === undefined ? undefined : packedSource(
      [packing(validation.corpus, rowsPerBatch, "validation")],
      ([rows]) =>
        cachedTeacherBatch(distillationBatch(rows), rows.teacher, {
          kept: validation.cachedTokens,
          vocabulary,
        }),
    ),
    stage: {
      name: "on-policy",
      config,
      vocabulary: vocabulary && vocabularyId(vocabulary),
      temperature,
      share: mix?.share ?? 0,
      speculation: { gamma, tokens, prompts, every, teacherTokens },
    },
  });
}
