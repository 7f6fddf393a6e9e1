/**
 * The CTC transform: from a tree of alignments to the tree of the tokens that they stand for.
 *
 * @module
 */
import type { TokenTree, TreeNode } from "../tree/token_tree.ts";

/** A node of the result while alignments are still being added to it. */
interface Growing {
  readonly token: number;
  readonly parent: number;
  probability: number;
  /** Places of the node's children by token. */
  readonly children: Map<number, number>;
}

/**
 * The tree of tokens that a tree of alignments stands for, the likeliest first (Wen, Gui & Feng 2024,
 * arXiv 2412.00061, "CTC Transform Module"): along each path equal neighbours are merged and blanks
 * dropped, what then reads the same is one node, and parents, which are all that an attention mask is
 * made of, are drawn anew. Equal tokens in a row need a blank between them.
 *
 * The probability of a node is the sum over the alignments of the tree that begin with its tokens,
 * each counted where it first does: what `prefixes` of `ctcScores` is, cut down to the tree. No child
 * is likelier than its parent.
 *
 * @param alignments a tree of classes, one level for each place
 * @param blank the class that stands for no token
 * @example
 * ```ts
 * import { ctcTransform } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const blank = 9;
 * const alignments = [
 *   { token: 5, parent: -1, probability: 0.5 },
 *   { token: blank, parent: -1, probability: 0.25 },
 *   { token: 5, parent: 0, probability: 0.25 }, // again the same token: still one
 *   { token: 5, parent: 1, probability: 0.125 }, // the same token, a place later
 *   { token: 7, parent: 0, probability: 0.25 },
 * ];
 * assertEquals(ctcTransform(alignments, blank), [
 *   { token: 5, parent: -1, probability: 0.625 },
 *   { token: 7, parent: 0, probability: 0.25 },
 * ]);
 * ```
 */
export function ctcTransform(alignments: TokenTree, blank: number): TokenTree {
  const top = new Map<number, number>();
  const nodes: Growing[] = [];
  /** The node that each alignment's tokens lead to; -1 for none yet. */
  const reached: number[] = [];
  for (const { token, parent, probability } of alignments) {
    const from = parent < 0 ? -1 : reached[parent];
    if (token === blank || token === alignments[parent]?.token) {
      reached.push(from);
      continue;
    }
    const siblings = from < 0 ? top : nodes[from].children;
    const place = siblings.get(token) ?? nodes.length;
    if (place === nodes.length) {
      siblings.set(token, place);
      nodes.push({ token, parent: from, probability: 0, children: new Map() });
    }
    nodes[place].probability += probability;
    reached.push(place);
  }
  return likeliestFirst(nodes);
}

/** The nodes by falling probability, parents before children. */
function likeliestFirst(nodes: readonly Omit<TreeNode, "children">[]): TokenTree {
  const bounded: TreeNode[] = [];
  for (const { token, parent, probability } of nodes) {
    // Sums of the same numbers in another order may be a rounding above their parent's.
    const most = parent < 0 ? 1 : bounded[parent].probability;
    bounded.push({ token, parent, probability: Math.min(most, probability) });
  }
  const order = bounded.map((_, place) => place)
    .sort((a, b) => bounded[b].probability - bounded[a].probability || a - b);
  const places = new Map(order.map((place, i) => [place, i]));
  return order.map((place) => ({
    ...bounded[place],
    parent: places.get(bounded[place].parent) ?? -1,
  }));
}
