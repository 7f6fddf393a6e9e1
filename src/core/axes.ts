/**
 * Axes of strided arrays that are walked together, merged where memory allows.
 *
 * A cursor is anything that moves by a constant along each axis: a place in an array, or the value
 * of an index ("iota").
 *
 * @module
 */

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
