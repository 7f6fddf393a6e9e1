/**
 * The trainer of block drafters: what every place of a block drafts is drawn to the target's own
 * distribution there (after DFlash, 2602.06036, which learns the target's tokens).
 *
 * @module
 */
import { add, full, mul } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import type { HostTensor } from "../core/host_tensor.ts";
import { linear } from "../core/linear_ops.ts";
import { concat, sliceAxis } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { acceptance } from "../losses/acceptance.ts";
import { cachedTeacherLogits } from "../losses/cached_teacher.ts";
import { countedLogits, type RowwiseLoss } from "../losses/rows.ts";
import type { BlockDrafterConfig, BlockDrafterParameters } from "../nn/block_drafter_parameters.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import { uploadTree } from "../runtime/device.ts";
import type { BlockBatch } from "./block_batch.ts";
import { blockStates, type FeatureTrainerOptions, type SharedWithTarget } from "./block_states.ts";
import { type BatchLoss, type DeviceState, type Trainer, trainerOf } from "./training_step.ts";

/** How a block is scored. */
export interface BlockLossOptions {
  /** Sizes of the drafter. */
  readonly config: BlockDrafterConfig;
  /** The tokens that it drafts. */
  readonly vocabulary: Pick<TrimmedVocabulary, "other">;
  /** What draws the drafter's distributions to the target's. */
  readonly loss: RowwiseLoss;
  /** How far weights reach: that of place i is exp(-i / decay); {@link placeDecay} if left out. */
  readonly decay?: number;
}

/** What a {@link blockTrainer} is made of. */
export interface BlockTrainerOptions<Optimizer>
  extends BlockLossOptions, FeatureTrainerOptions<Optimizer> {}

/** The loss of a block drafter on a batch. */
export type BlockLoss = BatchLoss<
  BlockDrafterParameters<Tensor>,
  SharedWithTarget<Tensor>,
  BlockBatch<Tensor>
>;

/** A trainer of a block drafter. */
export type BlockTrainer<Optimizer> = Trainer<
  DeviceState<Optimizer, BlockDrafterParameters<Tensor>>,
  BlockDrafterParameters<HostTensor>,
  BlockBatch<HostTensor>
>;

/**
 * How far the weights of places reach, by the size of a block: 7, 5 and 4 for 16, 10 and 8 (DFlash,
 * 2602.06036), and half of smaller ones.
 *
 * @example
 * ```ts
 * import { placeDecay } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([16, 10, 8, 4].map(placeDecay), [7, 5, 4, 2]);
 * ```
 */
export function placeDecay(block: number): number {
  return block > 10 ? (block + 5) / 3 : block / 2;
}

/** The weights of the places of a block; they sum to 1. */
function placeWeights(block: number, decay: number): number[] {
  if (!(decay > 0)) {
    throw new OutriderError("weights of places that reach further than 0", `${decay}`, "raise it");
  }
  const weights = Array.from({ length: block }, (_, place) => Math.exp(-place / decay));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/**
 * The weighted mean of the places' losses, with the metrics `alpha0`, `alpha1` and so on: the mean
 * acceptance rate of each place, given that all before it were right; `alpha` is their mean by the same
 * weights.
 *
 * @example
 * ```ts
 * import { kld } from "@outrider/outrider/losses";
 * import { tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { blockLoss } from "@outrider/outrider/train";
 * import { assertThrows } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8 });
 * const options = { config, vocabulary: { other: 3 }, loss: { rowwise: kld } };
 * assertThrows(() => blockLoss({ ...options, decay: 0 }), Error, "reach further than 0");
 * ```
 */
export function blockLoss(options: BlockLossOptions): BlockLoss {
  const { config, vocabulary, loss } = options;
  const { block } = config;
  const weights = placeWeights(block, options.decay ?? placeDecay(block));
  return (parameters, shared, batch) => {
    const hidden = blockStates(config, parameters, shared, batch);
    const anchors = hidden.shape[0] / block;
    const auxiliary: Record<string, Tensor> = {};
    let [value, alpha] = [full([], 0), full([], 0)];
    weights.forEach((weight, place) => {
      const pick = (rows: Tensor): Tensor => sliceAxis(rows, 0, place * anchors, anchors);
      const states = pick(hidden);
      const mask = pick(batch.mask);
      // Apart, so that nobody computes a gradient of the target's rows.
      const logits = concat([linear(states, shared.kept), linear(states, parameters.other)], 1);
      const { classes, probs } = batch.teacher;
      const cached = { classes: pick(classes), probs: pick(probs) };
      const counted = countedLogits(logits, mask);
      const teacher = cachedTeacherLogits(counted, cached, vocabulary.other);
      const accepted = acceptance(logits, teacher, mask, vocabulary.other);
      auxiliary[`alpha${place}`] = accepted;
      alpha = add(alpha, mul(accepted, weight));
      value = add(value, mul(loss.rowwise(logits, teacher, mask), weight));
    });
    return { value, auxiliary: { ...auxiliary, alpha } };
  };
}

/**
 * The trainer of a block drafter: {@link blockLoss} and an optimiser, in one compiled step.
 *
 * @example
 * ```ts
 * import { hostTensor, keyOf } from "@outrider/outrider/core";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { batches, responseDocument } from "@outrider/outrider/data";
 * import { kld } from "@outrider/outrider/losses";
 * import { initBlockDrafter, tinyBlockDrafter, trimmedVocabulary } from "@outrider/outrider/nn";
 * import { createDevice, read, uploadTree } from "@outrider/outrider/runtime";
 * import { blockBatch, blockTrainer, draftOptimizer } from "@outrider/outrider/train";
 * import { assert } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyBlockDrafter({ width: 8, block: 2 });
 * const vocabulary = trimmedVocabulary([1, 2], 4);
 * const known = { tokens: Int32Array.of(2), logProbs: Float32Array.of(0) };
 * const document = {
 *   ...responseDocument([1, 3], [2, 2]),
 *   teacher: () => [known, known],
 *   features: (_: number, count: number) => Array.from({ length: count }, () => new Float32Array(8)),
 * };
 * const corpus = { length: 1, document: () => document };
 * const packed = batches(corpus, { key: keyOf(1), rowsPerBatch: 3, sequenceLength: 3 });
 * const teacher = { kept: 1, vocabulary };
 * const batch = blockBatch(packed.at(0), keyOf(2), { config, anchors: 2, teacher });
 * const shared = uploadTree(device, {
 *   embedding: hostTensor(new Float32Array(4 * 8).fill(1), [4, 8]),
 *   kept: hostTensor(new Float32Array(2 * 8).fill(1), [2, 8]),
 * });
 * const optimizer = draftOptimizer({ steps: 1, rate: 0.01 });
 * const loss = { rowwise: kld };
 * const trainer = blockTrainer({ device, config, vocabulary, loss, optimizer, shared });
 * const first = initBlockDrafter(keyOf(3), config, new Float32Array(8).fill(1));
 * const { metrics } = trainer.step(trainer.init(first), batch);
 * assert((await read(metrics.alpha0))[0] < 1);
 * ```
 */
export function blockTrainer<Optimizer>(
  options: BlockTrainerOptions<Optimizer>,
): BlockTrainer<Optimizer> {
  const { device, optimizer, shared } = options;
  return trainerOf({
    device,
    optimizer,
    loss: blockLoss(options),
    given: shared,
    place: (weights: BlockDrafterParameters<HostTensor>) => uploadTree(device, weights),
    placeBatch: (batch: BlockBatch<HostTensor>) => uploadTree(device, batch),
  });
}
