/**
 * How many nodes of a tree pay, by the cost curve.
 *
 * @module
 */

/** What a step with a tree takes, in times of a target pass of one row; `measureCosts` gives them. */
export interface TreeCosts {
  /** v(M): time of a target pass of M rows. */
  readonly rowsCost: (rows: number) => number;
  /** Time of a step's work outside both models, by the number of drafted tokens. */
  readonly hostCost: (drafted: number) => number;
  /** Time that drafting takes, which is spent before the tree is cut. */
  readonly blockCost: number;
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
export function treeBudget(
  { rowsCost, hostCost, blockCost }: TreeCosts,
  probabilities: readonly number[],
): number {
  const rate = (tokens: number, nodes: number) =>
    tokens / (blockCost + hostCost(nodes) + rowsCost(1 + nodes));
  let tokens = 1;
  let best = { nodes: 0, rate: rate(tokens, 0) };
  probabilities.forEach((probability, place) => {
    tokens += probability;
    const reached = rate(tokens, place + 1);
    if (reached > best.rate) best = { nodes: place + 1, rate: reached };
  });
  return best.nodes;
}
