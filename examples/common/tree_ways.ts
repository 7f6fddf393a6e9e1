/**
 * Ways to decode with trees of a drafter, beside chains of the same one.
 *
 * @module
 */
import {
  automaticBudget,
  type Decoder,
  type Draft,
  draftBlockSamples,
  draftBlockTree,
  draftDynamicTree,
  draftModel,
  draftSamples,
  generate,
  type GreedyDrafts,
  greedyDrafts,
  greedyOptimal,
  type LlamaCache,
  llamaModel,
  measureTreeCosts,
  multiDraftSpeculative,
  type SampledProposal,
  speculative,
  type TreeDraft,
  type TreeLanguageModel,
  treeSpeculative,
  type Warp,
} from "@outrider/outrider/decode";
import type { Contestant } from "@outrider/outrider/evaluate";
import { ended } from "./decoding.ts";
import type { LoadedBlockDraft, LoadedDraftModel } from "./drafts.ts";
import type { LoadedModel } from "./models.ts";

/** What is compared. */
export interface TreeSettings {
  /** Most nodes of trees; `auto` as many as pay. */
  readonly budgets: readonly (number | "auto")[];
  /** Tokens of a chain. */
  readonly gamma: number;
  /** Most tokens of a path in a draft model's tree. */
  readonly depth: number;
  /** Paths of each level that a draft model reads on. */
  readonly width: number;
  readonly warp: Warp;
}

/** A way to decode. */
export interface TreeWay extends Contestant {
  /** What its texts share with plain ones of the same coins. */
  readonly shares: "tokens" | "law";
}

/** A target that reads trees, and ways to decode with it. */
export interface TreeContest {
  readonly model: TreeLanguageModel<LlamaCache>;
  readonly ways: readonly TreeWay[];
}

/** One drafter in its three forms. */
interface Drafters<Chain, Tree, Drawn> {
  readonly model: TreeLanguageModel<LlamaCache>;
  readonly chain: Draft<Chain, LlamaCache>;
  readonly longest: number;
  readonly tree: TreeDraft<Tree, LlamaCache>;
  readonly depth: number;
  readonly drawn: (
    budget: number,
  ) => TreeDraft<Drawn, LlamaCache, SampledProposal<Drawn, GreedyDrafts>>;
}

/** The ways of a loaded drafter. */
export async function treeContest(
  target: LoadedModel,
  loaded: LoadedDraftModel | LoadedBlockDraft,
  settings: TreeSettings,
): Promise<TreeContest> {
  const sizeRatio = loaded.size / target.size;
  if (loaded.kind === "block") {
    const { parts, config: { block, taps } } = loaded;
    const drafters = {
      model: llamaModel({ ...target.parts, taps }),
      chain: loaded.draft,
      longest: block,
      tree: draftBlockTree(parts),
      depth: block,
      drawn: (budget: number) => draftBlockSamples({ ...parts, budget }),
    };
    return await contestOf(target, drafters, sizeRatio, settings);
  }
  const { model, parts, vocabulary } = loaded;
  const { depth, width } = settings;
  const reading = llamaModel(parts);
  const drafters = {
    model: llamaModel(target.parts),
    chain: draftModel(model, { vocabulary }),
    longest: Infinity,
    tree: draftDynamicTree(reading, { depth, width, vocabulary }),
    depth,
    drawn: (budget: number) =>
      draftSamples(reading, { counts: levelsOf(budget), law: greedyDrafts, vocabulary }),
  };
  return await contestOf(target, drafters, sizeRatio, settings);
}

/** Drafts at each place of each level: half of the nodes at the first place, one behind each. */
function levelsOf(budget: number): number[] {
  return budget < 2 ? [1] : [Math.floor(budget / 2), 1];
}

async function contestOf<Chain, Tree, Drawn>(
  target: LoadedModel,
  { model, chain, longest, tree, depth, drawn }: Drafters<Chain, Tree, Drawn>,
  sizeRatio: number,
  { budgets, gamma, warp }: TreeSettings,
): Promise<TreeContest> {
  const way = <State>(
    name: string,
    decoder: (warp: Warp, verify: Parameters<Contestant["write"]>[0]["verify"]) => Decoder<State>,
    shares: TreeWay["shares"],
  ): TreeWay => ({
    name,
    sizeRatio,
    shares,
    write: (options, prompt, key) =>
      ended(decoder(options.warp, options.verify), target, options)
        .run((whole) => generate(whole, prompt, { key, signal: options.signal })),
  });
  const length = Math.min(gamma, longest);
  const byChance = warp.only === undefined ? "law" : "tokens";
  const ways = [
    way(
      `chain ${length}`,
      (warp, verify) => speculative({ target: model, draft: chain, verify, warp, gamma: length }),
      byChance,
    ),
  ];
  const trees: TreeWay[] = [];
  const drawnTrees: TreeWay[] = [];
  for (const budget of budgets) {
    if (budget === "auto") {
      const rule = automaticBudget(await measureTreeCosts(model, tree, { depth, warp }));
      trees.push(way(
        "tree auto",
        (warp) => treeSpeculative({ target: model, draft: tree, warp, budget: rule }),
        "tokens",
      ));
      continue;
    }
    trees.push(way(
      `tree ${budget}`,
      (warp) => treeSpeculative({ target: model, draft: tree, warp, budget }),
      "tokens",
    ));
    if (byChance === "tokens") continue;
    const draft = drawn(budget);
    drawnTrees.push(way(
      `drawn tree ${budget}`,
      (warp) => multiDraftSpeculative({ target: model, draft, rule: greedyOptimal, warp }),
      "law",
    ));
  }
  return { model, ways: [...ways, ...trees, ...drawnTrees] };
}
