/**
 * A Llama-family transformer on a device as a language model for decoders.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type HostTensor, hostTensor } from "../core/host_tensor.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { type Device, releaseTree, upload } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import { own, type Owned } from "../runtime/owned.ts";
import { type Logits, logitsOf, type Pass, type TokenId } from "./language_model.ts";
import {
  type CacheType,
  compilePasses,
  type LlamaMemory,
  packRows,
  paddedBatchRows,
  type Row,
} from "./llama_passes.ts";
import { keptRows, readLogits, splitRows } from "./pass_rows.ts";
import { checkPath, checkTree, type TreeLanguageModel, type TreeRow } from "./tree/tree_model.ts";
import { movesOf, treeRows } from "./tree/tree_rows.ts";

/** What {@link llamaModel} is made of. */
export interface LlamaModelOptions {
  /** Where the model runs. */
  readonly device: Device;
  /** Sizes of the model. */
  readonly config: LlamaConfig;
  /** Weights on the device; they stay the caller's and must outlive the model. */
  readonly parameters: LlamaParameters<DeviceArray>;
  /** Slots of a new cache; it doubles when it is full. 256 if left out. */
  readonly firstSlots?: number;
  /** How keys and values are kept; f32 if left out. */
  readonly cacheType?: CacheType;
  /** Features of the model's rows that its cache keeps for a drafter; none if left out. */
  readonly taps?: readonly number[];
}

/** What one sequence keeps. Rollback lowers `length`; the slots above it are free. */
export interface LlamaSequence {
  /** Keys and values of every layer, and features where the model is tapped. */
  readonly memory: LlamaMemory<DeviceArray>;
  /** Rows that the arrays have room for. */
  readonly slots: number;
  /** Rows in use. */
  readonly length: number;
  /** The tree that the last pass has read into the slots above them, if it read one. */
  readonly tree?: readonly TreeRow[];
  /** The last pass's rows, where they can be read in place. */
  readonly kept?: { release(): void };
  /** Memory of the last pass's logits where they had to be copied, which the next one writes over. */
  readonly room?: Float32Array;
}

/** What a pass gives. */
interface Passed extends Omit<Pass<unknown>, "cache"> {
  readonly sequence: LlamaSequence;
}

/** A use-once handle of a sequence's keys and values. */
export type LlamaCache = Owned<LlamaSequence>;

/** Most rows of one pass; longer prompts go in several. */
const MOST_ROWS = 128;
/** Most rows of logits whose memory a sequence keeps until the next pass. */
const KEPT_LOGITS = 16;

/** Gives back all that a sequence holds. */
function releaseSequence({ memory, kept }: LlamaSequence): void {
  releaseTree(memory);
  kept?.release();
}

/** A chain of tokens that continues a sequence: row i sees the sequence and the rows up to i. */
export function chainRows(tokens: readonly TokenId[], length: number): Row[] {
  return tokens.map((token, i) => {
    const position = length + i;
    return { token, position, slot: position, start: 0, end: position + 1 };
  });
}

function checkTokens(config: LlamaConfig, tokens: readonly TokenId[], length: number): void {
  if (length + tokens.length > config.contextLength) {
    throw new OutriderError(
      `at most ${config.contextLength} tokens in the context`,
      `${length + tokens.length}`,
      "shorten the prompt or ask for fewer tokens",
    );
  }
  const wrong = tokens.find((id) => !(Number.isInteger(id) && id >= 0 && id < config.vocabulary));
  if (wrong !== undefined || tokens.length === 0) {
    throw new OutriderError(
      `one or more token ids below ${config.vocabulary}`,
      wrong === undefined ? "none" : `${wrong}`,
      "encode the text with the model's own tokenizer",
    );
  }
}

/**
 * The language model of a transformer whose weights are on a device.
 *
 * A row's logits are the same to the bit however many rows run together, with a cache of either
 * type. The second pass of a row
 * count compiles nothing; a cache that outgrows its slots doubles them, which compiles once.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { llamaModel } from "@outrider/outrider/decode";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 32 });
 * const parameters = uploadTree(device, initLlama(keyOf(1), config));
 * const model = llamaModel({ device, config, parameters });
 * const { cache, logits } = await model.forward(model.open(), [3, 1, 4], 1);
 * assertEquals([model.lengthOf(cache), logits.length, logits[0].length], [3, 1, 16]);
 * model.close(cache);
 * ```
 */
