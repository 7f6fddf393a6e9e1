/**
 * PEARL: drafting and verifying at the same time.
 *
 * @module
 */
export { pearl, type PearlState } from "./pearl.ts";
export {
  balancedLength,
  type BalancedOptions,
  type BalancedState,
  pearlLength,
  type PearlLengthOptions,
} from "./pearl_length.ts";
export { type PearlCosts, pearlRate, publishedPearlRate, speculativeRate } from "./pearl_rate.ts";
export type { PearlOptions } from "./run_both.ts";
export * from "./transition.ts";
