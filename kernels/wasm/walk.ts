/**
 * Walking strided arrays: axes merged where memory allows, and an odometer over the outer ones.
 *
 * A cursor is anything that moves by a constant along each axis: a byte pointer into an array, or
 * the value of an index ("iota").
 *
 * @module
 */
import type { FunctionBuilder, Local } from "./assembler.ts";
import type { Expression } from "./assembler_code.ts";
import { i32 } from "./assembler_ops.ts";

/** One axis: its size, and what each cursor moves by per step along it. */
export interface Axis {
  /** Steps along it. */
  readonly size: number;
  /** What each cursor moves by per step. */
  readonly steps: readonly number[];
}

/** The axes of a shape, given each cursor's steps over all of them. */
export function axesOf(
  shape: readonly number[],
  cursors: readonly (readonly number[])[],
): Axis[] {
  return shape.map((size, axis) => ({ size, steps: cursors.map((steps) => steps[axis]) }));
}

/** Drops axes of size 1 and merges neighbours that every cursor walks as one. */
export function coalesce(axes: readonly Axis[]): Axis[] {
  const merged: Axis[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const outer = merged.at(-1);
    if (outer?.steps.every((step, i) => step === axis.steps[i] * axis.size)) {
      merged[merged.length - 1] = { size: outer.size * axis.size, steps: axis.steps };
    } else merged.push(axis);
  }
  return merged;
}

/** The number of positions along all axes. */
export function positions(axes: readonly Axis[]): number {
  return axes.reduce((product, axis) => product * axis.size, 1);
}

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
