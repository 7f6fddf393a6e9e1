/**
 * The best part of a tree.
 *
 * @module
 */
import type { TokenTree } from "./token_tree.ts";

/**
 * The likeliest nodes of a tree, in falling order; no child is likelier than its parent, so they are a
 * tree as well.
 */
export function likeliestNodes(tree: TokenTree, count: number): TokenTree {
  const order = tree.map((_, place) => place)
    .sort((a, b) => tree[b].probability - tree[a].probability || a - b)
    .slice(0, count);
  const places = new Map(order.map((place, i) => [place, i]));
  return order.map((place) => ({
    ...tree[place],
    parent: places.get(tree[place].parent) ?? -1,
  }));
}
