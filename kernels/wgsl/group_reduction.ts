/**
 * A reduction that every group of another kernel repeats for itself: all of its results, in the order
 * of `reduce_chains.ts`, so that they have the bits of a reduction in a dispatch of its own.
 *
 * @module
 */
import { positions } from "../../src/core/axes.ts";
import type { ReduceSpec } from "../../src/plan/kernel_spec.ts";
import {
  chainCode,
  chainDeclarations,
  chainsOf,
  loopsOf,
  resultLines,
  sharedNames,
  storeResult,
  treeCode,
} from "./reduce_chains.ts";
import { foldOf } from "./reduce_fold.ts";
import { LANES, type PartFrame, type ShaderPart } from "./shader.ts";

/** Statements that all lanes of a group run; a barrier has to follow before results are read. */
export function groupReduction(
  spec: ReduceSpec,
  frame: PartFrame,
): Pick<ShaderPart, "declarations" | "body"> {
  const loops = loopsOf(spec);
  const [results, chains] = [positions(loops.kept), chainsOf(loops)];
  const fold = foldOf(spec.combine, spec.body[spec.body.length - 1].type);
  const last = fold.held.length - 1;
  const eachResult = (...statements: readonly string[]): string[] => [
    `for (var o = lane; o < ${results}u; o += ${LANES}u) {`,
    ...resultLines(loops),
    ...statements,
    "}",
  ];
  if (chains === 1) {
    const chain = chainCode(loops, fold, frame, "0u");
    const body = eachResult(...chain, storeResult(loops, frame, fold.held[last].name));
    return { declarations: "", body: body.join("\n") };
  }
  const shared = { chains, results };
  const kept = sharedNames(fold, frame.prefix, `chain * ${results}u + o`);
  const body = [
    `for (var i = lane; i < ${results * chains}u; i += ${LANES}u) {`,
    `let o = i / ${chains}u;`,
    `let chain = i % ${chains}u;`,
    ...resultLines(loops),
    ...chainCode(loops, fold, frame, "chain"),
    ...kept.map((name, k) => `${name} = ${fold.held[k].name};`),
    "}",
    ...treeCode(shared, fold, frame.prefix),
    ...eachResult(storeResult(loops, frame, sharedNames(fold, frame.prefix, "o")[last])),
  ];
  return {
    declarations: chainDeclarations(shared, fold, frame.prefix),
    body: body.join("\n"),
  };
}
