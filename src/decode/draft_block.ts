/**
 * A drafter that drafts a block in one pass from what the target's layers know of the text.
 *
 * @module
 */
import { type BlockDraftOptions, type BlockDraftState, blockMarginals } from "./block_marginals.ts";
import type { Draft, DraftRequest } from "./draft.ts";
import type { DraftClasses } from "./draft_classes.ts";
import { draftOne } from "./drafted_token.ts";
import type { Logits, Probs, TokenId } from "./language_model.ts";
import { lazyRows } from "./lazy_rows.ts";
import type { LlamaCache } from "./llama_model.ts";

/**
 * Drafts up to a block of tokens in one pass (DFlash, 2602.06036; see `nn/block_drafter.ts`).
 *
 * The tokens of a block are drawn one by one from distributions that do not see one another, so
 * each is judged by its own. The target must be a `llamaModel` with the drafter's taps on the same
 * device: what its layers knew of the text is looked up in its cache. Blocks are shorter near the
 * end of the drafter's context.
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
 * const draft = decode.blockDraft({ device, config, weights, vocabulary });
 * const { verifyToken: verify, temperature } = decode;
 * const decoder = decode.speculative({ target, draft, verify, warp: temperature(0), gamma: 2 });
 * const { reports } = await decode.generate(decode.limit(decoder, 4), [1, 2], { key: keyOf(3) });
 * assertEquals(reports[0].drafted, 2);
 * ```
 */
export function blockDraft(options: BlockDraftOptions): Draft<BlockDraftState, LlamaCache> {
  const { classes, open, marginals, commit, close } = blockMarginals(options);
  return {
    init: () => Promise.resolve(open()),
    propose: (held, request) =>
      marginals(held, { ...request, places: request.gamma }, ({ state, rows }) => ({
        state,
        ...drawn(request, rows, classes),
      })),
    commit,
    close,
  };
}

/** Draws a token from each row of logits. */
function drawn(
  request: DraftRequest,
  rows: readonly Logits[],
  classes: DraftClasses,
): { readonly tokens: readonly TokenId[]; readonly probs: ArrayLike<Probs> } {
  let text = classes.ofText(request.context);
  const tokens: TokenId[] = [];
  const probs: (() => Probs)[] = [];
  for (const row of rows) {
    const one = draftOne(request, row, text, classes);
    text = [...text, one.drawn];
    tokens.push(classes.tokenOf(one.drawn));
    probs.push(one.probs);
  }
  return { tokens, probs: lazyRows(probs.length, (place) => probs[place]()) };
}
