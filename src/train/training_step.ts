/**
 * A training step: forward pass, gradients and optimiser in one compiled plan with donated state.
 *
 * @module
 */
import { type Scored, valueAndGradWith } from "../core/grad.ts";
import type { HostTensor } from "../core/host_tensor.ts";
import type { Tensor } from "../core/tensor.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { globalNorm } from "../optim/clip.ts";
import { applyUpdates } from "../optim/parameters.ts";
import { areFinite, initWhere, type SkipState, updateWhere } from "../optim/skip_non_finite.ts";
import type { GradientTransformation } from "../optim/transformation.ts";
import { compile, type OnDevice } from "../runtime/compile.ts";
import { type Device, releaseTree, uploadTree } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { RowBatch } from "./row_batch.ts";

/** What training changes: parameters and the optimiser's state. Both are donated to every step. */
export interface TrainingState<Optimizer> {
  /** The weights. */
  readonly parameters: LlamaParameters<Tensor>;
  /** The optimiser's state, and counts of the steps that were skipped. */
  readonly optimizer: SkipState<Optimizer>;
}

/** The training state on a device. */
export type DeviceState<Optimizer> = OnDevice<TrainingState<Optimizer>>;

/**
 * Scalars that a step reports, by name. `loss`, `gradientNorm`, and the counts `skipped` and
 * `skippedInARow` of steps that were not finite are always there.
 */
export type StepMetrics<Leaf> = Readonly<Record<string, Leaf>>;

/** Training as an init/step pair. */
export interface Trainer<Optimizer> {
  /** The state before the first step, from given weights. */
  init(parameters: LlamaParameters<HostTensor>): DeviceState<Optimizer>;
  /**
   * One step; the old state is dead. Where the loss, another metric or a gradient is not finite,
   * the new state is the old one with `skipped` raised. The metrics are to be released by the caller.
   */
  step(
    state: DeviceState<Optimizer>,
    batch: RowBatch<HostTensor>,
  ): { readonly state: DeviceState<Optimizer>; readonly metrics: StepMetrics<DeviceArray> };
  /** The metrics of the loss on a batch, which changes nothing; to be released by the caller. */
  evaluate(state: DeviceState<Optimizer>, batch: RowBatch<HostTensor>): StepMetrics<DeviceArray>;
}

/** A loss of parameters on a batch, with further metrics beside it. */
export type BatchLoss = (
  parameters: LlamaParameters<Tensor>,
  target: LlamaParameters<Tensor> | null,
  batch: RowBatch<Tensor>,
) => Scored<StepMetrics<Tensor>>;

/** Turns a loss and an optimiser into a trainer that skips steps which are not finite. */
export function trainerOf<Optimizer>(
  device: Device,
  optimizer: GradientTransformation<Optimizer>,
  loss: BatchLoss,
  target: LlamaParameters<DeviceArray> | null,
): Trainer<Optimizer> {
  const start = (parameters: LlamaParameters<Tensor>): TrainingState<Optimizer> => ({
    parameters,
    optimizer: initWhere(optimizer, parameters),
  });
  const advance = (
    state: TrainingState<Optimizer>,
    teacher: LlamaParameters<Tensor> | null,
    batch: RowBatch<Tensor>,
  ) => {
    const scored = valueAndGradWith(loss)(state.parameters, teacher, batch);
    const { gradients, auxiliary, value } = scored;
    const measured = { ...auxiliary, loss: value, gradientNorm: globalNorm(gradients) };
    // Losses made of comparisons stay finite themselves where the target is not a number.
    const finite = areFinite(Object.values(measured));
    const made = updateWhere(optimizer, finite, gradients, state.optimizer, state.parameters);
    const { skipped, skippedInARow } = made.state;
    const metrics: StepMetrics<Tensor> = { ...measured, skipped, skippedInARow };
    const parameters = applyUpdates(state.parameters, made.updates);
    return { state: { parameters, optimizer: made.state }, metrics };
  };
  const score = (...given: Parameters<BatchLoss>): StepMetrics<Tensor> => {
    const { value, auxiliary } = loss(...given);
    return { ...auxiliary, loss: value };
  };
  const compiledStart = compile(device, start, { name: "the first training state", donate: [0] });
  const compiledStep = compile(device, advance, { name: "a training step", donate: [0] });
  const compiledScore = compile(device, score, { name: "an evaluation" });
  const withRows = <Result>(
    batch: RowBatch<HostTensor>,
    use: (rows: RowBatch<DeviceArray>) => Result,
  ): Result => {
    const rows = uploadTree(device, batch);
    try {
      return use(rows);
    } finally {
      releaseTree(rows);
    }
  };
  return {
    init: (parameters) => compiledStart(uploadTree(device, parameters)),
    step: (state, batch) => withRows(batch, (rows) => compiledStep(state, target, rows)),
    evaluate: ({ parameters }, batch) =>
      withRows(batch, (rows) => compiledScore(parameters, target, rows)),
  };
}
