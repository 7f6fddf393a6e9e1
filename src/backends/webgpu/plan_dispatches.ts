/**
 * A plan's commands as dispatches, one each.
 *
 * @module
 */
import type { GpuPlan } from "./attention_statistics.ts";
import { bindSteps } from "./fuse/bind.ts";
import { stepsOf } from "./fuse/step.ts";
import { placeOf, type PlannedDispatches } from "./planned_dispatch.ts";

/** The dispatches of a plan, one per command, given the bytes that an adapter binds at once. */
export function planDispatches(plan: GpuPlan, bindingBytes: number): PlannedDispatches {
  const dispatches = stepsOf(plan).map((step) =>
    bindSteps([step], (buffer) => placeOf(plan, buffer), bindingBytes)
  );
  return { dispatches, slots: plan.slots };
}
