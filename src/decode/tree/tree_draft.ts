/**
 * What a decoder needs of a drafter of trees.
 *
 * @module
 */
import type { DraftRequest } from "../draft.ts";
import type { TokenId } from "../language_model.ts";
import type { TokenTree } from "./token_tree.ts";

/** A request for a tree of drafted tokens. */
export interface TreeRequest<Cache = unknown> extends Omit<DraftRequest<Cache>, "gamma"> {
  /** How many nodes are wanted at most, 1 or more. */
  readonly nodes: number;
  /** How many nodes a path has at most, 1 or more. */
  readonly depth: number;
}

/** A drafted tree, which may be smaller than what was wanted, or empty. */
export interface TreeProposal<State> {
  /** The drafter's next state. */
  readonly state: State;
  /** The drafted tokens. */
  readonly tree: TokenTree;
}

/**
 * A drafter of trees as init/step functions: as `Draft`, but what it proposes branches. `Proposal` is
 * what it says besides the tree.
 *
 * @example
 * ```ts
 * import type { TreeDraft } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * // A drafter that thinks any of the first tokens likely.
 * const any: TreeDraft<null> = {
 *   init: () => Promise.resolve(null),
 *   propose: (state, { nodes, vocabulary }) => {
 *     const count = Math.min(nodes, vocabulary);
 *     const leaf = (token: number) => ({ token, parent: -1, probability: 1 / vocabulary });
 *     return Promise.resolve({ state, tree: Array.from({ length: count }, (_, i) => leaf(i)) });
 *   },
 *   commit: (state) => state,
 *   close: () => {},
 * };
 * assertEquals(await any.init([1]), null);
 * ```
 */
export interface TreeDraft<
  State,
  Cache = unknown,
  Proposal extends TreeProposal<State> = TreeProposal<State>,
> {
  /** A state that has seen `prompt` (at least one token) in whole or in part. */
  init(prompt: readonly TokenId[]): Promise<State>;
  /** Drafts a tree behind the context. */
  propose(state: State, request: TreeRequest<Cache>): Promise<Proposal>;
  /** Drops what was drafted beyond the first `length` tokens of the text, which stand. */
  commit(state: State, length: number): State;
  /** Releases what a live state holds; a taken one is let through silently. */
  close(state: State): void;
}
