/**
 * A small language model as a drafter of a path with side branches.
 *
 * @module
 */
import { draftModel, type DraftModelOptions } from "../draft_model.ts";
import { classesOf, type DraftClasses } from "../draft_classes.ts";
import type { LanguageModel } from "../language_model.ts";
import { releasing } from "../releasing.ts";
import type { TopTokens } from "../top_tokens.ts";
import { likeliestNodes } from "./likeliest_nodes.ts";
import { marginalsOf } from "./marginals.ts";
import type { TreeNode } from "./token_tree.ts";
import type { TreeDraft } from "./tree_draft.ts";

/** How a draft model drafts a tree. */
export interface DraftBranchesOptions extends DraftModelOptions {
  /** How many tokens the path has, 1 or more: as many passes of the draft model. */
  readonly depth: number;
}

/** The state of {@link draftBranches}: a cache, which may hold a path that does not stand. */
export interface BranchesState<Cache> {
  /** The draft model's live cache. */
  readonly cache: Cache;
  /** The classes that its rows are of. */
  readonly read: readonly number[];
}

/** How many rows of a cache hold the text; its last token is always read anew. */
function standing(read: readonly number[], text: readonly number[]): number {
  const most = Math.min(read.length, text.length - 1);
  let length = 0;
  while (length < most && read[length] === text[length]) length++;
  return length;
}

/**
 * Drafts a model's own greedy path, and beside each of its tokens the next likeliest ones as leaves:
 * of all these, the likeliest nodes. No pass more than for the path alone, since the alternatives
 * stand in the same rows of logits.
 *
 * Probabilities are the model's own, without the warp. Errors are those of `draftModel`.
 *
 * @example
 * ```ts
 * import { draftBranches, functionModel, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => prefix.length === 1 ? [2, 1, 0] : [0, 0, 9];
 * const draft = draftBranches(functionModel({ vocabulary: 3, contextLength: 8, logits }), { depth: 2 });
 * const request = { context: [0], nodes: 3, depth: 9, vocabulary: 3, warp: temperature(0), coin: () => 0 };
 * const { state, tree } = await draft.propose(await draft.init([0]), request);
 * assertEquals(tree.map(({ token, parent }) => [token, parent]), [[0, -1], [2, 0], [1, -1]]);
 * draft.close(state);
 * ```
 */
export function draftBranches<Cache>(
  model: LanguageModel<Cache>,
  options: DraftBranchesOptions,
): TreeDraft<BranchesState<Cache>> {
  const chain = draftModel(model, options);
  const classes = classesOf(model.vocabulary, options.vocabulary);
  return {
    init: async (prompt) => {
      const { cache } = await chain.init(prompt);
      return { cache, read: classes.ofText(prompt).slice(0, model.lengthOf(cache)) };
    },
    propose: (state, { context, nodes, depth, vocabulary }) =>
      releasing(model, state.cache, async (hold) => {
        classes.check(vocabulary);
        let text = classes.ofText(context);
        let cache = model.truncate(state.cache, standing(state.read, text));
        hold(cache);
        const room = model.contextLength - context.length + 1;
        const count = Math.min(options.depth, nodes, depth, room);
        const tree: TreeNode[] = [];
        let above = { place: -1, probability: 1 };
        for (let i = 0; i < count; i++) {
          const pass = await model.forward(cache, text.slice(model.lengthOf(cache)), 1);
          cache = pass.cache;
          hold(cache);
          const [logits] = pass.logits;
          const [row] = marginalsOf([classes.possible(logits)], nodes, [
            classes.otherLogit(logits),
          ]);
          const children = childrenOf(row, above, classes);
          above = { place: tree.length, probability: children[0].probability };
          text = [...text, row.tokens[0]];
          tree.push(...children);
        }
        const read = text.slice(0, model.lengthOf(cache));
        return { state: { cache, read }, tree: likeliestNodes(tree, nodes) };
      }),
    commit: (state) => state,
    close: ({ cache }) => model.close(cache),
  };
}

/** The likeliest classes of a row as children of a node. */
function childrenOf(
  { tokens, logProbs }: TopTokens,
  above: { readonly place: number; readonly probability: number },
  classes: DraftClasses,
): TreeNode[] {
  return Array.from(tokens, (drawn, rank) => ({
    token: classes.tokenOf(drawn),
    parent: above.place,
    probability: above.probability * Math.exp(logProbs[rank]),
  }));
}
