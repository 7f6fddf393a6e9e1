/**
 * Scores of batches that are held out of training.
 *
 * @module
 */
import type { HostTensor } from "../core/host_tensor.ts";
import { read, releaseTree } from "../runtime/device.ts";
import type { BatchSource } from "./batch_source.ts";
import type { StepMetrics, Trainer } from "./training_step.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { RowBatch } from "./row_batch.ts";

/** Batches that are held out of training, and when they are scored. */
export interface Validation<Batch = RowBatch<HostTensor>> {
  /** The batches; the same first ones every time. */
  readonly source: BatchSource<Batch>;
  /** How many of them. */
  readonly batches: number;
  /** The numbers of steps, from 1, after which they are scored; the last step is always one. */
  readonly at: (step: number) => boolean;
}

/** Reads scalars and gives their memory back. */
export async function takeScalars(
  metrics: StepMetrics<DeviceArray>,
): Promise<Readonly<Record<string, number>>> {
  const found: Record<string, number> = {};
  try {
    for (const [name, array] of Object.entries(metrics)) found[name] = (await read(array))[0];
  } finally {
    releaseTree(metrics);
  }
  return found;
}

/**
 * The means of a trainer's metrics over the batches held out, named `validationLoss`,
 * `validationAlpha` and so on; nothing where it is not their turn.
 */
export async function validate<State, Batch>(
  { trainer, validation, totalSteps }: {
    readonly trainer: Pick<Trainer<State, unknown, Batch>, "evaluate">;
    readonly validation?: Validation<Batch>;
    readonly totalSteps: number;
  },
  state: State,
  step: number,
): Promise<Readonly<Record<string, number>>> {
  if (validation === undefined) return {};
  if (!validation.at(step) && step !== totalSteps) return {};
  const { source, batches } = validation;
  const means = new Map<string, number>();
  let positions = source.init();
  for (let i = 0; i < batches; i++) {
    const next = source.step(positions);
    positions = next.positions;
    const metrics = await takeScalars(trainer.evaluate(state, next.batch));
    for (const [name, value] of Object.entries(metrics)) {
      means.set(name, (means.get(name) ?? 0) + value / batches);
    }
  }
  return Object.fromEntries(
    [...means].map((
      [name, value],
    ) => [`validation${name[0].toUpperCase()}${name.slice(1)}`, value]),
  );
}
