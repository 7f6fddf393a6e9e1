/**
 * A small language model as a drafter of trees that branch where it is unsure.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import { classesOf } from "../draft_classes.ts";
import { draftModel, type DraftModelOptions, type DraftModelState } from "../draft_model.ts";
import type { Logits } from "../language_model.ts";
import { releasing } from "../releasing.ts";
import { likeliestNodes } from "./likeliest_nodes.ts";
import { marginalsOf } from "./marginals.ts";
import type { TokenTree } from "./token_tree.ts";
import type { TreeDraft } from "./tree_draft.ts";
import type { TreeLanguageModel, TreeRow } from "./tree_model.ts";

/** How a draft model drafts a dynamic tree. */
export interface DynamicTreeOptions extends DraftModelOptions {
  /** How many tokens a path has at most, 1 or more: as many passes of the draft model. */
  readonly depth: number;
  /** How many nodes of each level are read on, 1 or more: so many rows more at every pass. */
  readonly width: number;
}

/**
 * Drafts level by level: the likeliest `width` paths of a level are read on, each with the model's own
 * distribution behind it, and of all nodes seen the likeliest are the tree (EAGLE-2, Li et al. 2024,
 * arXiv 2406.16858, sections 4.1 and 4.2). With a width of 1 it is `draftBranches`.
 *
 * Probabilities are the model's own, without the warp. Errors are those of `draftModel`.
 *
 * @throws OutriderError for a depth or a width below 1
 * @example
 * ```ts
 * import { draftDynamicTree, functionModel, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * // After 0 comes 1 or 2, after 1 or 2 surely 0.
 * const logits = (prefix: readonly number[]) => prefix.at(-1) === 0 ? [-9, 1, 0.9] : [9, 0, 0];
 * const model = functionModel({ vocabulary: 3, contextLength: 8, logits });
 * const draft = draftDynamicTree(model, { depth: 2, width: 2 });
 * const request = { context: [0], nodes: 4, depth: 9, vocabulary: 3, warp: temperature(0), coin: () => 0 };
 * const { state, tree } = await draft.propose(await draft.init([0]), request);
 * assertEquals(tree.map(({ token, parent }) => [token, parent]), [[1, -1], [0, 0], [2, -1], [0, 2]]);
 * draft.close(state);
 * ```
 */
export function draftDynamicTree<Cache>(
  model: TreeLanguageModel<Cache>,
  options: DynamicTreeOptions,
): TreeDraft<DraftModelState<Cache>> {
  const { width, vocabulary } = options;
  if (!(options.depth >= 1 && width >= 1)) {
    throw new OutriderError(
      "a depth and a width of 1 or more",
      `${options.depth} and ${width}`,
      "pass such as 4 and 8",
    );
  }
  const chain = draftModel(model, options);
  const classes = classesOf(model.vocabulary, vocabulary);
  return {
    ...chain,
    propose: (state, { context, nodes, depth, vocabulary: tokens }) =>
      releasing(model, state.cache, async (hold) => {
        classes.check(tokens);
        const room = model.contextLength - context.length + 1;
        const levels = Math.min(options.depth, nodes, depth, room);
        if (levels < 1) return { state, tree: [] };
        const pending = classes.ofText(context).slice(model.lengthOf(state.cache));
        const first = await model.forward(state.cache, pending, 1);
        let cache = first.cache;
        hold(cache);
        const childrenOf = (logits: Logits, parent: number, above: number) => {
          const others = [classes.otherLogit(logits)];
          const [row] = marginalsOf([classes.possible(logits)], nodes, others);
          return Array.from(row.tokens, (token, rank) => ({
            token,
            parent,
            probability: above * Math.exp(row.logProbs[rank]),
          }));
        };
        let level: TokenTree = childrenOf(first.logits[0], -1, 1);
        const tree = [...level];
        const read: (TreeRow & { readonly node: number })[] = [];
        for (let i = 1; i < levels; i++) {
          const chosen = likeliestOf(level, width).map((place) =>
            tree.length - level.length + place
          );
          const before = read.length;
          for (const node of chosen) {
            const { token, parent } = tree[node];
            read.push({ token, parent: read.findIndex((row) => row.node === parent), node });
          }
          const wanted = chosen.map((_, place) => before + place);
          const pass = await model.forwardTree(cache, read, wanted);
          cache = pass.cache;
          hold(cache);
          level = chosen.flatMap((node, place) =>
            childrenOf(pass.logits[place], node, tree[node].probability)
          );
          tree.push(...level);
        }
        const kept = likeliestNodes(tree, nodes);
        const drafted = kept.map((node) => ({ ...node, token: classes.tokenOf(node.token) }));
        return { state: { cache }, tree: drafted };
      }),
  };
}

/** The places of the likeliest nodes of a level, in its order. */
function likeliestOf(level: TokenTree, count: number): number[] {
  return level.map((_, place) => place)
    .sort((a, b) => level[b].probability - level[a].probability || a - b)
    .slice(0, count).sort((a, b) => a - b);
}
