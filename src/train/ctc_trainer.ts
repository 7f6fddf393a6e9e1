/**
 * The trainer of CTC drafters (Wen, Gui & Feng 2024, arXiv 2412.00061): the places of each block are
 * drawn to the alignments of the target's continuation, whatever place says which token.
 *
 * The paper's program adds two losses to that of the alignments: the distance of its states from the
 * target's next hidden states, and the cross-entropy of their distributions. Here the alignments are
 * all there is. Its continuations are the target's likeliest tokens at every place of a text, three for
 * six places; `ctc_batch.ts` stops at the first that the text does not have.
 *
 * @module
 */
import { cast, div, equal, exp, less, maximum, mul, where } from "../core/elementwise_ops.ts";
import type { HostTensor } from "../core/host_tensor.ts";
import { linear, logSoftmax, sum } from "../core/linear_ops.ts";
import { concat, iota, reshape } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { ctcLoss, ctcPrefixLoss, ctcScores, type CtcTargets } from "../losses/ctc.ts";
import type { BlockDrafterConfig } from "../nn/block_drafter_parameters.ts";
import type { CtcDrafterParameters } from "../nn/ctc_drafter.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import { uploadTree } from "../runtime/device.ts";
import { blockStates, type FeatureTrainerOptions, type SharedWithTarget } from "./block_states.ts";
import type { CtcBatch } from "./ctc_batch.ts";
import { type BatchLoss, type DeviceState, type Trainer, trainerOf } from "./training_step.ts";

/** Losses of continuations by name: `ctc`, that they are all there is; `prefix`, that they come first. */
export const ctcLosses = { ctc: ctcLoss, prefix: ctcPrefixLoss } as const;

/** The name of a loss in {@link ctcLosses}. */
export type CtcLossName = keyof typeof ctcLosses;

/** How continuations are scored. */
export interface CtcLossOptions {
  /** Sizes of the drafter. */
  readonly config: BlockDrafterConfig;
  /** The tokens that it drafts; the blank is the class behind the last. */
  readonly vocabulary: Pick<TrimmedVocabulary, "classes">;
  /** What the alignments are to be. */
  readonly loss: CtcLossName;
}

/** What a {@link ctcTrainer} is made of. */
export interface CtcTrainerOptions<Optimizer>
  extends CtcLossOptions, FeatureTrainerOptions<Optimizer> {}

/** The loss of a CTC drafter on a batch. */
export type CtcBatchLoss = BatchLoss<
  CtcDrafterParameters<Tensor>,
  SharedWithTarget<Tensor>,
  CtcBatch<Tensor>
>;

/** A trainer of a CTC drafter. */
export type CtcTrainer<Optimizer> = Trainer<
  DeviceState<Optimizer, CtcDrafterParameters<Tensor>>,
  CtcDrafterParameters<HostTensor>,
  CtcBatch<HostTensor>
>;

/** A quotient that is 0 where nothing counts. */
function share(total: Tensor, count: Tensor): Tensor {
  return div(total, maximum(count, 1));
}

/** Mean probabilities of beginning with the first 1, 2, ... tokens, where there are so many. */
function acceptances(
  prefixes: Tensor,
  { lengths }: CtcTargets,
): Readonly<Record<string, Tensor>> {
  const [sequences, most] = prefixes.shape;
  const counts = cast(less(iota(prefixes.shape, 1), reshape(lengths, [sequences, 1])), "f32");
  const stands = where(equal(counts, 1), exp(prefixes), 0);
  const byLabel = Array.from({ length: most }, (_, label) => {
    const at = cast(equal(iota(prefixes.shape, 1), label), "f32");
    return [`alpha${label}`, share(sum(mul(stands, at)), sum(mul(counts, at)))] as const;
  });
  return { ...Object.fromEntries(byLabel), alpha: share(sum(stands), sum(counts)) };
}

