/**
 * Walking strided arrays: an odometer over axes that moves cursors, which are byte pointers into
 * arrays or values of an index ("iota").
 *
 * @module
 */
import type { Axis } from "../../src/core/axes.ts";
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { i32 } from "./assembler_ops.ts";

export { axesOf, type Axis, coalesce, positions } from "../../src/core/axes.ts";

/** An odometer in progress. */
export interface Walk {
  /** The index along each axis. */
  readonly indices: readonly Local<"i32">[];
  /** Moves on by one position of the last axis, carrying into the axes before. */
  next(): void;
}

/** Starts an odometer at position `start`, moving the cursors there from position 0. */
export function startWalk(
  builder: FunctionBuilder,
  axes: readonly Axis[],
  cursors: readonly Local<"i32">[],
  start: Expression<"i32">,
): Walk {
  const rest = builder.local(start);
  const indices = axes.map(() => builder.declare("i32"));
  const move = (axis: Axis, by: (step: number) => Expression<"i32">): void =>
    cursors.forEach((cursor, i) => {
      if (axis.steps[i] !== 0) builder.assign(cursor, i32.add(cursor, by(axis.steps[i])));
    });
  for (let i = axes.length - 1; i >= 0; i--) {
    const size = i32.constant(axes[i].size);
    builder.assign(indices[i], i === 0 ? rest : i32.remU(rest, size));
    builder.assign(rest, i32.divU(rest, size));
    move(axes[i], (step) => i32.mul(indices[i], i32.constant(step)));
  }
  const step = (i: number): void => {
    if (i < 0) return;
    builder.advance(indices[i], 1);
    move(axes[i], (bytes) => i32.constant(bytes));
    builder.when(i32.eq(indices[i], i32.constant(axes[i].size)), () => {
      builder.assign(indices[i], i32.constant(0));
      move(axes[i], (bytes) => i32.constant(-bytes * axes[i].size));
      step(i - 1);
    });
  };
  return { indices, next: () => step(axes.length - 1) };
}
