/**
 * Keys and values of a text on a device, for passes that know its length by themselves.
 *
 * @module
 */
import type { KvLayers } from "../../nn/llama.ts";
import { releaseTree } from "../../runtime/device.ts";
import type { DeviceArray } from "../../runtime/device_array.ts";
import type { TokenId } from "../language_model.ts";
import { llamaModel, type LlamaModelOptions } from "../llama_model.ts";
import { compilePasses } from "../llama_passes.ts";

/** Keys and values, and how many rows they have room for. */
export interface Sequence {
  /** Keys and values of every layer. */
  readonly layers: KvLayers<DeviceArray>;
  /** Rows that the arrays have room for. */
  readonly slots: number;
}

/** How sequences of a model begin and grow. */
export interface Sequences {
  /** A sequence that has read tokens; none are read where they do not fit the context. */
  open(tokens: readonly TokenId[]): Promise<Sequence>;
  /** The sequence with room for so many rows; `hold` is told what it then consists of. */
  withRoom(sequence: Sequence, rows: number, hold: (made: unknown) => void): Sequence;
}

/** The sequences of a model. */
export function sequencesOf(options: LlamaModelOptions): Sequences {
  const model = llamaModel(options);
  const { grow } = compilePasses(options.device, options.config, options.cacheType);
  return {
    open: async (tokens) => {
      const opened = model.open();
      const isRead = tokens.length > 0 && tokens.length <= model.contextLength;
      try {
        const cache = isRead ? (await model.forward(opened, tokens, 0)).cache : opened;
        const { layers, slots } = cache.take("decoding on the device");
        return { layers, slots };
      } catch (error) {
        model.close(opened);
        throw error;
      }
    },
    withRoom: (sequence, rows, hold) => {
      let grown = sequence;
      while (grown.slots < Math.min(rows, model.contextLength)) {
        const layers = grow(grown.layers);
        hold(layers);
        releaseTree(grown.layers);
        grown = { layers, slots: 2 * grown.slots };
      }
      return grown;
    },
  };
}
