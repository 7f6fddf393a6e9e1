/**
 * Fusion: the commands of a plan as few dispatches.
 *
 * In this order: attention in one piece; rotations by halves as one map; maps behind the kernel whose
 * result they read; maps in front of the kernels that read them; then neighbours that need nothing
 * of each other as parts of one dispatch. None of it depends on the values of rows or on how many
 * there are but for what one shader can hold, and no order of accumulation changes.
 *
 * @module
 */
import { type DispatchSpec, partSize } from "../../../../kernels/wgsl/mod.ts";
import { ELEMENT_BYTES } from "../../../core/dtype.ts";
import type { GpuPlan } from "../attention_statistics.ts";
import { stableJson } from "../../../plan/stable_json.ts";
import type { Gpu } from "../gpu.ts";
import { type MemoryPlace, placeOf, type PlannedDispatches } from "../plan_dispatches.ts";
import { bindSteps } from "./bind.ts";
import { type DispatchLimits, groupSteps, type PartSize } from "./group_steps.ts";
import { inlineMaps } from "./inline_maps.ts";
import { joinPieces } from "./join_pieces.ts";
import { mergeAttention } from "./merge_attention.ts";
import { sinkMaps } from "./sink_maps.ts";
import { slotsOfGroups } from "./slots.ts";
import { namingOf, type Step, stepsOf } from "./step.ts";

/** What fusing is told of the adapter. */
export interface FuseOptions {
  readonly limits: DispatchLimits;
  /** What the one part of a dispatch takes. */
  readonly sizeOf: (dispatch: DispatchSpec) => PartSize;
}

/** Fusion for a device. */
export function createFuser({ device, features }: Gpu): (plan: GpuPlan) => PlannedDispatches {
  const sizes = new Map<string, PartSize>();
  const limits = {
    bindings: device.limits.maxStorageBuffersPerShaderStage,
    workgroupBytes: features.workgroupBytes,
  };
  const sizeOf = (dispatch: DispatchSpec): PartSize => {
    const key = stableJson(dispatch);
    const known = sizes.get(key) ?? partSize(dispatch, features);
    sizes.set(key, known);
    return known;
  };
  return (plan) => fusedDispatches(plan, { limits, sizeOf });
}

/** The bytes of a plan's temporaries. */
function temporaryBytes({ buffers, slots }: GpuPlan): Map<number, number> {
  return new Map(
    buffers.flatMap((buffer, i) =>
      buffer.home === "slot" ? [[i, buffer.bytes ?? slots[buffer.index]] as const] : []
    ),
  );
}

/** The steps that are left when maps have moved into their neighbours. */
export function fusedSteps(plan: GpuPlan, mostBindings: number): Step[] {
  const naming = namingOf(plan);
  const elements = (buffer: number): number | undefined => {
    const one = plan.buffers[buffer];
    return one.home === "slot" && one.bytes !== undefined ? one.bytes / ELEMENT_BYTES : undefined;
  };
  const temporaries = { elements, naming };
  const merged = joinPieces(mergeAttention(stepsOf(plan), naming), naming);
  return inlineMaps(sinkMaps(merged, temporaries), temporaries, mostBindings);
}

/** The dispatches of a plan, fused. */
export function fusedDispatches(plan: GpuPlan, { limits, sizeOf }: FuseOptions): PlannedDispatches {
  const place = (buffer: number): MemoryPlace => placeOf(plan, buffer);
  // While sizes are found each temporary is a place of its own.
  const apart = (buffer: number): MemoryPlace =>
    plan.buffers[buffer].home === "slot" ? { home: "slot", index: buffer } : place(buffer);
  const groups = groupSteps(
    fusedSteps(plan, limits.bindings),
    namingOf(plan),
    (step) => sizeOf(bindSteps([step], apart).spec),
    limits,
  );
  const { slotOf, slots } = slotsOfGroups(groups, temporaryBytes(plan));
  const settled = (buffer: number): MemoryPlace =>
    plan.buffers[buffer].home === "slot"
      ? { home: "slot", index: slotOf.get(buffer) ?? 0 }
      : place(buffer);
  return { dispatches: groups.map((steps) => bindSteps(steps, settled)), slots };
}
