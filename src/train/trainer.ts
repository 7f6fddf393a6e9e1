/**
 * Trainers: forward pass, gradients and optimiser in one compiled plan with donated state.
 *
 * @module
 */
import { add, mul } from "../core/elementwise_ops.ts";
import { type Scored, valueAndGradWith } from "../core/grad.ts";
import type { HostTensor } from "../core/host_tensor.ts";
import type { Tensor } from "../core/tensor.ts";
import { acceptance } from "../losses/acceptance.ts";
import { crossEntropy } from "../losses/cross_entropy.ts";
import type { DistillationLoss } from "../losses/rows.ts";
import { llama, llamaLogits } from "../nn/llama.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { globalNorm } from "../optim/clip.ts";
import { applyUpdates } from "../optim/parameters.ts";
import type { GradientTransformation } from "../optim/transformation.ts";
import { compile, type OnDevice } from "../runtime/compile.ts";
import { type Device, releaseTree, uploadTree } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import { type RowBatch, trainingRows } from "./row_batch.ts";

/** What training changes: parameters and the optimiser's state. Both are donated to every step. */
export interface TrainingState<Optimizer> {
  /** The weights. */
  readonly parameters: LlamaParameters<Tensor>;
  /** The optimiser's state. */
  readonly optimizer: Optimizer;
}

/** The training state on a device. */
export type DeviceState<Optimizer> = OnDevice<TrainingState<Optimizer>>;

/** Scalars that a step reports, by name; `loss` and `gradientNorm` are always there. */
export type StepMetrics<Leaf> = Readonly<Record<string, Leaf>>;

/** Training as an init/step pair. */
export interface Trainer<Optimizer> {
  /** The state before the first step, from given weights. */
  init(parameters: LlamaParameters<HostTensor>): DeviceState<Optimizer>;
  /** One step; the old state is dead. The metrics are to be released by the caller. */
  step(
    state: DeviceState<Optimizer>,
    batch: RowBatch<HostTensor>,
  ): { readonly state: DeviceState<Optimizer>; readonly metrics: StepMetrics<DeviceArray> };
}

/** A loss of parameters on a batch, with further metrics beside it. */
type BatchLoss = (
  parameters: LlamaParameters<Tensor>,
  target: LlamaParameters<Tensor> | null,
  batch: RowBatch<Tensor>,
) => Scored<StepMetrics<Tensor>>;

/** Turns a loss and an optimiser into a trainer. */
function trainerOf<Optimizer>(
  device: Device,
  optimizer: GradientTransformation<Optimizer>,
  loss: BatchLoss,
  target: LlamaParameters<DeviceArray> | null,
): Trainer<Optimizer> {
  const start = (parameters: LlamaParameters<Tensor>): TrainingState<Optimizer> => ({
    parameters,
    optimizer: optimizer.init(parameters),
  });
  const advance = (
    state: TrainingState<Optimizer>,
    teacher: LlamaParameters<Tensor> | null,
    batch: RowBatch<Tensor>,
  ) => {
    const scored = valueAndGradWith(loss)(state.parameters, teacher, batch);
    const { gradients } = scored;
    const made = optimizer.update(gradients, state.optimizer, state.parameters);
    const metrics: StepMetrics<Tensor> = {
      ...scored.auxiliary,
      loss: scored.value,
      gradientNorm: globalNorm(gradients),
    };
    const parameters = applyUpdates(state.parameters, made.updates);
    return { state: { parameters, optimizer: made.state }, metrics };
  };
  const compiledStart = compile(device, start, { name: "the first training state", donate: [0] });
  const compiledStep = compile(device, advance, { name: "a training step", donate: [0] });
  return {
    init: (parameters) => compiledStart(uploadTree(device, parameters)),
    step: (state, batch) => {
      const rows = uploadTree(device, batch);
      try {
        return compiledStep(state, target, rows);
      } finally {
        releaseTree(rows);
      }
    },
  };
}

/** What a {@link pretrainer} is made of. */
export interface PretrainerOptions<Optimizer> {
  /** Where the trainer runs. */
  readonly device: Device;
  /** Sizes of the model. */
  readonly config: LlamaConfig;
  /** How gradients become updates. */
  readonly optimizer: GradientTransformation<Optimizer>;
}

function logitsOfRows(
  config: LlamaConfig,
  parameters: LlamaParameters<Tensor>,
  batch: RowBatch<Tensor>,
): Tensor {
  return llamaLogits(parameters, llama(config, parameters, trainingRows(batch)).hidden);
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
export function pretrainer<Optimizer>(options: PretrainerOptions<Optimizer>): Trainer<Optimizer> {
  const { device, config, optimizer } = options;
  const loss: BatchLoss = (parameters, _target, batch) => {
    const logits = logitsOfRows(config, parameters, batch);
    return { value: crossEntropy(logits, batch.targets, batch.textMask), auxiliary: {} };
  };
  return trainerOf(device, optimizer, loss, null);
}

/** What a {@link finetuner} is made of. */
export interface FinetunerOptions<Optimizer> extends PretrainerOptions<Optimizer> {
  /** What draws the draft's distributions to the target's. */
  readonly loss: DistillationLoss;
  /** Weight of the next-token loss on pretraining rows, which keeps the draft a language model. */
  readonly textWeight: number;
  /** The frozen target. */
  readonly target: {
    readonly config: LlamaConfig;
    readonly parameters: LlamaParameters<DeviceArray>;
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
export function finetuner<Optimizer>(options: FinetunerOptions<Optimizer>): Trainer<Optimizer> {
  const { device, config, optimizer, target, loss, textWeight } = options;
  const score: BatchLoss = (parameters, teacher, batch) => {
    const draft = logitsOfRows(config, parameters, batch);
    const wanted = teacher === null ? draft : logitsOfRows(target.config, teacher, batch);
    const text = crossEntropy(draft, batch.targets, batch.textMask);
    const distilled = loss(draft, wanted, batch.distillationMask);
    const alpha = acceptance(draft, wanted, batch.distillationMask);
    return { value: add(distilled, mul(text, textWeight)), auxiliary: { alpha, distilled } };
  };
  return trainerOf(device, optimizer, score, target.parameters);
}
