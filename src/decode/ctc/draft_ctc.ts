/**
 * The CTC drafter (Wen, Gui & Feng 2024, arXiv 2412.00061) as a drafter of trees.
 *
 * @module
 */
import {
  type BlockDraftOptions,
  type BlockDraftState,
  blockMarginals,
} from "../block_marginals.ts";
import type { LlamaCache } from "../llama_model.ts";
import { likeliestTree } from "../tree/likeliest_tree.ts";
import { marginalsOf } from "../tree/marginals.ts";
import type { TreeDraft } from "../tree/tree_draft.ts";
import { ctcTransform } from "./ctc_transform.ts";

/** Alignments that are looked at for each node that is wanted: several stand for the same tokens. */
const ALIGNMENTS_PER_NODE = 8;

/**
 * Drafts the tokens of several places that do not see one another, read as alignments (arXiv
 * 2412.00061): one pass of the drafter gives each place's distribution over tokens and a blank, the
 * likeliest alignments of them are a tree, and `ctcTransform` makes it one of tokens, which the target
 * reads in one pass. The blank is the last class of the head, see `ctcHead`.
 *
 * For `treeSpeculative`: its text is that of plain decoding, token for token, greedy as well as at any
 * temperature, where the target's own sample decides. What `draftBlockTree` demands of the target and
 * throws holds here as well.
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
 * const config = nn.tinyBlockDrafter({ width: 8, taps: [1], block: 3, contextLength: 16 });
 * const drafter = nn.initCtcDrafter(keyOf(2), config, new Float32Array(8).fill(1));
 * const head = hostTensor(new Float32Array(6 * 8), [6, 8]); // four tokens, the others, the blank
 * const weights = { ...uploadTree(device, { drafter, head }), embedding: parameters.embedding };
 * const target = decode.llamaModel({ device, config: llama, parameters, taps: config.taps });
 * const vocabulary = nn.trimmedVocabulary([0, 1, 2, 3], 4);
 * const draft = decode.draftCtc({ device, config, weights, vocabulary });
 * const warp = decode.temperature(0);
 * const decoder = decode.treeSpeculative({ target, draft, warp, budget: 4 });
 * const { reports } = await decode.generate(decode.limit(decoder, 4), [1, 2], { key: keyOf(3) });
 * // Every token is as likely, so the tree is all first tokens: one of them stands.
 * assertEquals([reports[0].drafted, reports[0].accepted], [4, 1]);
 * ```
 */
export function draftCtc(options: BlockDraftOptions): TreeDraft<BlockDraftState, LlamaCache> {
  const { classes, open, marginals, commit, close } = blockMarginals(options);
  const blank = options.vocabulary.classes;
  return {
    init: () => Promise.resolve(open()),
    propose: (held, { nodes, depth, ...request }) =>
      marginals(held, { ...request, places: depth }, ({ state, rows, others }) => {
        // The blank may be one of a place's likeliest classes.
        const likeliest = marginalsOf(rows, nodes + 1, others);
        const alignments = likeliestTree(likeliest, ALIGNMENTS_PER_NODE * nodes);
        const tree = ctcTransform(alignments, blank).slice(0, nodes);
        return {
          state,
          tree: tree.map((node) => ({ ...node, token: classes.tokenOf(node.token) })),
        };
      }),
    commit,
    close,
  };
}
