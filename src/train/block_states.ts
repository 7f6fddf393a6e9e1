/**
 * What a block drafter makes of a batch: the hidden states of its blocks, beside the packed texts.
 *
 * @module
 */
import { dense, gather } from "../core/linear_ops.ts";
import { concat } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { blockContext, blockDrafter, contextKeyValues } from "../nn/block_drafter.ts";
import type { BlockDrafterConfig, BlockDrafterParameters } from "../nn/block_drafter_parameters.ts";
import type { GradientTransformation } from "../optim/transformation.ts";
import type { Device } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { BlockRowsBatch } from "./block_rows.ts";

/** What a block drafter shares with its target, frozen. */
export interface SharedWithTarget<Leaf> {
  /** The target's embedding, `[vocabulary, width]`. */
  readonly embedding: Leaf;
  /** The rows of its head that belong to the drafted tokens, `[classes - 1, width]`. */
  readonly kept: Leaf;
}

/** What a trainer of such a drafter is made of, beside its loss. */
export interface FeatureTrainerOptions<Optimizer> {
  /** Where the trainer runs. */
  readonly device: Device;
  /** How gradients become updates. */
  readonly optimizer: GradientTransformation<Optimizer>;
  /** What is the target's, on the device; it stays the caller's. */
  readonly shared: SharedWithTarget<DeviceArray>;
}

/** The hidden states of a batch's blocks, f32 `[rows, width]`, ordered by place. */
export function blockStates(
  config: BlockDrafterConfig,
  parameters: BlockDrafterParameters<Tensor>,
  { embedding }: Pick<SharedWithTarget<Tensor>, "embedding">,
  batch: BlockRowsBatch<Tensor>,
): Tensor {
  const context = blockContext(config, parameters, batch.features);
  const known = contextKeyValues(config, parameters, context, batch.contextPositions);
  const { places, positions, start, end, extra } = batch;
  const embedded = gather(dense(embedding), batch.tokens);
  const last = gather(context, batch.last);
  const rows = { embedded, last, places, positions, start, end, extra };
  return blockDrafter(config, parameters, rows, ({ key, value }, layer) => ({
    key: concat([known[layer].key, key], 0),
    value: concat([known[layer].value, value], 0),
  }));
}
