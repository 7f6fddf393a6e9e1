/**
 * Optimisers as gradient transformations that compose, schedules, and averages of parameters.
 *
 * @module
 */
export { accumulate } from "./accumulate.ts";
export type { AccumulateState } from "./accumulate.ts";
export { adamW, scaleByAdam } from "./adam.ts";
export type { AdamOptions, AdamState, AdamWOptions, AdamWState } from "./adam.ts";
export { chain } from "./chain.ts";
export type { Links } from "./chain.ts";
export { clipByGlobalNorm, globalNorm } from "./clip.ts";
export { addDecayedWeights, onlyMatrices } from "./decay.ts";
export type { DecayMask } from "./decay.ts";
export { applyUpdates, ema } from "./parameters.ts";
export type { ParameterAverage } from "./parameters.ts";
export { scale, scaleBySchedule } from "./scale.ts";
export type { ScheduleState } from "./scale.ts";
export { constantSchedule, linearDecay, warmupCosine, wsd } from "./schedules.ts";
export type { Schedule, WarmupOptions, WsdOptions } from "./schedules.ts";
export { skipNonFinite } from "./skip_non_finite.ts";
export type { SkipState } from "./skip_non_finite.ts";
export { transformLeaves } from "./transformation.ts";
export type {
  ByPath,
  GradientTransformation,
  LeafRule,
  NoState,
  Transformed,
} from "./transformation.ts";
