/**
 * The online softmax of attention, in WGSL: with m and l of what was seen so far and m', l' of a
 * further part,
 *   M = max(m, m')   a = e^(m - M)   b = e^(m' - M)   l = l a + l' b   out = out a + sums' b
 *
 * @module
 */
import { lines } from "./attention_rows.ts";
import { LANES } from "./shader.ts";

/** Below every score, and finite: the difference of two of them is a number. */
export const LOWEST = "-0x1.fffffep+127f";

/**
 * Statements that bring `seenLargest<h>` and `seenSum<h>` up to a part's `largest` and `sum`, and
 * leave the factors `before<h>` and `further<h>`.
 */
export function joinSoftmax(h: number | "", largest: string, sum: string): string {
  return `let both${h} = max(seenLargest${h}, ${largest});
let before${h} = exp_f32(seenLargest${h} - both${h});
let further${h} = exp_f32(${largest} - both${h});
seenLargest${h} = both${h};
seenSum${h} = fma(seenSum${h}, before${h}, ${sum} * further${h});`;
}

/** Adds a part's sums to the variable `out`. */
export function joinSums(out: string, h: number | "", sums: string): string {
  return `${out} = fma(${out}, before${h}, ${sums} * further${h});`;
}

/** 1 / sum, and 0 for the sum over no entries. */
export function reciprocal(sum: string): string {
  return `select(1.0 / ${sum}, 0.0, ${sum} == 0.0)`;
}

/** Numbers that a lane combines in each of the two steps of a fold. */
const FOLD = Math.sqrt(LANES);

/** Declares the memory of folds of `count` numbers per lane. */
export function foldDeclarations(prefix: string, count: number): string {
  return `var<workgroup> ${prefix}each: array<f32, ${count * LANES}>;
var<workgroup> ${prefix}few: array<f32, ${count * FOLD}>;`;
}

/** How lanes are combined, of two expressions. */
export type Combine = (a: string, b: string) => string;

/** The larger of two. */
export function larger(a: string, b: string): string {
  return `max(${a}, ${b})`;
}

/** The sum of two. */
export function sum(a: string, b: string): string {
  return `${a} + ${b}`;
}

/**
 * Combines the variables `names` over all lanes, each of them in one order: eight lanes after one
 * another, and then the eight results. All lanes are left with all results in the same variables.
 */
export function foldLanes(prefix: string, names: readonly string[], combine: Combine): string {
  const chain = (array: string, first: string) =>
    `var folded = ${array}[${first}];
for (var i = 1u; i < ${FOLD}u; i++) { folded = ${combine("folded", `${array}[${first} + i]`)}; }`;
  return `${lines(names.length, (h) => `${prefix}each[${h * LANES}u + lane] = ${names[h]};`)}
workgroupBarrier();
for (var at = lane; at < ${names.length * FOLD}u; at += ${LANES}u) {
  ${chain(`${prefix}each`, `at * ${FOLD}u`)}
  ${prefix}few[at] = folded;
}
workgroupBarrier();
${
    lines(names.length, (h) =>
      `{ ${chain(`${prefix}few`, `${h * FOLD}u`)}
${names[h]} = folded; }`)
  }`;
}
