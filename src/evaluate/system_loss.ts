/**
 * Why a system loses time, and the ratio of the models' times at which it would not.
 *
 * @module
 */
import type { ReportRow } from "./report_types.ts";
import { breakEvenOf } from "./step_costs.ts";
import type { DrafterUse, SystemLoss } from "./system_types.ts";

/** So much of the drafting time, spent waiting for the target, makes the target the longer. */
const WAITED_SHARE = 0.05;

/** Why a row's system loses; undefined where it loses no time, or is plain decoding itself. */
export function lossOf(
  { draftPasses, models }: DrafterUse,
  { kind, tau, costs, speedUp, metrics }: ReportRow,
): SystemLoss | undefined {
  if (kind === "none" || speedUp.value >= 1) return undefined;
  const found = breakEvenOf(tau.value, costs);
  if (found === undefined) return undefined;
  const passes = draftPasses === "per token" ? metrics.meanDraftLength : draftPasses;
  const ratioFor = (time: number | undefined): number | undefined =>
    passes > 0 && time !== undefined && time > 0 ? passes / time : undefined;
  const targetOverDraft = ratioFor(costs.drafting);
  if (models === "in turns") {
    return {
      ...found,
      targetOverDraft,
      winsFrom: ratioFor(found.drafting),
      winsWithFreeRowsFrom: ratioFor(found.draftingWithFreeRows),
    };
  }
  const { allowed, tau: needed } = found;
  const together = allowed - costs.host;
  // Waited for, the target is what a step takes; else the draft is.
  const because = costs.pass > WAITED_SHARE * costs.drafting ? "pass" : "drafting";
  return { because, allowed, tau: needed, together, targetOverDraft, winsFrom: ratioFor(together) };
}
