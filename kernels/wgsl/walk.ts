/**
 * From the place of an element in a walk over merged axes to the places of all cursors.
 *
 * @module
 */
import type { Axis } from "../../src/core/axes.ts";
import { contiguousStrides } from "../../src/core/shape.ts";

/** The code that finds the cursors. */
export interface WalkCode {
  /** Declarations of constants, named with the prefix. */
  readonly lines: readonly string[];
  /** What each cursor has moved by, as a u32 expression. */
  readonly places: readonly string[];
}

/** The sum of u32 terms; strides are negative nowhere but for wrapping. */
export function sumText(terms: readonly string[]): string {
  const present = terms.filter((term) => term !== "0u");
  return present.length === 0 ? "0u" : present.join(" + ");
}

/** A u32 literal times a name. */
function multipleText(step: number, name: string): string {
  if (step === 0) return "0u";
  return step === 1 ? name : `${name} * ${step >>> 0}u`;
}

/**
 * The cursors at position `linear` (a name) of the axes, the last of which runs fastest; a position
 * behind the last one gives places that nobody may read.
 */
export function walkCode(axes: readonly Axis[], linear: string, prefix: string): WalkCode {
  const cursors = axes.at(0)?.steps.length ?? 0;
  const strides = contiguousStrides(axes.map(({ size }) => size));
  const isLinear = (cursor: number): boolean =>
    axes.every(({ steps }, i) => steps[cursor] === strides[i]);
  const isStill = (cursor: number): boolean => axes.every(({ steps }) => steps[cursor] === 0);
  const places = Array.from({ length: cursors }, (_, cursor) => {
    if (isStill(cursor)) return "0u";
    if (isLinear(cursor)) return linear;
    return sumText(axes.map(({ steps }, i) => multipleText(steps[cursor], `${prefix}${i}`)));
  });
  const isNeeded = places.some((place) => place !== "0u" && place !== linear);
  const lines = axes.map(({ size }, i) => {
    const rest = strides[i] === 1 ? linear : `${linear} / ${strides[i]}u`;
    return `let ${prefix}${i} = ${i === 0 ? rest : `(${rest}) % ${size}u`};`;
  });
  return { lines: isNeeded ? lines : [], places };
}
