/**
 * Decoders of trees for drafters that look into the target's cache.
 *
 * @module
 */
import {
  automaticBudget,
  type LlamaCache,
  measureTreeCosts,
  type TreeDraft,
  type TreeLanguageModel,
  type TreeProposal,
  treeSpeculative,
  type Warp,
} from "@outrider/outrider/decode";
import type { DecoderUser } from "./device_decoding.ts";
import type { LoadedModel } from "./models.ts";

/** A target that keeps features, and a drafter of trees for it. */
export interface TreeSides<Cache, State, Proposal extends TreeProposal<State>> {
  readonly target: TreeLanguageModel<Cache>;
  readonly draft: TreeDraft<State, Cache, Proposal>;
}

/** A target that keeps features at taps, and a drafter of trees that looks into its cache. */
export function treeSidesOf<Cache, State, Proposal extends TreeProposal<State>>(
  target: LoadedModel<Cache>,
  taps: readonly number[],
  draft: TreeDraft<State, LlamaCache, Proposal>,
): TreeSides<Cache, State, Proposal> {
  const { model, cacheOf } = target.tapped(taps);
  return {
    target: model,
    draft: {
      ...draft,
      propose: (state, { cache, ...request }) =>
        draft.propose(state, {
          ...request,
          cache: cache === undefined ? undefined : cacheOf(cache),
        }),
    },
  };
}

/** How trees are decoded. */
export interface TreeDecoding {
  /** Nodes of a tree; `auto` reads as many as pay, or none. */
  readonly nodes: number | "auto";
  /** Most nodes of a path. */
  readonly depth: number;
  readonly warp: Warp;
}

/** Uses the decoder, whose text is the plain one's token for token. */
export async function withTreeDecoder<Cache, State, Result>(
  sides: TreeSides<Cache, State, TreeProposal<State>>,
  { nodes, depth, warp }: TreeDecoding,
  use: DecoderUser<Result>,
): Promise<Result> {
  if (nodes !== "auto") return use(treeSpeculative({ ...sides, warp, budget: nodes }));
  const costs = await measureTreeCosts(sides.target, sides.draft, { depth, warp });
  return use(treeSpeculative({ ...sides, warp, budget: automaticBudget(costs) }));
}
