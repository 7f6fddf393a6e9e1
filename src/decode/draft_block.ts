/**
 * A drafter that drafts a block in one pass from what the target's layers know of the text.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { hostTensor } from "../core/host_tensor.ts";
import type { BlockDrafterConfig, BlockWeights } from "../nn/block_drafter_parameters.ts";
import type { KvLayers } from "../nn/llama.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import { type Device, releaseTree, upload } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import { own, type Owned } from "../runtime/owned.ts";
import { compileBlockPasses, packRequest } from "./block_passes.ts";
import type { Draft, DraftRequest, Proposal } from "./draft.ts";
import { type DraftClasses, trimmedClasses } from "./draft_classes.ts";
import { draftOne } from "./drafted_token.ts";
import type { Probs, TokenId } from "./language_model.ts";
import { lazyRows } from "./lazy_rows.ts";
import type { LlamaCache } from "./llama_model.ts";
import { readLogits, splitRows } from "./llama_passes.ts";

/** What a {@link blockDraft} is made of. */
export interface BlockDraftOptions {
  /** Where the drafter runs: the target's device, since it reads the target's cache. */
  readonly device: Device;
  /** Sizes of the drafter. */
  readonly config: BlockDrafterConfig;
  /** Its weights, which stay the caller's and must outlive it. */
  readonly weights: BlockWeights<DeviceArray>;
  /** The tokens that it drafts, and the class of all others. */
  readonly vocabulary: TrimmedVocabulary;
}

/** Keys and values of the context rows that the drafter has read. */
export interface BlockSequence {
  /** Keys and values of every layer. */
  readonly layers: KvLayers<DeviceArray>;
  /** Rows that the arrays have room for. */
  readonly slots: number;
  /** Context rows in use. */
  readonly length: number;
}

/** A use-once handle of a block drafter's keys and values. */
export type BlockDraftState = Owned<BlockSequence>;

/** Context rows of one pass: few behind a verified block, more behind a prompt. */
const PASS_ROWS = [4, 8, 32, 128] as const;
const MOST_ROWS = PASS_ROWS[PASS_ROWS.length - 1];
const FIRST_SLOTS = 256;

function paddedRows(rows: number): number {
  return PASS_ROWS.find((size) => size >= rows) ?? MOST_ROWS;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** The features in a target's cache, which holds the context but its last token. */
function featuresOf({ cache, context }: DraftRequest<LlamaCache>): DeviceArray {
  const { features } = cache?.look().memory ?? {};
  const rows = cache?.look().length ?? 0;
  if (features !== undefined && rows >= context.length - 1) return features;
  throw new OutriderError(
    "a target that keeps features for its drafter",
    features === undefined ? "one that does not" : `features of ${rows} rows`,
    "open the target with the drafter's taps",
  );
}

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
  const { device, config } = options;
  const passes = compileBlockPasses(device, config);
  const classes = trimmedClasses(options.vocabulary);
  const open = (): BlockDraftState =>
    own("a block drafter's cache", {
      layers: passes.empty(FIRST_SLOTS),
      slots: FIRST_SLOTS,
      length: 0,
    });

  const withRoom = (sequence: BlockSequence, rows: number): BlockSequence => {
    let grown = sequence;
    while (grown.slots < rows) {
      const layers = passes.grow(grown.layers);
      releaseTree(grown.layers);
      grown = { ...grown, layers, slots: 2 * grown.slots };
    }
    return grown;
  };

  /** Reads what lies before the last rows of the context. */
  const caughtUp = (sequence: BlockSequence, features: DeviceArray, to: number): BlockSequence => {
    let { layers, length } = sequence;
    for (; to - length > MOST_ROWS; length += MOST_ROWS) {
      const slots = Int32Array.from(range(length, length + MOST_ROWS));
      using rows = upload(device, hostTensor(slots));
      layers = passes.read(options.weights, layers, features, rows);
    }
    return { ...sequence, layers, length };
  };

  const propose = async (
    first: BlockSequence,
    request: DraftRequest<LlamaCache>,
    hold: (sequence: BlockSequence) => void,
  ): Promise<Proposal<BlockDraftState>> => {
    const { context } = request;
    const position = context.length - 1;
    const room = config.contextLength - position;
    const drafted = Math.min(request.gamma, config.block, room);
    if (drafted < 1 || position < 1) {
      return { state: own("a block drafter's cache", first), tokens: [], probs: [] };
    }
    const features = featuresOf(request);
    const roomy = withRoom(first, position + config.block);
    hold(roomy);
    const sequence = caughtUp(roomy, features, position);
    hold(sequence);
    // The row of the last context token always goes in, again where it has been read before.
    const slots = range(Math.min(sequence.length, position - 1), position);
    const packed = packRequest(context[position], position, slots, paddedRows(slots.length));
    using asked = upload(device, hostTensor(packed));
    const made = passes.draft(options.weights, sequence.layers, features, asked, { drafted });
    using logits = made.logits;
    const next = { ...sequence, layers: made.cache, length: position };
    hold(next);
    const values = await readLogits(logits, []);
    const state = own("a block drafter's cache", next);
    return { state, ...drawn(request, splitRows(values, options.vocabulary.classes), classes) };
  };

  return {
    init: () => Promise.resolve(open()),
    propose: async (state, request) => {
      classes.check(request.vocabulary);
      let held = state.take("propose");
      try {
        return await propose(held, request, (sequence) => held = sequence);
      } catch (error) {
        releaseTree(held.layers);
        throw error;
      }
    },
    commit: (state, length) => {
      if (state.look().length <= length) return state;
      return own("a block drafter's cache", { ...state.take("commit"), length });
    },
    close: (state) => {
      if (state.live) releaseTree(state.take("close").layers);
    },
  };
}

/** Draws a token from each row of logits. */
function drawn(
  request: DraftRequest,
  rows: ReturnType<typeof splitRows>,
  classes: DraftClasses,
): { readonly tokens: readonly TokenId[]; readonly probs: ArrayLike<Probs> } {
  let text = classes.ofText(request.context);
  const tokens: TokenId[] = [];
  const probs: (() => Probs)[] = [];
  for (const row of rows) {
    const one = draftOne(request, classes.possible(row), text, classes);
    text = [...text, one.drawn];
    tokens.push(classes.tokenOf(one.drawn));
    probs.push(one.probs);
  }
  return { tokens, probs: lazyRows(probs.length, (place) => probs[place]()) };
}
