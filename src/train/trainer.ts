/**
 * Trainers of the stages: what a step's loss is.
 *
 * @module
 */
import { add, full, less, mul, where } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import { acceptance } from "../losses/acceptance.ts";
import { cachedTeacherLogits } from "../losses/cached_teacher.ts";
import {
  type LogitRows,
  logitsWithin,
  type RowScore,
  type Scoring,
  wholeLogits,
} from "../losses/in_chunks.ts";
import type { OnPolicyLoss } from "../losses/on_policy_correction.ts";
import { countedLogits, type DistillationLoss, type RowwiseLoss } from "../losses/rows.ts";
import { type LayerTransform, llamaHead, llamaLogits } from "../nn/llama.ts";
import { classLogits } from "../nn/class_logits.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { GradientTransformation } from "../optim/transformation.ts";
import type { Device } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import {
  type DraftLoss,
  draftTrainer,
  hiddenOf,
  inClasses,
  MOST_LOGIT_BYTES,
  textLoss,
} from "./draft_loss.ts";
import type { RowBatch } from "./row_batch.ts";
import { pickRows } from "./scored_rows.ts";
import type { DeviceState, Trainer } from "./training_step.ts";

/** What a {@link pretrainer} is made of. */
export interface PretrainerOptions<Optimizer> {
  /** Where the trainer runs. */
  readonly device: Device;
  /** Sizes of the model. */
  readonly config: LlamaConfig;
  /** How gradients become updates. */
  readonly optimizer: GradientTransformation<Optimizer>;
  /** How each layer is run: by `checkpoint` to save memory; as it is where left out. */
  readonly layers?: LayerTransform;
  /** How logits are scored; where left out, in chunks of at most {@link MOST_LOGIT_BYTES}. */
  readonly scoring?: Scoring;
  /** The classes that the draft knows; all of the target's tokens if left out. */
  readonly vocabulary?: TrimmedVocabulary;
}

/**
 * Stage A of the recipe: next-token prediction from scratch (Goel et al. 2024, section 3).
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { adamW, constantSchedule } from "@outrider/outrider/optim";
 * import { createDevice, read } from "@outrider/outrider/runtime";
 * import { pretrainer, textBatch } from "@outrider/outrider/train";
 * import { assertAlmostEquals } from "@std/assert";
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
 * const state = trainer.init(initLlama(keyOf(1), config));
 * const { metrics } = trainer.step(state, textBatch(rows));
 * assertAlmostEquals((await read(metrics.loss))[0], Math.log(16), 0.1);
 * ```
 */
export function pretrainer<Optimizer>(
  options: PretrainerOptions<Optimizer>,
): Trainer<DeviceState<Optimizer>> {
  const { config, layers, scoring = logitsWithin(MOST_LOGIT_BYTES) } = options;
  const loss: DraftLoss = (parameters, _target, tokens) => {
    const batch = inClasses(tokens, options.vocabulary);
    const hidden = hiddenOf(config, parameters, batch, layers);
    return scoring({ hidden, head: llamaHead(parameters) }, (rows) => ({
      value: textLoss(rows, batch),
      auxiliary: {},
    }));
  };
  return draftTrainer(options, loss, null);
}

/** What a {@link finetuner} is made of. */
export interface FinetunerOptions<Optimizer> extends PretrainerOptions<Optimizer> {
  /**
   * What draws the draft's distributions to the target's. Only a {@link RowwiseLoss} is scored in
   * chunks; any other sees the logits of all rows at once.
   */
  readonly loss: DistillationLoss | RowwiseLoss | OnPolicyRows;
  /** Weight of the next-token loss on pretraining rows, which keeps the draft a language model. */
  readonly textWeight: number;
  /** The frozen target, or `cached` where the batches bring its distributions. */
  readonly target: FrozenTarget | "cached";
}

/** A target that is run beside the draft. */
export interface FrozenTarget {
  /** Its sizes. */
  readonly config: LlamaConfig;
  /** Its weights, which nothing changes. */
  readonly parameters: LlamaParameters<DeviceArray>;
}

/** A loss of rows that the draft wrote itself; rows of any other batch count as accepted. */
export interface OnPolicyRows {
  /** The loss. */
  readonly onPolicy: OnPolicyLoss;
}

/** What a loss is of the rows of a batch, `pick` of which are scored. */
type JudgedRows = (batch: RowBatch<Tensor>, pick: (whole: Tensor) => Tensor) => DistillationLoss;

function judgeOnPolicy({ onPolicy }: OnPolicyRows): JudgedRows {
  return (batch, pick) => {
    const depths = batch.onPolicy?.rejectedDepth ?? full(batch.tokens.shape, -1, "i32");
    return (draft, target, mask) => {
      const depth = where(less(0, mask), pick(depths), -1);
      return onPolicy(draft, target, where(less(depth, 0), mask, 0), depth);
    };
  };
}

