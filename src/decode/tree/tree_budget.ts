/**
 * How many nodes a tree has: what a rule is, the simplest one, and how many pay by the cost curve.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { StepReport } from "../decoder.ts";

/** A rule for the number of nodes of a tree, as pure init/step functions. */
export interface TreeBudget<State> {
  /** The state before the first step. */
  init(): State;
  /** How many nodes to ask the drafter for at most; 0 for none, which is a plain step. */
  nodes(state: State): number;
  /** How many of the drafted nodes the target reads, by their probabilities, the likeliest first. */
  cut(state: State, probabilities: readonly number[]): number;
  /** The state after a step; `expected` is the sum of the probabilities of the nodes that were read. */
  step(state: State, report: StepReport, expected: number): State;
}

/**
 * Always the same number of nodes.
 *
 * Throws an {@link OutriderError} for a budget below 1.
 *
 * @example
 * ```ts
 * import { fixedBudget } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(fixedBudget(16).nodes(null), 16);
 * ```
 */
export function fixedBudget(nodes: number): TreeBudget<null> {
  if (!(nodes >= 1)) {
    throw new OutriderError("a budget of one node or more", `${nodes}`, "decode plainly instead");
  }
  return {
    init: () => null,
    nodes: () => nodes,
    cut: (_, probabilities) => Math.min(nodes, probabilities.length),
    step: () => null,
  };
}

/** What a step with a tree takes, in times of a target pass of one row; `measureTreeCosts` gives them. */
export interface TreeCosts {
  /** v(M): time of a target pass of M rows. */
  readonly rowsCost: (rows: number) => number;
  /** Time of a step's work outside both models, by the number of drafted tokens. */
  readonly hostCost: (drafted: number) => number;
  /** Time that drafting takes, which is spent before the tree is cut. */
  readonly blockCost: number;
}

/** Time of a step with a tree of so many nodes, drafting included. */
export function treeTime({ rowsCost, hostCost, blockCost }: TreeCosts, nodes: number): number {
  return blockCost + hostCost(nodes) + rowsCost(1 + nodes);
}

/**
 * The number of first nodes of a tree that gives the most tokens per second, 0 to
 * `probabilities.length`: the n that maximises
 * `(1 + sum of the first n probabilities) / (blockCost + hostCost(n) + v(1 + n))`.
 *
 * The curve may have steps, so that every n is looked at; the smallest of equals is taken.
 *
 * @param probabilities that each node stands, the likeliest first
 * @example
 * ```ts
 * import { treeBudget } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * // Four rows cost what one costs, eight twice as much.
 * const rowsCost = (rows: number) => Math.ceil(rows / 4);
 * const costs = { rowsCost, hostCost: () => 0, blockCost: 0 };
 * assertEquals(treeBudget(costs, [0.5, 0.4, 0.3, 0.2, 0.1, 0.1]), 3);
 * assertEquals(treeBudget(costs, [0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7]), 3);
 * assertEquals(treeBudget({ ...costs, blockCost: 1 }, [0.9, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7]), 7);
 * ```
 */
export function treeBudget(costs: TreeCosts, probabilities: readonly number[]): number {
  let tokens = 1;
  let best = { nodes: 0, rate: tokens / treeTime(costs, 0) };
  probabilities.forEach((probability, place) => {
    tokens += probability;
    const reached = tokens / treeTime(costs, place + 1);
    if (reached > best.rate) best = { nodes: place + 1, rate: reached };
  });
  return best.nodes;
}
