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
import { type Device, releaseTree } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { RowBatch } from "./row_batch.ts";

/** What training changes: parameters and the optimiser's state. Both are donated to every step. */
export interface TrainingState<Optimizer, Parameters = LlamaParameters<Tensor>> {
  /** The weights. */
  readonly parameters: Parameters;
  /** The optimiser's state, and counts of the steps that were skipped. */
  readonly optimizer: SkipState<Optimizer>;
}

/** The training state on a device. */
export type DeviceState<Optimizer, Parameters = LlamaParameters<Tensor>> = OnDevice<
  TrainingState<Optimizer, Parameters>
>;

/**
 * Scalars that a step reports, by name. `loss`, `gradientNorm`, and the counts `skipped` and
 * `skippedInARow` of steps that were not finite are always there.
 */
export type StepMetrics<Leaf> = Readonly<Record<string, Leaf>>;

/** Training as an init/step pair; plain drafts and batches of their rows where nothing else is said. */
export interface Trainer<
  State,
  Weights = LlamaParameters<HostTensor>,
  Batch = RowBatch<HostTensor>,
> {
  /** The state before the first step, from given weights. */
  init(weights: Weights): State;
  /**
   * One step; the old state is dead. Where the loss, another metric or a gradient is not finite,
   * the new state is the old one with `skipped` raised. The metrics are to be released by the caller.
   */
  step(
    state: State,
    batch: Batch,
  ): { readonly state: State; readonly metrics: StepMetrics<DeviceArray> };
  /** The metrics of the loss on a batch, which changes nothing; to be released by the caller. */
  evaluate(state: State, batch: Batch): StepMetrics<DeviceArray>;
}

/** A loss of parameters on a batch, with further metrics beside it; `given` is frozen. */
export type BatchLoss<Parameters, Given, Batch> = (
  parameters: Parameters,
  given: Given,
  batch: Batch,
) => Scored<StepMetrics<Tensor>>;

/** What a trainer is made of. */
export interface TrainerParts<Optimizer, Parameters, Given, Batch, Weights, Rows> {
  /** Where it runs. */
  readonly device: Device;
  /** How gradients become updates. */
  readonly optimizer: GradientTransformation<Optimizer>;
  /** What a step makes smaller. */
  readonly loss: BatchLoss<Parameters, Given, Batch>;
  /** What the loss sees besides, which nothing changes. */
  readonly given: OnDevice<Given>;
  /** Copies first weights to the device. */
  readonly place: (weights: Weights) => OnDevice<Parameters>;
  /** Copies a batch to the device; each step gives it back. */
  readonly placeBatch: (batch: Rows) => OnDevice<Batch>;
}

/** Turns a loss and an optimiser into a trainer that skips steps which are not finite. */
export function trainerOf<Optimizer, Parameters, Given, Batch, Weights, Rows>(
  parts: TrainerParts<Optimizer, Parameters, Given, Batch, Weights, Rows>,
): Trainer<DeviceState<Optimizer, Parameters>, Weights, Rows> {
  const { device, optimizer, loss, given, place, placeBatch } = parts;
  const start = (parameters: Parameters): TrainingState<Optimizer, Parameters> => ({
    parameters,
    optimizer: initWhere(optimizer, parameters),
  });
  const advance = (state: TrainingState<Optimizer, Parameters>, frozen: Given, batch: Batch) => {
    const scored = valueAndGradWith(loss)(state.parameters, frozen, batch);
    const { gradients, auxiliary, value } = scored;
    const measured = { ...auxiliary, loss: value, gradientNorm: globalNorm(gradients) };
    // Losses made of comparisons stay finite themselves where the target is not a number.
    const finite = areFinite(Object.values(measured));
    const made = updateWhere(optimizer, finite, gradients, state.optimizer, state.parameters);
    const { skipped, skippedInARow } = made.state;
    const metrics: StepMetrics<Tensor> = { ...measured, skipped, skippedInARow };
    const parameters = applyUpdates(state.parameters, made.updates);
    const next: TrainingState<Optimizer, Parameters> = { parameters, optimizer: made.state };
    return { state: next, metrics };
  };
  const score = (parameters: Parameters, frozen: Given, batch: Batch): StepMetrics<Tensor> => {
    const { value, auxiliary } = loss(parameters, frozen, batch);
    return { ...auxiliary, loss: value };
  };
  const compiledStart = compile(device, start, { name: "the first training state", donate: [0] });
  const compiledStep = compile(device, advance, { name: "a training step", donate: [0] });
  const compiledScore = compile(device, score, { name: "an evaluation" });
  const withRows = <Result>(batch: Rows, use: (rows: OnDevice<Batch>) => Result): Result => {
    const rows = placeBatch(batch);
    try {
      return use(rows);
    } finally {
      releaseTree(rows);
    }
  };
  return {
    init: (weights) => compiledStart(place(weights)),
    step: (state, batch) => withRows(batch, (rows) => compiledStep(state, given, rows)),
    evaluate: ({ parameters }, batch) =>
      withRows(batch, (rows) => compiledScore(parameters, given, rows)),
  };
}
