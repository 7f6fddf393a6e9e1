/**
 * A block drafter as a drafter of trees for sampled text.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import {
  type BlockDraftOptions,
  type BlockDraftState,
  blockMarginals,
} from "../block_marginals.ts";
import type { Probs } from "../language_model.ts";
import type { LlamaCache } from "../llama_model.ts";
import type { GreedyDrafts } from "../multi_draft/greedy_drafts.ts";
import { probabilities } from "../warp.ts";
import type { SampledProposal } from "./draft_samples.ts";
import { drawTree } from "./draw_tree.ts";
import { likeliestTree } from "./likeliest_tree.ts";
import { marginalsOf } from "./marginals.ts";
import type { TreeDraft } from "./tree_draft.ts";

/** What {@link draftBlockSamples} is made of. */
export interface BlockSamplesOptions extends BlockDraftOptions {
  /** Most nodes of a tree, 1 or more. */
  readonly budget: number;
}

/**
 * As `draftBlockTree`, but the last child of every node is drawn from what its siblings leave of the
 * drafter's processed distribution ("greedy drafts", Hu, Zheng et al. 2025, arXiv 2502.18779), for
 * `multiDraftSpeculative` with `greedyOptimal`.
 *
 * Where a target's tokens are drawn, a drafted token of rank 20 stands with the little that the target
 * gives to it; one that was drawn stands as often as the two distributions have in common all that
 * the likelier ones leave. Greedy decoding leaves nothing to draw: the tree is the likeliest one.
 *
 * @throws OutriderError for a budget below 1, and (from `propose`) where the target keeps no features
 * @example
 * ```ts
 * import { hostTensor, keyOf } from "@outrider/outrider/core";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import * as decode from "@outrider/outrider/decode";
 * import * as nn from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const llama = nn.tinyLlama({ width: 8, vocabulary: 4, contextLength: 16 });
 * const parameters = uploadTree(device, nn.initLlama(keyOf(1), llama));
 * const config = nn.tinyBlockDrafter({ width: 8, taps: [0, 1], block: 2, contextLength: 16 });
 * const drafter = nn.initBlockDrafter(keyOf(2), config, new Float32Array(8).fill(1));
 * const head = hostTensor(new Float32Array(5 * 8), [5, 8]); // four tokens and the others
 * const weights = { ...uploadTree(device, { drafter, head }), embedding: parameters.embedding };
 * const target = decode.llamaModel({ device, config: llama, parameters, taps: config.taps });
 * const vocabulary = nn.trimmedVocabulary([0, 1, 2, 3], 4);
 * const draft = decode.draftBlockSamples({ device, config, weights, vocabulary, budget: 4 });
 * const { greedyOptimal: rule, temperature } = decode;
 * const decoder = decode.multiDraftSpeculative({ target, draft, rule, warp: temperature(1) });
 * const { reports } = await decode.generate(decode.limit(decoder, 4), [1, 2], { key: keyOf(3) });
 * // Every token is as likely, so the whole first place is drafted: one of its tokens stands.
 * assertEquals([reports[0].drafted, reports[0].accepted], [4, 1]);
 * ```
 */
export function draftBlockSamples(
  { budget, ...options }: BlockSamplesOptions,
): TreeDraft<BlockDraftState, LlamaCache, SampledProposal<BlockDraftState, GreedyDrafts>> {
  if (!(budget >= 1)) {
    throw new OutriderError("a budget of one node or more", `${budget}`, "decode plainly instead");
  }
  const { classes, open, marginals, commit, close } = blockMarginals(options);
  return {
    init: () => Promise.resolve(open()),
    propose: (held, { nodes, depth, ...request }) => {
      const most = Math.min(nodes, budget);
      const asked = { ...request, places: Math.min(most, depth) };
      return marginals(held, asked, ({ state, rows, others }) => {
        const likeliest = likeliestTree(marginalsOf(rows, most, others), most);
        const shape = likeliest.map((node) => ({ ...node, token: classes.tokenOf(node.token) }));
        const { warp, context, coin } = request;
        if (warp.only !== undefined) return { state, tree: shape, places: [] };
        const text = classes.ofText(context);
        const made: Probs[] = [];
        const probsAt = (place: number): Probs =>
          made[place] ??= classes.spread(probabilities(warp, rows[place], text));
        return { state, ...drawTree(shape, probsAt, (draw) => coin(context.length + draw)) };
      });
    },
    commit,
    close,
  };
}
