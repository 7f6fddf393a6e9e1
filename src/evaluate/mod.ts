/**
 * Evaluation: the figures of speculative decoding.
 *
 * @module
 */

export { bootstrap, drawPrompts, type Draws, type Figure } from "./bootstrap.ts";
export * from "./compare.ts";
export { type Curve, type DraftComparison } from "./comparisons.ts";
export { namedSteps } from "./draft_names.ts";
export { changeText, figureText } from "./figure_text.ts";
export type { Json, ReportFigure } from "./charts.ts";
export * from "./figures.ts";
export * from "./metrics.ts";
export { reportOf } from "./report.ts";
export * from "./report_html.ts";
export { contestTables } from "./report_tables.ts";
export { markdownOf, placesOf } from "./report_text.ts";
export * from "./report_types.ts";
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
export * from "./step_costs.ts";
export { systemTables } from "./system_tables.ts";
export * from "./system_types.ts";
export { type ReportTable, type TableGroup } from "./tables.ts";
export { addTallies, decodingSeconds, NO_TALLY, type Tally, tallyOf } from "./tally.ts";
