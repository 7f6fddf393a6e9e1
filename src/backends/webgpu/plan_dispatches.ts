/**
 * A plan's commands as dispatches, one each.
 *
 * @module
 */
import type { GpuPlan } from "./attention_statistics.ts";
import { bindSteps } from "./fuse/bind.ts";
import { splitProducts } from "./fuse/split_products.ts";
import { stepsOf } from "./fuse/step.ts";
import type { MemoryLimits } from "./limits.ts";
import { bytesOf, placeOf, type PlannedDispatches } from "./planned_dispatch.ts";

/** The dispatches of a plan, one per command that no binding is too small for. */
export function planDispatches(plan: GpuPlan, limits: MemoryLimits): PlannedDispatches {
  const steps = splitProducts(stepsOf(plan), (buffer) => bytesOf(plan, buffer), limits);
  const dispatches = steps.map((step) =>
    bindSteps([step], (buffer) => placeOf(plan, buffer), limits.bindingBytes)
  );
  return { dispatches, slots: plan.slots };
}
