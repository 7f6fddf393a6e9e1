/**
 * What a block drafter says of the places behind a text: logits that do not see one another.
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
import type { DraftRequest } from "./draft.ts";
import { type DraftClasses, trimmedClasses } from "./draft_classes.ts";
import type { Logits } from "./language_model.ts";
import type { LlamaCache } from "./llama_model.ts";
import { readLogits, splitRows } from "./pass_rows.ts";

/** What a block drafter is made of. */
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
function featuresOf({ cache, context }: BlockRequest): DeviceArray {
  const { features } = cache?.look().memory ?? {};
  const rows = cache?.look().length ?? 0;
  if (features !== undefined && rows >= context.length - 1) return features;
  throw new OutriderError(
    "a target that keeps features for its drafter",
    features === undefined ? "one that does not" : `features of ${rows} rows`,
    "open the target with the drafter's taps",
  );
}

/** A request for logits of places behind a context, which the target's cache is of. */
export interface BlockRequest
  extends Pick<DraftRequest<LlamaCache>, "context" | "vocabulary" | "cache"> {
  /** How many places are wanted at most. */
  readonly places: number;
}

/** The marginals of a block. */
export interface Marginals {
  /** The drafter's next state. */
  readonly state: BlockDraftState;
  /**
   * `[places][classes]`, as many as the head has rows, `-Infinity` at the class that cannot be drafted;
   * no rows where none fit.
   */
  readonly rows: readonly Logits[];
  /** `[places]`: the logit of the class that cannot be drafted. */
  readonly others: readonly number[];
}

/** A block drafter without a way to choose tokens. */
export interface BlockMarginals {
  /** What its classes stand for. */
  readonly classes: DraftClasses;
  /** A state that has read nothing. */
  open(): BlockDraftState;
  /**
   * Reads what is new of the context, and gives what is made of the logits of the places behind it;
   * where that throws, the state is released.
   */
  marginals<Result>(
    state: BlockDraftState,
    request: BlockRequest,
    use: (made: Marginals) => Result,
  ): Promise<Result>;
  /** Forgets context rows from `length` on. */
  commit(state: BlockDraftState, length: number): BlockDraftState;
  /** Releases what a live state holds; a taken one is let through silently. */
  close(state: BlockDraftState): void;
}

/** The block drafter of these weights; `marginals` rejects where the target keeps no features. */
export function blockMarginals(options: BlockDraftOptions): BlockMarginals {
  const { device, config, weights } = options;
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
      layers = passes.read(weights, layers, features, rows);
    }
    return { ...sequence, layers, length };
  };

  const marginals = async (
    first: BlockSequence,
    request: BlockRequest,
    hold: (sequence: BlockSequence) => void,
  ): Promise<Marginals> => {
    const { context } = request;
    const position = context.length - 1;
    const room = config.contextLength - position;
    const drafted = Math.min(request.places, config.block, room);
    if (drafted < 1 || position < 1) {
      return { state: own("a block drafter's cache", first), rows: [], others: [] };
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
    const made = passes.draft(weights, sequence.layers, features, asked, { drafted });
    using logits = made.logits;
    const next = { ...sequence, layers: made.cache, length: position };
    hold(next);
    const values = await readLogits(logits, []);
    const state = own("a block drafter's cache", next);
    const rows = splitRows(values, weights.head.shape[0]);
    return { state, rows: rows.map(classes.possible), others: rows.map(classes.otherLogit) };
  };

  return {
    classes,
    open,
    marginals: async (state, request, use) => {
      classes.check(request.vocabulary);
      let held = state.take("propose");
      try {
        return use(await marginals(held, request, (sequence) => held = sequence));
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
