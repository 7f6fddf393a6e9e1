/**
 * reduce: out[o] = combine over r of body(inputs[o, r]), combine one of sum, max, argmax.
 *
 * Where the last reduced axis lies contiguous in every input, neighbouring lanes take neighbouring
 * chains of one result ("along"), else the same chain of neighbouring results ("across").
 *
 * @module
 */
import { positions } from "../../src/core/axes.ts";
import type { ReduceSpec } from "../../src/plan/kernel_spec.ts";
import {
  chainCode,
  chainDeclarations,
  chainsOf,
  type Loops,
  loopsOf,
  resultLines,
  type SharedChains,
  sharedNames,
  storeResult,
  treeCode,
} from "./reduce_chains.ts";
import { type Fold, foldOf } from "./reduce_fold.ts";
import { LANES, NOTHING, type PartFrame, type ShaderPart } from "./shader.ts";

/** Results of a group that takes them across. */
const NEIGHBOURS = 16;

/** True where every input is contiguous (or constant) along the last reduced axis. */
function runsAlong({ spec, reduced }: Loops): boolean {
  return reduced.at(-1)?.steps.slice(0, spec.inputs.length).every((step) => step <= 1) ?? true;
}

/** How the lanes of a group share its results and their chains. */
interface Share extends SharedChains {
  /** The result of a lane, counted in its group. */
  readonly column: string;
  /** The first chain of a lane, and how many lanes of a result there are. */
  readonly chain: string;
  readonly sharers: number;
}

function shareOf(loops: Loops): Share {
  const chains = chainsOf(loops);
  if (chains === 1) return { chains, results: LANES, column: "lane", chain: "0u", sharers: 1 };
  if (runsAlong(loops)) {
    const [column, chain] = [`lane / ${chains}u`, `lane % ${chains}u`];
    return { chains, results: LANES / chains, column, chain, sharers: chains };
  }
  const results = Math.max(NEIGHBOURS, LANES / chains);
  const [column, chain] = [`lane % ${results}u`, `lane / ${results}u`];
  return { chains, results, column, chain, sharers: LANES / results };
}

/** Statements of lanes that fold their chains and leave them in workgroup memory. */
function sharedChains(loops: Loops, share: Share, fold: Fold, frame: PartFrame): string[] {
  const place = `chain * ${share.results}u + column`;
  const keep = sharedNames(fold, frame.prefix, place).map((name, i) =>
    `${name} = ${fold.held[i].name};`
  );
  const one = [...chainCode(loops, fold, frame, "chain"), ...keep];
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
  const store = (value: string): string => storeResult(loops, frame, value);
  const last = fold.held.length - 1;
  const head = [
    `let column = ${share.column};`,
    `let o = group * ${share.results}u + column;`,
    ...resultLines(loops),
  ];
  const shape = { lanes: LANES, groups: Math.ceil(count / share.results) };
  if (share.chains === 1) {
    const chain = chainCode(loops, fold, frame, "0u");
    const body = [...head, `if (o < ${count}u) {`, ...chain, store(fold.held[last].name), "}"];
    return { ...shape, declarations: "", body: body.join("\n") };
  }
  const declarations = chainDeclarations(share, fold, frame.prefix);
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
  return { ...shape, declarations, body: body.join("\n") };
}
