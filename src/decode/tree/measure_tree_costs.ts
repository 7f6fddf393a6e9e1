/**
 * The costs that decide how large a tree may be: v(M) of rows with parents, drafting, the host.
 *
 * @module
 */
import type { StepReport } from "../decoder.ts";
import { interpolated, type MeasureOptions } from "../measure_costs.ts";
import { type PairTimes, timesInTurns } from "../pair_times.ts";
import { median } from "../step_times.ts";
import { machineClock } from "../text_state.ts";
import { useOnce } from "../use_once.ts";
import { temperature } from "../warp.ts";
import type { TreeBudget, TreeCosts } from "./tree_budget.ts";
import type { TreeDraft } from "./tree_draft.ts";
import type { TreeLanguageModel } from "./tree_model.ts";
import { treeSpeculative } from "./tree_speculative.ts";

/** How trees will be decoded, where that matters for their costs. */
export interface MeasureTreeOptions extends Pick<MeasureOptions, "warp" | "now"> {
  /** Most nodes of a tree; 64 if left out. */
  readonly most?: number;
  /** Most nodes of a path, which bounds what a step can give. */
  readonly depth: number;
}

/** Measured costs of trees. */
export interface MeasuredTreeCosts extends TreeCosts {
  /** The measured points of v(M), by M. */
  readonly points: readonly (readonly [rows: number, cost: number])[];
  /** Seconds of a target pass of one row. */
  readonly passSeconds: number;
}

/** Tokens of the text while measuring. */
const CONTEXT_TOKENS = 16;

/** No tree and one of `nodes` nodes in turns. */
function inTurns(nodes: number): TreeBudget<number> {
  return {
    init: () => 0,
    nodes: (step) => step % 2 * nodes,
    cut: (_, { length }) => length,
    step: (step: number, _report: StepReport) => step + 1,
  };
}

/**
 * Measures what steps with trees take on this machine, now: those with 1, 3, 7, ... nodes and plain
 * ones in turns, up to a size at which not even a whole path would pay; beyond, v(M) goes on as a line.
 *
 * @example
 * ```ts
 * import { draftBranches, functionModel, measureTreeCosts } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * let time = 0; // the time of a clock by which a pass takes a second, one over a tree two
 * const logits = () => Array.from({ length: 99 }, (_, token) => token);
 * const model = functionModel({ vocabulary: 99, contextLength: 64, logits });
 * const target: typeof model = {
 *   ...model,
 *   forward: (...rows) => (time += 1, model.forward(...rows)),
 *   forwardTree: (...rows) => (time += 2, model.forwardTree(...rows)),
 * };
 * const draft = draftBranches(model, { depth: 4 });
 * const costs = await measureTreeCosts(target, draft, { depth: 4, now: () => time });
 * assertEquals([costs.rowsCost(1), costs.rowsCost(17), costs.blockCost], [1, 2, 0]);
 * ```
 */
export async function measureTreeCosts<Cache, DraftState>(
  target: TreeLanguageModel<Cache>,
  draft: TreeDraft<DraftState, Cache>,
  { most = 64, depth, warp = temperature(0), now = machineClock }: MeasureTreeOptions,
): Promise<MeasuredTreeCosts> {
  const room = target.contextLength - depth;
  const text = new Array<number>(Math.max(1, Math.min(CONTEXT_TOKENS, room))).fill(0);
  const measured: (PairTimes & { readonly nodes: number })[] = [];
  for (const nodes of sizesTo(most)) {
    const decoder = treeSpeculative({ target, draft, warp, budget: inTurns(nodes), now });
    const times = await timesInTurns(decoder, text, now, (next) => ({
      ...next,
      text,
      cache: target.truncate(next.cache, text.length - 1),
      draft: draft.commit(next.draft, text.length - 1),
      mark: useOnce("decoder state"),
    }));
    measured.push({ ...times, nodes });
    if (times.drafting.target > (1 + depth) * times.plain.target) break;
  }
  return costsOf(measured);
}

/** Numbers of nodes that are measured. */
function sizesTo(most: number): number[] {
  const sizes: number[] = [];
  for (let nodes = 1; nodes < most; nodes = 2 * nodes + 1) sizes.push(nodes);
  return [...sizes, most];
}

function costsOf(
  measured: readonly (PairTimes & { readonly nodes: number })[],
): MeasuredTreeCosts {
  const points: [number, number][] = [[1, 1]];
  const hosts: [number, number][] = [
    [0, median(measured.map(({ plain }) => plain.verify + plain.host))],
  ];
  for (const { nodes, drafting } of measured) {
    points.push([1 + nodes, drafting.target]);
    hosts.push([nodes, drafting.verify + drafting.host]);
  }
  return {
    rowsCost: (rows) => interpolated(points, rows),
    hostCost: (drafted) => interpolated(hosts, drafted),
    blockCost: median(measured.map(({ drafting }) => drafting.draft)),
    points,
    passSeconds: median(measured.map(({ passSeconds }) => passSeconds)),
  };
}