export function llamaModel(options: LlamaModelOptions): TreeLanguageModel<LlamaCache> {
  const { device, config, parameters } = options;
  const compiled = compilePasses(device, config, options);
  const firstSlots = Math.min(options.firstSlots ?? 256, config.contextLength);

  /** The sequence with so many slots; when it throws, the sequence has been released. */
  const withSlots = (sequence: LlamaSequence, slots: number): LlamaSequence => {
    let grown = sequence;
    try {
      while (grown.slots < slots) {
        const memory = compiled.grow(grown.memory);
        releaseTree(grown.memory);
        grown = { ...grown, memory, slots: 2 * grown.slots };
      }
      return grown;
    } catch (error) {
      releaseSequence(grown);
      throw error;
    }
  };

  /** The logits of a pass, where they are or copied, and its sequence. */
  const passed = async (
    sequence: LlamaSequence,
    logits: DeviceArray,
    maxima: DeviceArray | undefined,
    wanted: number,
  ): Promise<Passed> => {
    const isKept = wanted <= KEPT_LOGITS;
    const kept = isKept ? keptRows(device, compiled, logits, maxima, wanted) : undefined;
    if (kept !== undefined) return { ...kept, sequence: { ...sequence, kept } };
    using copied = logits;
    const { room } = sequence;
    const read = await readLogits(copied, sequence.memory, room);
    const isLarger = isKept && read.length > (room?.length ?? 0);
    return {
      sequence: isLarger ? { ...sequence, room: read } : sequence,
      logits: splitRows(read, config.vocabulary).slice(0, wanted),
    };
  };

  /** Runs packed rows and gives the logits of the first `wanted` places. */
  const run = async (
    { kept, ...sequence }: LlamaSequence,
    packed: HostTensor,
    places: Int32Array,
    wanted: number,
  ): Promise<Passed> => {
    kept?.release();
    using rows = upload(device, packed);
    if (wanted === 0) {
      const memory = compiled.fill(parameters, sequence.memory, rows);
      return { sequence: { ...sequence, memory }, logits: [] };
    }
    using asked = upload(device, hostTensor(places));
    const result = compiled.step(parameters, sequence.memory, rows, asked);
    using maxima = result.maxima;
    return await passed({ ...sequence, memory: result.cache }, result.logits, maxima, wanted);
  };

  const advance = async (
    sequence: LlamaSequence,
    tokens: readonly TokenId[],
    wanted: number,
  ): Promise<Passed> => {
    const places = Int32Array.from({ length: wanted }, (_, i) => tokens.length - wanted + i);
    const packed = packRows(chainRows(tokens, sequence.length));
    const read = await run(sequence, packed, places, wanted);
    const length = sequence.length + tokens.length;
    return { ...read, sequence: { ...read.sequence, length, tree: undefined } };
  };

  return {
    vocabulary: config.vocabulary,
    contextLength: config.contextLength,
    open: () => own("cache", { memory: compiled.empty(firstSlots), slots: firstSlots, length: 0 }),
    lengthOf: (cache) => cache.look().length,
    forward: async (cache, tokens, wanted) => {
      checkTokens(config, tokens, cache.look().length);
      const total = tokens.length;
      let sequence = cache.take("forward");
      const before: Logits[] = [];
      try {
        sequence = withSlots(sequence, sequence.length + total);
        for (let from = 0;; from += MOST_ROWS) {
          const chunk = tokens.slice(from, from + MOST_ROWS);
          const rows = Math.min(chunk.length, Math.max(0, from + chunk.length - (total - wanted)));
          const { sequence: next, ...passed } = await advance(sequence, chunk, rows);
          sequence = next;
          if (from + MOST_ROWS >= total) {
            const cache = own("cache", sequence);
            return before.length === 0
              ? { ...passed, cache }
              : { cache, logits: [...before, ...passed.logits] };
          }
          // The next pass writes over them.
          before.push(...passed.logits.map((row) => logitsOf(Float32Array.from(row))));
        }
      } catch (error) {
        releaseSequence(sequence);
        throw error;
      }
    },
    truncate: (cache, length) => {
      const sequence = cache.take("truncate");
      const shorter = Math.min(length, sequence.length);
      return own("cache", { ...sequence, length: shorter, tree: undefined });
    },
    forwardTree: async (cache, tree, wanted) => {
      const { length } = cache.look();
      checkTree(config, length, tree, wanted);
      const sequence = withSlots(cache.take("forwardTree"), length + tree.length);
      const packed = packRows(treeRows(tree, length), paddedBatchRows(tree.length));
      // Places that nobody asked for are the first row once more.
      const places = new Int32Array(paddedBatchRows(wanted.length));
      places.set(wanted);
      try {
        const { sequence: read, ...passed } = await run(sequence, packed, places, wanted.length);
        return { ...passed, cache: own("cache", { ...read, tree }) };
      } catch (error) {
        releaseSequence(sequence);
        throw error;
      }
    },
    keepPath: (cache, path) => {
      const { length: before, tree } = cache.look();
      checkPath(tree, path);
      const sequence = cache.take("keepPath");
      const length = before + path.length;
      const kept = { ...sequence, length, tree: undefined };
      const moves = movesOf(path, before);
      if (moves === undefined) return own("cache", kept);
      try {
        using slots = upload(device, moves);
        return own("cache", { ...kept, memory: compiled.move(sequence.memory, slots) });
      } catch (error) {
        releaseSequence(sequence);
        throw error;
      }
    },
    close: (cache) => {
      if (cache.live) releaseSequence(cache.take("close"));
    },
  };
}
