/**
 * What the losses of pretraining and finetuning share: rows in, hidden states and a trainer out.
 *
 * @module
 */
import { less, where } from "../core/elementwise_ops.ts";
import type { HostTensor } from "../core/host_tensor.ts";
import { gather } from "../core/linear_ops.ts";
import { constant, reshape } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { crossEntropy, rowsWithTarget } from "../losses/cross_entropy.ts";
import type { LogitRows } from "../losses/in_chunks.ts";
import { type LayerTransform, llama } from "../nn/llama.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { GradientTransformation } from "../optim/transformation.ts";
import { type Device, uploadTree } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import { type RowBatch, trainingRows } from "./row_batch.ts";
import { type BatchLoss, type DeviceState, type Trainer, trainerOf } from "./training_step.ts";

/**
 * Logits of more bytes are scored by chunks of rows: a step keeps several arrays of their size, and
 * 64 of them would fill the address space of a WebAssembly memory.
 */
export const MOST_LOGIT_BYTES = 2 ** 32 / 64;

/** A loss of a draft on rows, beside a frozen target where one is run. */
export type DraftLoss = BatchLoss<
  LlamaParameters<Tensor>,
  LlamaParameters<Tensor> | null,
  RowBatch<Tensor>
>;

/** The trainer of a draft by a loss; `target` stays the caller's. */
export function draftTrainer<Optimizer>(
  { device, optimizer }: {
    readonly device: Device;
    readonly optimizer: GradientTransformation<Optimizer>;
  },
  loss: DraftLoss,
  target: LlamaParameters<DeviceArray> | null,
): Trainer<DeviceState<Optimizer>> {
  return trainerOf({
    device,
    optimizer,
    loss,
    given: target,
    place: (weights: LlamaParameters<HostTensor>) => uploadTree(device, weights),
    placeBatch: (batch: RowBatch<HostTensor>) => uploadTree(device, batch),
  });
}

/** The hidden states of a batch's rows, f32 `[rows, width]`. */
export function hiddenOf(
  config: LlamaConfig,
  parameters: LlamaParameters<Tensor>,
  batch: RowBatch<Tensor>,
  layers?: LayerTransform,
): Tensor {
  return llama(config, parameters, trainingRows(batch), undefined, layers).hidden;
}

/** The batch as a draft sees it: tokens and targets as classes of its vocabulary. */
export function inClasses(
  batch: RowBatch<Tensor>,
  vocabulary?: TrimmedVocabulary,
): RowBatch<Tensor> {
  if (vocabulary === undefined) return batch;
  const { targetVocabulary } = vocabulary;
  const classes = Int32Array.from({ length: targetVocabulary }, (_, id) => vocabulary.classOf(id));
  const table = constant(classes, [targetVocabulary, 1]);
  const classOf = (ids: Tensor): Tensor => reshape(gather(table, ids), ids.shape);
  const { tokens, targets } = batch;
  return {
    ...batch,
    tokens: classOf(tokens),
    targets: where(less(targets, 0), targets, classOf(targets)),
  };
}

/** The mean loss of the tokens that follow in text. */
export function textLoss(
  { logits, rowsOf, mean }: LogitRows,
  { targets, textMask }: Pick<RowBatch<Tensor>, "targets" | "textMask">,
): Tensor {
  const counted = rowsWithTarget(targets, textMask, logits.shape[1]);
  return mean(counted, (part) => crossEntropy(logits, rowsOf(targets), part));
}
