/**
 * Fusion: the commands of a plan as few dispatches.
 *
 * In this order: products with matrices beyond a binding as several; attention in one piece; rotations
 * by halves as one map; maps behind the kernel whose result they read; maps in front of the kernels
 * that read them; sums of norms inside the products of few rows; a row's keys and values written by
 * its attention; then neighbours that need nothing of each other as parts of one dispatch. None of it
 * depends on the values of rows or on how many there are but for what one shader can hold and what
 * pays, and no order of accumulation changes.
 *
 * @module
 */
import { type DispatchSpec, partSize } from "../../../../kernels/wgsl/mod.ts";
import { ELEMENT_BYTES } from "../../../core/dtype.ts";
import type { GpuPlan } from "../attention_statistics.ts";
import { stableJson } from "../../../plan/stable_json.ts";
import type { Gpu } from "../gpu.ts";
import type { MemoryLimits } from "../limits.ts";
import { bytesOf, type MemoryPlace, placeOf, type PlannedDispatches } from "../planned_dispatch.ts";
import { bindSteps } from "./bind.ts";
import { type DispatchLimits, groupSteps, type PartSize } from "./group_steps.ts";
import { inlineMaps } from "./inline_maps.ts";
import { joinPieces } from "./join_pieces.ts";
import { mergeAttention } from "./merge_attention.ts";
import { repeatReductions } from "./repeat_reductions.ts";
import { sinkMaps } from "./sink_maps.ts";
import { slotsOfGroups } from "./slots.ts";
import { splitProducts } from "./split_products.ts";
import { namingOf, type Step, stepsOf } from "./step.ts";
import { writeInAttention } from "./write_in_attention.ts";
import { bindingCount, type StepBindings, stepBindings } from "./step_bindings.ts";

/** What fusing is told of the adapter. */
export interface FuseOptions {
  readonly limits: DispatchLimits & MemoryLimits;
  /** What the one part of a dispatch takes. */
  readonly sizeOf: (dispatch: DispatchSpec) => PartSize;
}

/** Fusion for a device. */
export function createFuser(
  { device, features, limits: memory }: Gpu,
): (plan: GpuPlan) => PlannedDispatches {
  const sizes = new Map<string, PartSize>();
  const limits = {
    bindings: device.limits.maxStorageBuffersPerShaderStage,
    workgroupBytes: features.workgroupBytes,
    ...memory,
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
function fusedSteps(
  plan: GpuPlan,
  bindings: StepBindings,
  limits: FuseOptions["limits"],
): Step[] {
  const naming = namingOf(plan);
  const elements = (buffer: number): number | undefined => {
    const one = plan.buffers[buffer];
    return one.home === "slot" && one.bytes !== undefined ? one.bytes / ELEMENT_BYTES : undefined;
  };
  const temporaries = { elements, naming };
  const cut = splitProducts(stepsOf(plan), (buffer) => bytesOf(plan, buffer), limits);
  const merged = joinPieces(mergeAttention(cut, naming), naming);
  const isBindable = (step: Step) => bindingCount(bindings(step)) <= limits.bindings;
  const inlined = inlineMaps(sinkMaps(merged, temporaries), temporaries, isBindable);
  const repeated = repeatReductions(inlined, temporaries, isBindable);
  return writeInAttention(repeated, naming, isBindable);
}

/** A plan whose steps are grouped, and where its temporaries are then. */
export interface FusedPlan {
  /** The steps of one dispatch after the other. */
  readonly groups: readonly (readonly Step[])[];
  /** The slot of each temporary that is left. */
  readonly slotOf: ReadonlyMap<number, number>;
  /** Bytes of the slots. */
  readonly slots: readonly number[];
}

/** Fuses a plan. */
export function fuse(plan: GpuPlan, { limits, sizeOf }: FuseOptions): FusedPlan {
  // While sizes are found each temporary is a place of its own.
  const apart = (buffer: number): MemoryPlace => {
    const place = placeOf(plan, buffer);
    return place.home === "slot" ? { ...place, index: buffer } : place;
  };
  const naming = namingOf(plan);
  const bindings = stepBindings(plan, naming, limits.bindingBytes);
  const groups = groupSteps(
    fusedSteps(plan, bindings, limits),
    naming,
    bindings,
    (step) => sizeOf(bindSteps([step], apart, limits.bindingBytes).spec),
    limits,
  );
  return { groups, ...slotsOfGroups(groups, temporaryBytes(plan)) };
}

/** The dispatches of a plan, fused. */
export function fusedDispatches(plan: GpuPlan, options: FuseOptions): PlannedDispatches {
  const { groups, slotOf, slots } = fuse(plan, options);
  const settled = (buffer: number): MemoryPlace => {
    const [slot, place] = [slotOf.get(buffer), placeOf(plan, buffer)];
    return slot === undefined ? place : { ...place, index: slot };
  };
  const { bindingBytes } = options.limits;
  return { dispatches: groups.map((steps) => bindSteps(steps, settled, bindingBytes)), slots };
}
