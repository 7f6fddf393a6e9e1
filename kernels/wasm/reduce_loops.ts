/**
 * What both ways of reducing work on: the loops of a spec, and the plan that comes out of them.
 *
 * @module
 */
import type { ReduceSpec } from "../../src/plan/kernel_spec.ts";
import { accessCursor, type Cursor, sourceCursors } from "./elements.ts";
import type { KernelFrame } from "./kernel.ts";
import { axesOf, type Axis, coalesce } from "./walk.ts";

/** A reduction with its axes merged: those that are kept and those that are reduced. */
export interface ReduceLoops {
  /** What is reduced. */
  readonly spec: ReduceSpec;
  /** The inputs' and indices' cursors, then the output's. */
  readonly cursors: readonly Cursor[];
  /** Axes of the results. */
  readonly kept: readonly Axis[];
  /** Axes that are folded. */
  readonly reduced: readonly Axis[];
}

/** How a reduction is cut into units, and the code of its kernel. */
export interface ReducePlan {
  /** Independent work units in all. */
  readonly units: number;
  /** Results of one unit. */
  readonly unitLanes: number;
  /** Emits the code of units lo .. hi-1. */
  write(frame: KernelFrame): void;
}

/** Merges the axes of a spec, kept and reduced apart. */
export function reduceLoops(spec: ReduceSpec): ReduceLoops {
  const rank = spec.shape.length;
  const zeros = Array<number>(spec.reduced).fill(0);
  const output = { ...spec.output, strides: [...spec.output.strides, ...zeros] };
  const cursors = [
    ...sourceCursors(rank, spec.inputs, spec.body),
    accessCursor(output, spec.inputs.length),
  ];
  const axes = axesOf(spec.shape, cursors.map((cursor) => cursor.steps));
  return {
    spec,
    cursors,
    kept: coalesce(axes.slice(0, rank - spec.reduced)),
    reduced: coalesce(axes.slice(rank - spec.reduced)),
  };
}
