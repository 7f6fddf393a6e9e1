/**
 * A small language model as a drafter of sampled trees: several drafts at every place.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { DraftRequest } from "../draft.ts";
import { classesOf, type DraftClasses } from "../draft_classes.ts";
import { draftModel, type DraftModelOptions, type DraftModelState } from "../draft_model.ts";
import type { Logits, Probs, TokenId } from "../language_model.ts";
import { drawDrafts, type MultiDraftLaw } from "../multi_draft/law.ts";
import { releasing } from "../releasing.ts";
import { probabilities } from "../warp.ts";
import type { TokenTree, TreeNode } from "./token_tree.ts";
import type { TreeDraft, TreeProposal } from "./tree_draft.ts";
import { pathTo, type TreeLanguageModel, type TreeRow } from "./tree_model.ts";

/** The drafts at one place of a tree. */
export interface PlaceDrafts<Law extends MultiDraftLaw = MultiDraftLaw> {
  /** How they were drawn, given the tokens before the place. */
  readonly law: Law;
  /** The drafted tokens, `[law.count]`; one that was drafted twice is one child. */
  readonly tokens: readonly TokenId[];
}

/** A tree whose children were drawn, and what verification must know of that. */
export interface SampledProposal<State, Law extends MultiDraftLaw = MultiDraftLaw>
  extends TreeProposal<State> {
  /** The drafts behind each node, `[1 + tree.length]`, those behind the text first; none at leaves. */
  readonly places: readonly (PlaceDrafts<Law> | undefined)[];
}

/** How a draft model draws a tree. */
export interface DraftSamplesOptions<Law extends MultiDraftLaw> extends DraftModelOptions {
  /** How many drafts there are at each place of each level, such as `[3, 2, 1]`. */
  readonly counts: readonly number[];
  /** The law of so many drafts from a distribution, such as `withoutReplacement`. */
  readonly law: (probs: Probs, count: number) => Law;
}

/** Nodes whose children are to be drawn, in their order, and the draft model's logits there. */
interface Level {
  readonly nodes: readonly number[];
  readonly logits: readonly Logits[];
}

/** A tree under construction. */
interface Growth<Law extends MultiDraftLaw> {
  readonly tree: TreeNode[];
  readonly places: (PlaceDrafts<Law> | undefined)[];
  /** How many drafts were drawn: each has a coin of its own. */
  drawn: number;
}

/**
 * Draws a tree from a draft model, level by level: at each node several tokens from the model's
 * processed distribution there. As many passes as levels; the passes read the tree so far anew.
 *
 * Errors are those of `draftModel`, and one where a level has no drafts.
 *
 * @example
 * ```ts
 * import { draftSamples, functionModel, temperature, withoutReplacement } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const model = functionModel({ vocabulary: 3, contextLength: 8, logits: () => [0, 0, 0] });
 * const draft = draftSamples(model, { counts: [2, 1], law: withoutReplacement });
 * const warp = temperature(1);
 * const request = { context: [0], nodes: 9, depth: 9, vocabulary: 3, warp, coin: () => 0 };
 * const { state, tree } = await draft.propose(await draft.init([0]), request);
 * assertEquals(tree.map(({ token, parent }) => [token, parent]), [[0, -1], [1, -1], [0, 0], [0, 1]]);
 * draft.close(state);
 * ```
 */
export function draftSamples<Cache, Law extends MultiDraftLaw>(
  model: TreeLanguageModel<Cache>,
  options: DraftSamplesOptions<Law>,
): TreeDraft<
  DraftModelState<Cache>,
  unknown,
  SampledProposal<DraftModelState<Cache>, Law>
> {
  const { counts, law, vocabulary } = options;
  const chain = draftModel(model, options);
  const classes = classesOf(model.vocabulary, vocabulary);
  if (counts.length === 0 || !counts.every((count) => Number.isInteger(count) && count >= 1)) {
    throw new OutriderError("one draft or more at each level", `${counts}`, "pass such as [3, 2]");
  }
  return {
    ...chain,
    propose: (state, request) =>
      releasing(model, state.cache, async (hold) => {
        const { context, depth } = request;
        classes.check(request.vocabulary);
        const text = classes.ofText(context);
        const growth: Growth<Law> = { tree: [], places: [], drawn: 0 };
        const levels = Math.min(counts.length, depth, model.contextLength - context.length + 1);
        if (levels < 1) return { state, tree: [], places: [] };
        const pending = text.slice(model.lengthOf(state.cache));
        const first = await model.forward(state.cache, pending, 1);
        let cache = first.cache;
        hold(cache);
        let level: Level = { nodes: [-1], logits: first.logits };
        for (const count of counts.slice(0, levels)) {
          if (growth.tree.length > 0) {
            const nodes = lastLevel(growth);
            const pass = await model.forwardTree(cache, rowsOf(growth.tree, classes), nodes);
            cache = pass.cache;
            hold(cache);
            level = { nodes, logits: pass.logits };
          }
          growLevel(growth, level, { request, text, classes, law, count });
        }
        return { state: { cache }, tree: growth.tree, places: growth.places };
      }),
  };
}

/** The nodes whose children have not been drawn. */
function lastLevel<Law extends MultiDraftLaw>({ tree, places }: Growth<Law>): number[] {
  return tree.map((_, node) => node).filter((node) => node + 1 >= places.length);
}

/** A tree as the draft model reads it. */
function rowsOf(tree: TokenTree, classes: DraftClasses): TreeRow[] {
  const read = classes.ofText(tree.map(({ token }) => token));
  return tree.map(({ parent }, node) => ({ token: read[node], parent }));
}

interface Drawing<Law extends MultiDraftLaw> {
  readonly request: Pick<DraftRequest, "context" | "coin" | "warp">;
  /** The context in classes. */
  readonly text: readonly number[];
  readonly classes: DraftClasses;
  readonly law: (probs: Probs, count: number) => Law;
  readonly count: number;
}

/** Draws the children of a level's nodes. */
function growLevel<Law extends MultiDraftLaw>(
  growth: Growth<Law>,
  { nodes, logits }: Level,
  drawing: Drawing<Law>,
): void {
  nodes.forEach((node, i) => grow(growth, node, logits[i], drawing));
}

/** Draws the children of a node. */
function grow<Law extends MultiDraftLaw>(
  growth: Growth<Law>,
  node: number,
  logits: Logits,
  { request, text, classes, law, count }: Drawing<Law>,
): void {
  const { tree, places } = growth;
  const before = pathTo(tree, node).map((place) => tree[place].token);
  const own = probabilities(
    request.warp,
    classes.possible(logits),
    [...text, ...classes.ofText(before)],
  );
  const probs = classes.spread(own);
  const made = law(probs, count);
  // Coins belong to a step and a number in it: one for every draft, wherever in the tree.
  const coins = Array.from(
    { length: made.count },
    () => request.coin(request.context.length + growth.drawn++),
  );
  const tokens = drawDrafts(made, coins);
  places[node + 1] = { law: made, tokens };
  const above = tree[node]?.probability ?? 1;
  for (const token of new Set(tokens)) {
    tree.push({ token, parent: node, probability: above * probs[token] });
  }
}
