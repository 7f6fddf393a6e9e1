/**
 * The best tree of a size from distributions that do not see one another.
 *
 * @module
 */
import type { TopTokens } from "../top_tokens.ts";
import { popHeap, pushHeap, type Scored } from "./heap.ts";
import type { TokenTree, TreeNode } from "./token_tree.ts";

/** A node that may come next: the token of a rank behind a node of the tree. */
interface Candidate extends Scored {
  readonly parent: number;
  readonly depth: number;
  readonly rank: number;
  /** The log probability of the path to its parent. */
  readonly above: number;
}

/**
 * The `budget` most probable prefixes under a product of marginals, the likeliest first (DDTree,
 * Ringel & Romano 2026, arXiv 2604.12989). A prefix counts for the product of its tokens'
 * probabilities, and the tree that maximises their sum, the expected acceptance, is these.
 *
 * Best first over tuples of ranks: begin with (1); of the tuples in a heap, take the likeliest as a
 * node and put its next sibling (the last rank + 1) and its first child (a 1 appended) in. Both are
 * less likely, so nothing is missed: O(budget log budget). Tokens of probability 0 are left out.
 *
 * @param marginals the likeliest tokens of each place behind the text, up to `budget` of them, see {@link marginalsOf}
 * @example
 * ```ts
 * import { likeliestTree, logitsOf, topTokens } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const place = topTokens(logitsOf([Math.log(3), 0]), 2); // 3/4 and 1/4
 * const tree = likeliestTree([place, place], 3);
 * assertEquals(tree.map(({ token, parent }) => [token, parent]), [[0, -1], [0, 0], [1, -1]]);
 * ```
 */
export function likeliestTree(marginals: readonly TopTokens[], budget: number): TokenTree {
  const tree: TreeNode[] = [];
  const heap: Candidate[] = [];
  let order = 0;
  const consider = (parent: number, depth: number, rank: number, above: number): void => {
    const score = above + (marginals[depth]?.logProbs[rank] ?? -Infinity);
    if (score > -Infinity) {
      pushHeap(heap, { parent, depth, rank, above, score, order: order++ });
    }
  };
  consider(-1, 0, 0, 0);
  while (tree.length < budget) {
    const best = popHeap(heap);
    if (best === undefined) break;
    const { parent, depth, rank, above, score } = best;
    const token = marginals[depth].tokens[rank];
    tree.push({ token, parent, probability: Math.exp(score) });
    consider(parent, depth, rank + 1, above);
    consider(tree.length - 1, depth + 1, 0, score);
  }
  return tree;
}