/** The loss itself, and how logits are scored by it. */
function scoringOf<Optimizer>({ loss, scoring }: FinetunerOptions<Optimizer>): {
  readonly judge: JudgedRows;
  readonly scoring: Scoring;
} {
  if ("rowwise" in loss) {
    const { rowwise } = loss;
    return { judge: () => rowwise, scoring: scoring ?? logitsWithin(MOST_LOGIT_BYTES) };
  }
  if (scoring !== undefined && scoring !== wholeLogits) {
    throw new OutriderError(
      "a loss that judges each row alone, to score logits in chunks",
      "a loss that may look at all rows",
      "pass it as { rowwise: loss } where it is a mean over rows, or leave out scoring",
    );
  }
  return {
    judge: "onPolicy" in loss ? judgeOnPolicy(loss) : () => loss,
    scoring: wholeLogits,
  };
}

/**
 * Stage C of the recipe: white-box distillation on the target's own distributions (Goel et al.
 * 2024, section 3). The metric `alpha` is the mean of sum over v of min(p, q).
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { kld } from "@outrider/outrider/losses";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { adamW, constantSchedule } from "@outrider/outrider/optim";
 * import { createDevice, read, uploadTree } from "@outrider/outrider/runtime";
 * import { distillationBatch, finetuner } from "@outrider/outrider/train";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 8 });
 * const optimizer = adamW({ rate: constantSchedule(0.01) });
 * const weights = initLlama(keyOf(1), config);
 * const target = { config, parameters: uploadTree(device, weights) };
 * const trainer = finetuner({ device, config, optimizer, loss: kld, textWeight: 0, target });
 * const rows = {
 *   tokens: Int32Array.of(3, 1, 4),
 *   targets: Int32Array.of(1, 4, -1),
 *   lossMask: Float32Array.of(1, 1, 0),
 *   starts: Int32Array.of(0, 0, 0),
 *   positions: Int32Array.of(0, 1, 2),
 * };
 * const { metrics } = trainer.step(trainer.init(weights), distillationBatch(rows));
 * assertAlmostEquals((await read(metrics.alpha))[0], 1, 1e-5); // the target itself as draft
 * ```
 */
export function finetuner<Optimizer>(
  options: FinetunerOptions<Optimizer>,
): Trainer<DeviceState<Optimizer>> {
  const { config, target, textWeight, layers, vocabulary } = options;
  const { judge, scoring } = scoringOf(options);
  const score: DraftLoss = (parameters, teacher, tokens) => {
    const batch = inClasses(tokens, vocabulary);
    const hidden = hiddenOf(config, parameters, batch, layers);
    const head = llamaHead(parameters);
    const { scored } = batch;
    const pick = pickRows(scored?.distillation);
    const teach = teachingOf(options, teacher, tokens, pick);
    const mask = pick(batch.distillationMask);
    const loss = judge(batch, pick);
    const distilled = scoring({ hidden: pick(hidden), head }, (rows): RowScore => {
      const { logits, mean } = rows;
      const targetLogits = teach(rows);
      const value = mean(mask, (part) => loss(logits, targetLogits, part));
      // All tokens outside have probability 0 in drafting, whatever their class was given.
      const alpha = mean(
        mask,
        (part) => acceptance(logits, targetLogits, part, vocabulary?.other),
      );
      return { value, auxiliary: { alpha, distilled: value } };
    });
    if (textWeight === 0 || scored !== undefined && scored.text === undefined) return distilled;
    const pickText = pickRows(scored?.text);
    const text = { targets: pickText(batch.targets), textMask: pickText(batch.textMask) };
    const { value } = scoring({ hidden: pickText(hidden), head }, (rows): RowScore => ({
      value: textLoss(rows, text),
      auxiliary: {},
    }));
    return { ...distilled, value: add(distilled.value, mul(value, textWeight)) };
  };
  return draftTrainer(options, score, target === "cached" ? null : target.parameters);
}

/** The target's logits of some rows, over the draft's classes. */
type Teaching = (rows: LogitRows) => Tensor;

/** What teaches the picked rows: cached distributions, or the target, which sees each batch once. */
function teachingOf<Optimizer>(
  { target, vocabulary }: Pick<FinetunerOptions<Optimizer>, "target" | "vocabulary">,
  teacher: LlamaParameters<Tensor> | null,
  batch: RowBatch<Tensor>,
  pick: (whole: Tensor) => Tensor,
): Teaching {
  if (target === "cached" || teacher === null) {
    const { teacher: cached } = batch;
    if (cached === undefined) {
      throw new OutriderError(
        "a batch with the teacher's distributions",
        "one without",
        "make it with cachedTeacherBatch, or pass the target",
      );
    }
    const [classes, probs, mask] = [cached.classes, cached.probs, batch.distillationMask].map(pick);
    return ({ logits, rowsOf }) => {
      const known = { classes: rowsOf(classes), probs: rowsOf(probs) };
      // The logits as losses read them, so that their exponentials are computed once.
      const counted = countedLogits(logits, rowsOf(mask));
      return cachedTeacherLogits(counted, known, vocabulary?.other);
    };
  }
  const hidden = pick(hiddenOf(target.config, teacher, batch));
  if (vocabulary === undefined) return ({ rowsOf }) => llamaLogits(teacher, rowsOf(hidden));
  return ({ rowsOf }) => classLogits(llamaLogits(teacher, rowsOf(hidden)), vocabulary);
}
