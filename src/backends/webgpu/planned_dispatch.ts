/**
 * Dispatches of a plan, and the memory that they bind.
 *
 * @module
 */
import type { DispatchSpec } from "../../../kernels/wgsl/mod.ts";
import type { BufferHome } from "../../plan/plan.ts";
import type { GpuPlan } from "./attention_statistics.ts";

/** A piece of a plan's memory; two pieces may share memory where home and index are equal. */
export interface MemoryPlace {
  readonly home: BufferHome["home"];
  /** The number of the port or slot; for a constant that of its buffer. */
  readonly index: number;
  /** The first byte: 0, or where a part of an array begins. */
  readonly from: number;
  readonly bytes: number;
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

/** The bytes of a buffer of a plan. */
export function bytesOf(
  { buffers, slots, inputPorts, outputPorts }: GpuPlan,
  buffer: number,
): number {
  const one = buffers[buffer];
  switch (one.home) {
    case "constant":
      return one.data.byteLength;
    case "slot":
      return one.bytes ?? slots[one.index];
    case "input":
      return inputPorts[one.index].bytes;
    case "output":
      return outputPorts[one.index].bytes;
  }
}

/** Where a buffer of a plan is; a result in the place of a donated input is that input. */
export function placeOf(plan: GpuPlan, buffer: number): MemoryPlace {
  const one = plan.buffers[buffer];
  const whole = { from: 0, bytes: bytesOf(plan, buffer) };
  if (one.home === "constant") return { home: "constant", index: buffer, ...whole };
  if (one.home !== "output") return { home: one.home, index: one.index, ...whole };
  const donor = plan.donations[one.index];
  return donor < 0
    ? { home: "output", index: one.index, ...whole }
    : { home: "input", index: donor, ...whole };
}
