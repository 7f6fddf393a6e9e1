/**
 * The chains of a reduction: the one order in which its results are folded.
 *
 * A result is folded from `chains` accumulators, a number that depends on the reduced length only:
 * chain c takes r = c, c + chains, c + 2 chains, ... in order, and then they fold in halves. So
 * however lanes share them out, the bits are the same.
 *
 * @module
 */
import { axesOf, type Axis, coalesce, positions } from "../../src/core/axes.ts";
import type { ReduceSpec } from "../../src/plan/kernel_spec.ts";
import { accessCursor, type Cursor, elementCode, placeText, sourceCursors } from "./elements.ts";
import type { Fold } from "./reduce_fold.ts";
import { LANES, type PartFrame } from "./shader.ts";
import { walkCode } from "./walk.ts";

/** Up to this length a result is one chain. */
const SHORT = 8;
/** The shortest chain of a longer one. */
const SHORTEST_CHAIN = 4;

/** A reduction with its axes merged: those that are kept and those that are reduced. */
export interface Loops {
  readonly spec: ReduceSpec;
  /** The inputs' and indices' cursors, then the output's. */
  readonly cursors: readonly Cursor[];
  readonly kept: readonly Axis[];
  readonly reduced: readonly Axis[];
}

/** The loops of a reduction. */
export function loopsOf(spec: ReduceSpec): Loops {
  const rank = spec.shape.length;
  const zeros = Array<number>(spec.reduced).fill(0);
  const output = { ...spec.output, strides: [...spec.output.strides, ...zeros] };
  const cursors = [...sourceCursors(rank, spec), accessCursor(output)];
  const axes = axesOf(spec.shape, cursors.map(({ steps }) => steps));
  return {
    spec,
    cursors,
    kept: coalesce(axes.slice(0, rank - spec.reduced)),
    reduced: coalesce(axes.slice(rank - spec.reduced)),
  };
}

/** Accumulators of each result. */
export function chainsOf({ reduced }: Loops): number {
  const length = positions(reduced);
  if (length <= SHORT) return 1;
  return Math.min(2 ** Math.ceil(Math.log2(length / SHORTEST_CHAIN)), LANES);
}

/** Statements that name where the cursors begin for result number `o`: `from0`, `from1`, ... */
export function resultLines({ cursors, kept }: Loops): string[] {
  const walk = walkCode(kept, "o", "c");
  const places = cursors.map((cursor, i) =>
    `let from${i} = ${placeText(cursor, walk.places[i] ?? "0u")};`
  );
  return [...walk.lines, ...places];
}

/** The statement that stores a value as that result. */
export function storeResult({ cursors }: Loops, { result }: PartFrame, value: string): string {
  return result.store(`from${cursors.length - 1}`, value);
}

/** Statements that fold one chain, the number of which is given, into the fold's variables. */
export function chainCode(loops: Loops, fold: Fold, frame: PartFrame, chain: string): string[] {
  const { spec, cursors, reduced } = loops;
  const length = positions(reduced);
  const variables = fold.held.map(({ name, identity }) => `var ${name} = ${identity};`);
  if (length === 0) return variables;
  const walk = walkCode(reduced, "r", "d");
  const places = cursors.map((_, i) =>
    placeText({ steps: [], start: 0 }, `from${i}`, walk.places[i] ?? "0u")
  );
  const element = elementCode(spec, frame.inputs, places);
  return [
    ...variables,
    `for (var r = ${chain}; r < ${length}u; r += ${chainsOf(loops)}u) {`,
    ...walk.lines,
    ...element.lines,
    fold.take(element, "r"),
    "}",
  ];
}

/** Names of the accumulators at a place of workgroup memory. */
export function sharedNames({ held }: Fold, prefix: string, place: string): string[] {
  return held.map(({ name }) => `${prefix}${name}[${place}]`);
}

/** How many results there are in workgroup memory, of so many chains each. */
export interface SharedChains {
  readonly chains: number;
  readonly results: number;
}

/** The workgroup memory of chains. */
export function chainDeclarations(
  { chains, results }: SharedChains,
  { held }: Fold,
  prefix: string,
): string {
  return held.map(({ name, type }) =>
    `var<workgroup> ${prefix}${name}: array<${type}, ${chains * results}>;`
  ).join("\n");
}

/** Statements that fold all chains in workgroup memory; those of a result lie `results` apart. */
export function treeCode({ chains, results }: SharedChains, fold: Fold, prefix: string): string[] {
  return [
    "workgroupBarrier();",
    `for (var half = ${chains / 2}u; half > 0u; half /= 2u) {`,
    `for (var t = lane; t < half * ${results}u; t += ${LANES}u) {`,
    `let other = t + half * ${results}u;`,
    fold.merge(sharedNames(fold, prefix, "t"), sharedNames(fold, prefix, "other")),
    "}",
    "workgroupBarrier();",
    "}",
  ];
}
