/**
 * Decoding on a device: graphs that warp, sample and verify, and decoders whose host only reads what
 * came out.
 *
 * @module
 */
export {
  autoregressiveOnDevice,
  type AutoregressiveOnDeviceOptions,
  type TextOnDevice,
} from "./autoregressive.ts";
export type { DraftOnDevice } from "./drafter.ts";
export { type CoinParts, drawTokens } from "./draw.ts";
export { measureCostsOnDevice } from "./measure_costs.ts";
export type { ModelOnDevice, ReadSequence, Sequence, SequenceMemory } from "./model.ts";
export type { OnDeviceState, PendingStep, PipelineOptions } from "./pipeline.ts";
export type { Place } from "./place.ts";
export { type RememberingOnDevice, rememberPrefixOnDevice } from "./remember_prefix.ts";
export type { Sampling, SamplingNumbers } from "./sampling.ts";
export {
  type DraftedTextOnDevice,
  speculativeOnDevice,
  type SpeculativeOnDeviceOptions,
} from "./speculative.ts";