/**
 * The mean loss of a batch's continuations, with the metrics `alpha0`, `alpha1` and so on: how probable
 * it is, by the drafter itself, that a drafted text begins with the first 1, 2, ... tokens of the
 * continuation; `alpha` is the share of all tokens that would so stand.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { buildCtcDrafter, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { ctcBatchLoss } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8, block: 2 });
 * const parameters = buildCtcDrafter(config, ({ shape }) => input(shape));
 * const shared = { embedding: input([9, 8]), kept: input([3, 8]) };
 * const rows = () => input([6], "i32"); // two places of each of three blocks
 * const batch = {
 *   features: input([5, 8]),
 *   contextPositions: input([5], "i32"),
 *   ...{ tokens: rows(), places: rows(), positions: rows(), last: rows(), start: rows(), end: rows() },
 *   extra: input([6, 2], "i32"),
 *   targets: { labels: input([3, 2], "i32"), lengths: input([3], "i32") },
 * };
 * const loss = ctcBatchLoss({ config, vocabulary: { classes: 4 }, loss: "ctc" });
 * assertEquals(loss(parameters, shared, batch).value.shape, []);
 * ```
 */
export function ctcBatchLoss({ config, vocabulary, loss }: CtcLossOptions): CtcBatchLoss {
  const blank = vocabulary.classes;
  return (parameters, shared, batch) => {
    const states = blockStates(config, parameters, shared, batch);
    const { other } = parameters;
    // Apart, so that nobody computes a gradient of the target's rows.
    const own = linear(states, concat([other, parameters.blank], 0));
    const logits = concat([linear(states, shared.kept), own], 1);
    const anchors = states.shape[0] / config.block;
    const logProbs = reshape(logSoftmax(logits), [config.block, anchors, blank + 1]);
    const { targets } = batch;
    const counted = cast(less(0, targets.lengths), "f32");
    const losses = ctcLosses[loss](logProbs, targets, blank);
    const value = share(sum(mul(losses, counted)), sum(counted));
    return { value, auxiliary: acceptances(ctcScores(logProbs, targets, blank).prefixes, targets) };
  };
}

/**
 * The trainer of a CTC drafter: {@link ctcBatchLoss} and an optimiser, in one compiled step.
 *
 * @example
 * ```ts
 * import { hostTensor, keyOf } from "@outrider/outrider/core";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { batches, responseDocument } from "@outrider/outrider/data";
 * import { initCtcDrafter, tinyBlockDrafter, trimmedVocabulary } from "@outrider/outrider/nn";
 * import { createDevice, read, uploadTree } from "@outrider/outrider/runtime";
 * import { ctcBatch, ctcTrainer, draftOptimizer } from "@outrider/outrider/train";
 * import { assert } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyBlockDrafter({ width: 8, block: 2 });
 * const vocabulary = trimmedVocabulary([1, 2], 4);
 * const document = {
 *   ...responseDocument([1, 3], [2, 2]),
 *   features: (_: number, count: number) => Array.from({ length: count }, () => new Float32Array(8)),
 * };
 * const corpus = { length: 1, document: () => document };
 * const packed = batches(corpus, { key: keyOf(1), rowsPerBatch: 3, sequenceLength: 3 });
 * const how = { config, anchors: 2, labels: 1, of: "text" as const, vocabulary };
 * const batch = ctcBatch(packed.at(0), keyOf(2), how);
 * const shared = uploadTree(device, {
 *   embedding: hostTensor(new Float32Array(4 * 8).fill(1), [4, 8]),
 *   kept: hostTensor(new Float32Array(2 * 8).fill(1), [2, 8]),
 * });
 * const optimizer = draftOptimizer({ steps: 1, rate: 0.01 });
 * const trainer = ctcTrainer({ device, config, vocabulary, loss: "ctc", optimizer, shared });
 * const first = initCtcDrafter(keyOf(3), config, new Float32Array(8).fill(1));
 * const { metrics } = trainer.step(trainer.init(first), batch);
 * assert((await read(metrics.alpha0))[0] < 1);
 * ```
 */
export function ctcTrainer<Optimizer>(
  options: CtcTrainerOptions<Optimizer>,
): CtcTrainer<Optimizer> {
  const { device, optimizer, shared } = options;
  return trainerOf({
    device,
    optimizer,
    loss: ctcBatchLoss(options),
    given: shared,
    place: (weights: CtcDrafterParameters<HostTensor>) => uploadTree(device, weights),
    placeBatch: (batch: CtcBatch<HostTensor>) => uploadTree(device, batch),
  });
}
