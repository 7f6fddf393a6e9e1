/**
 * A drafter of chains as a drafter of trees that do not branch.
 *
 * @module
 */
import type { Draft } from "../draft.ts";
import type { TreeNode } from "./token_tree.ts";
import type { TreeDraft } from "./tree_draft.ts";

/**
 * Any drafter as one of trees: what it drafts is a single path. So the same decoder shows what
 * branching is worth.
 *
 * @example
 * ```ts
 * import { draftPath, draftPromptLookup, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const draft = draftPath(draftPromptLookup());
 * const context = [1, 2, 3, 1, 2];
 * const request = { context, nodes: 2, depth: 9, vocabulary: 4, warp: temperature(0), coin: () => 0 };
 * const { tree } = await draft.propose(await draft.init(context), request);
 * assertEquals(tree.map(({ token, parent }) => [token, parent]), [[3, -1], [1, 0]]);
 * ```
 */
export function draftPath<State, Cache>(draft: Draft<State, Cache>): TreeDraft<State, Cache> {
  return {
    init: draft.init,
    propose: async (held, request) => {
      const { nodes, depth, warp } = request;
      const proposal = await draft.propose(held, { ...request, gamma: Math.min(nodes, depth) });
      const { state, tokens, probs } = proposal;
      let probability = 1;
      const tree = tokens.map((token, place): TreeNode => {
        // Where the warp leaves one token, nobody needs its distribution.
        if (warp.only === undefined) probability *= probs[place][token];
        return { token, parent: place - 1, probability };
      });
      return { state, tree };
    },
    commit: draft.commit,
    close: draft.close,
  };
}
