/**
 * A block drafter as a drafter of trees.
 *
 * @module
 */
import {
  type BlockDraftOptions,
  type BlockDraftState,
  blockMarginals,
} from "../block_marginals.ts";
import type { LlamaCache } from "../llama_model.ts";
import { likeliestTree } from "./likeliest_tree.ts";
import { marginalsOf } from "./marginals.ts";
import type { TreeDraft } from "./tree_draft.ts";

/**
 * Drafts the tree of the most probable continuations under what a block drafter says of each place
 * (DDTree, Ringel & Romano 2026, arXiv 2604.12989, on DFlash, 2602.06036): one pass of the drafter,
 * as for `blockDraft`, whose conditions hold here as well.
 *
 * Probabilities are the drafter's own, without the warp.
 *
 * @throws OutriderError (from `propose`) where the target keeps no features
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
 * const draft = decode.draftBlockTree({ device, config, weights, vocabulary });
 * const warp = decode.temperature(0);
 * const decoder = decode.treeSpeculative({ target, draft, warp, budget: 4 });
 * const { reports } = await decode.generate(decode.limit(decoder, 4), [1, 2], { key: keyOf(3) });
 * // Every token is as likely, so the whole first place is drafted: one of its tokens stands.
 * assertEquals([reports[0].drafted, reports[0].accepted], [4, 1]);
 * ```
 */
export function draftBlockTree(options: BlockDraftOptions): TreeDraft<BlockDraftState, LlamaCache> {
  const { classes, open, marginals, commit, close } = blockMarginals(options);
  return {
    init: () => Promise.resolve(open()),
    propose: (held, { nodes, depth, ...request }) =>
      marginals(
        held,
        { ...request, places: Math.min(nodes, depth) },
        ({ state, rows, others }) => {
          const tree = likeliestTree(marginalsOf(rows, nodes, others), nodes);
          return {
            state,
            tree: tree.map((node) => ({ ...node, token: classes.tokenOf(node.token) })),
          };
        },
      ),
    commit,
    close,
  };
}
