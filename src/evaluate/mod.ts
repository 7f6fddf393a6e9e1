/**
 * Evaluation: the figures of speculative decoding.
 *
 * @module
 */

export { bootstrap, drawPrompts, type Draws, type Figure } from "./bootstrap.ts";
export * from "./compare.ts";
export * from "./metrics.ts";
export {
  type ArmSetting,
  type DecodingIdentity,
  digestOf,
  type DraftIdentity,
  type DraftKind,
  type EvaluationHead,
  type EvaluationRecord,
  type TaskIdentity,
} from "./record.ts";
export * from "./results.ts";
export * from "./run_evaluation.ts";
export { addTallies, decodingSeconds, NO_TALLY, type Tally, tallyOf } from "./tally.ts";
