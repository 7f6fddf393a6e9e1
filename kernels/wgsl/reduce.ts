/**
 * reduce: out[o] = combine over r of body(inputs[o, r]), combine one of sum, max, argmax.
 *
 * A result is folded from `chains` accumulators, a number that depends on the reduced length only:
 * chain c takes r = c, c + chains, c + 2 chains, ... in order, and then they fold in halves. Where
 * the last reduced axis lies contiguous in every input, neighbouring lanes take neighbouring chains
 * of one result ("along"), else the same chain of neighbouring results ("across").
 *
 * @module
 */
import { axesOf, type Axis, coalesce, positions } from "../../src/core/axes.ts";
import type { ReduceSpec } from "../../src/plan/kernel_spec.ts";
import { accessCursor, type Cursor, elementCode, placeText, sourceCursors } from "./elements.ts";
import { type Fold, foldOf } from "./reduce_fold.ts";
import { LANES, NOTHING, type PartFrame, type ShaderPart } from "./shader.ts";
import { walkCode } from "./walk.ts";

/** Up to this length a result is one chain. */
const SHORT = 8;
/** The shortest chain of a longer one. */
const SHORTEST_CHAIN = 4;
/** Results of a group that takes them across. */
const NEIGHBOURS = 16;

/** A reduction with its axes merged: those that are kept and those that are reduced. */
interface Loops {
  readonly spec: ReduceSpec;
  /** The inputs' and indices' cursors, then the output's. */
  readonly cursors: readonly Cursor[];
  readonly kept: readonly Axis[];
  readonly reduced: readonly Axis[];
}

function loopsOf(spec: ReduceSpec): Loops {
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

/** True where every input is contiguous (or constant) along the last reduced axis. */
function runsAlong({ spec, reduced }: Loops): boolean {
  return reduced.at(-1)?.steps.slice(0, spec.inputs.length).every((step) => step <= 1) ?? true;
}

/** How the lanes of a group share its results and their chains. */
interface Share {
  /** Accumulators per result. */
  readonly chains: number;
  /** Results per group. */
  readonly results: number;
  /** The result of a lane, counted in its group. */
  readonly column: string;
  /** The first chain of a lane, and how many lanes of a result there are. */
  readonly chain: string;
  readonly sharers: number;
}

function shareOf(loops: Loops): Share {
  const length = positions(loops.reduced);
  const wanted = 2 ** Math.ceil(Math.log2(length / SHORTEST_CHAIN));
  const chains = length <= SHORT ? 1 : Math.min(wanted, LANES);
  if (chains === 1) return { chains, results: LANES, column: "lane", chain: "0u", sharers: 1 };
  if (runsAlong(loops)) {
    const [column, chain] = [`lane / ${chains}u`, `lane % ${chains}u`];
    return { chains, results: LANES / chains, column, chain, sharers: chains };
  }
  const results = Math.max(NEIGHBOURS, LANES / chains);
  const [column, chain] = [`lane % ${results}u`, `lane / ${results}u`];
  return { chains, results, column, chain, sharers: LANES / results };
}

/** Statements that fold one chain, the number of which is given, into the fold's variables. */
function chainCode(loops: Loops, { chains }: Share, fold: Fold, frame: PartFrame, chain: string) {
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
    `for (var r = ${chain}; r < ${length}u; r += ${chains}u) {`,
    ...walk.lines,
    ...element.lines,
    fold.take(element, "r"),
    "}",
  ];
}

/** Names of the accumulators at a place of workgroup memory. */
function sharedNames({ held }: Fold, prefix: string, place: string): string[] {
  return held.map(({ name }) => `${prefix}${name}[${place}]`);
}

/** Statements that fold all chains in workgroup memory; those of a result lie `results` apart. */
function treeCode({ chains, results }: Share, fold: Fold, prefix: string): string[] {
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

/** Statements of lanes that fold their chains and leave them in workgroup memory. */
function sharedChains(loops: Loops, share: Share, fold: Fold, frame: PartFrame): string[] {
  const place = `chain * ${share.results}u + column`;
  const keep = sharedNames(fold, frame.prefix, place).map((name, i) =>
    `${name} = ${fold.held[i].name};`
  );
  const one = [...chainCode(loops, share, fold, frame, "chain"), ...keep];
  return share.sharers >= share.chains
    ? [`let chain = ${share.chain};`, `if (chain < ${share.chains}u) {`, ...one, "}"]
    : [
      `for (var chain = ${share.chain}; chain < ${share.chains}u; chain += ${share.sharers}u) {`,
      ...one,
      "}",
    ];
}

/** Generates the part of a reduction. */
export function reducePart(spec: ReduceSpec, frame: PartFrame): ShaderPart {
  const loops = loopsOf(spec);
  const count = positions(loops.kept);
  if (count === 0) return NOTHING;
  const share = shareOf(loops);
  const fold = foldOf(spec.combine, spec.body[spec.body.length - 1].type);
  const { cursors, kept } = loops;
  const walk = walkCode(kept, "o", "c");
  const places = cursors.map((cursor, i) =>
    `let from${i} = ${placeText(cursor, walk.places[i] ?? "0u")};`
  );
  const store = (value: string): string => frame.result.store(`from${cursors.length - 1}`, value);
  const last = fold.held.length - 1;
  const head = [
    `let column = ${share.column};`,
    `let o = group * ${share.results}u + column;`,
    ...walk.lines,
    ...places,
  ];
  const shape = { lanes: LANES, groups: Math.ceil(count / share.results) };
  if (share.chains === 1) {
    const chain = chainCode(loops, share, fold, frame, "0u");
    const body = [...head, `if (o < ${count}u) {`, ...chain, store(fold.held[last].name), "}"];
    return { ...shape, declarations: "", body: body.join("\n") };
  }
  const declarations = fold.held.map(({ name, type }) =>
    `var<workgroup> ${frame.prefix}${name}: array<${type}, ${share.chains * share.results}>;`
  );
  const body = [
    ...head,
    `if (o < ${count}u) {`,
    ...sharedChains(loops, share, fold, frame),
    "}",
    ...treeCode(share, fold, frame.prefix),
    `if (${share.chain} == 0u && o < ${count}u) {`,
    store(sharedNames(fold, frame.prefix, "column")[last]),
    "}",
  ];
  return { ...shape, declarations: declarations.join("\n"), body: body.join("\n") };
}
