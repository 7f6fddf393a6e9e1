/**
 * Several drafts for one place, rules that verify them, and the acceptance that no rule exceeds.
 *
 * @module
 */
export { distinctRecursiveAcceptance } from "./distinct_recursive.ts";
export * from "./greedy_drafts.ts";
export * from "./greedy_optimal.ts";
export * from "./k_sequential.ts";
export { draftOutcomes, drawDrafts, type MultiDraftLaw, type MultiDraftOutcome } from "./law.ts";
export { optimalAcceptance } from "./optimal_acceptance.ts";
export * from "./recursive_rejection.ts";
export {
  multiDraftAcceptance,
  type MultiDraftCoins,
  type MultiDraftDecision,
  type MultiDraftRound,
  type MultiDraftRule,
  type MultiDraftVerdict,
  verifyDrafts,
} from "./rule.ts";
export { optimalTransport, type TransportPlan, transportPlan } from "./transport.ts";
export * from "./with_replacement.ts";
export * from "./without_replacement.ts";
