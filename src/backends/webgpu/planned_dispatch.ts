/**
 * Dispatches of a plan, and the memory that they bind.
 *
 * @module
 */
import type { DispatchSpec } from "../../../kernels/wgsl/mod.ts";
import type { BufferHome } from "../../plan/plan.ts";
import type { GpuPlan } from "./attention_statistics.ts";

/** A piece of a plan's memory; two pieces share memory where both fields are equal. */
export interface MemoryPlace {
  readonly home: BufferHome["home"];
  /** The number of the port or slot; for a constant that of its buffer. */
  readonly index: number;
}

/** One dispatch of a plan. */
export interface PlannedDispatch {
  readonly spec: DispatchSpec;
  /** What is bound, in the order of the spec's bindings. */
  readonly places: readonly MemoryPlace[];
}

/** The dispatches of a plan, and the bytes of the slots that they use. */
export interface PlannedDispatches {
  readonly dispatches: readonly PlannedDispatch[];
  readonly slots: readonly number[];
}

/** Where a buffer of a plan is; a result in the place of a donated input is that input. */
export function placeOf(plan: GpuPlan, buffer: number): MemoryPlace {
  const one = plan.buffers[buffer];
  if (one.home === "constant") return { home: "constant", index: buffer };
  if (one.home !== "output") return { home: one.home, index: one.index };
  const donor = plan.donations[one.index];
  return donor < 0 ? { home: "output", index: one.index } : { home: "input", index: donor };
}
