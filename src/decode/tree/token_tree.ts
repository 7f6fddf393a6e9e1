/**
 * Trees of drafted tokens as data.
 *
 * @module
 */
import type { TokenId } from "../language_model.ts";
import type { TreeRow } from "./tree_model.ts";

/** A drafted token, behind the text or behind another one. */
export interface TreeNode {
  /** The drafted token. */
  readonly token: TokenId;
  /** The place of a node before it in its tree; -1 for the end of the text. */
  readonly parent: number;
  /** The probability that the drafter gives to the path from the text to here; 1 if it has none. */
  readonly probability: number;
}

/**
 * Drafted tokens, parents before children, none with two children of the same token. Its first nodes
 * are a tree as well; where the likeliest come first, as from {@link likeliestTree}, the best of its size.
 *
 * @example
 * ```ts
 * import { expectedTokens, type TokenTree } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const tree: TokenTree = [
 *   { token: 5, parent: -1, probability: 0.5 },
 *   { token: 7, parent: -1, probability: 0.25 },
 *   { token: 1, parent: 0, probability: 0.25 },
 * ];
 * assertEquals(expectedTokens(tree), 2);
 * ```
 */
export type TokenTree = readonly TreeNode[];

/**
 * The tokens that a target pass over a tree gives if it agrees with the drafter's probabilities: one,
 * and one for every node that stands (Ringel & Romano 2026, arXiv 2604.12989: the expected acceptance
 * length is the sum of the prefixes' probabilities).
 *
 * @example
 * ```ts
 * import { expectedTokens } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(expectedTokens([{ token: 3, parent: -1, probability: 0.5 }]), 1.5);
 * ```
 */
export function expectedTokens(tree: TokenTree): number {
  return tree.reduce((sum, { probability }) => sum + probability, 1);
}

/** The place of a node's child with a token, if it has one; -1 is the end of the text. */
export function childOf(tree: TokenTree, node: number, token: TokenId): number | undefined {
  const place = tree.findIndex((child) => child.parent === node && child.token === token);
  return place < 0 ? undefined : place;
}

/** The rows of a pass over the text's last token and a tree behind it, `[1 + tree.length]`. */
export function rowsOfTree(last: TokenId, tree: TokenTree): TreeRow[] {
  const nodes = tree.map(({ token, parent }) => ({ token, parent: parent + 1 }));
  return [{ token: last, parent: -1 }, ...nodes];
}
