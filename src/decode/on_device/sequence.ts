/**
 * Keys and values of a text on a device, for passes that know its length by themselves.
 *
 * @module
 */
import { type HostTensor, isHostTensor } from "../../core/host_tensor.ts";
import { type MapLeaves, mapTree } from "../../core/tree.ts";
import { type Device, releaseTree, upload } from "../../runtime/device.ts";
import type { DeviceArray } from "../../runtime/device_array.ts";
import { own } from "../../runtime/owned.ts";
import type { TokenId } from "../language_model.ts";
import { chainRows, type LlamaCache, llamaModel } from "../llama_model.ts";
import { compilePasses, packRows } from "../llama_passes.ts";
import type { ModelOnDevice, Sequence } from "./model.ts";

/** Is told what was made. */
export type Hold = (made: unknown) => void;

/** How sequences of a model begin, grow and end. */
export interface Sequences {
  /** A sequence that has read tokens; none are read where they do not fit the context. */
  open(tokens: readonly TokenId[]): Promise<Sequence>;
  /** The sequence with room for so many rows; `hold` is told what it then consists of. */
  withRoom(sequence: Sequence, rows: number, hold: Hold): Sequence;
  /**
   * The sequence with tokens read, the first of which is at position `from`, in room that is there;
   * `hold` is told what it then consists of. The device is not waited for.
   */
  read(
    sequence: Sequence,
    tokens: readonly TokenId[],
    from: number,
    hold: Hold,
  ): Sequence;
  /** Ends a sequence that has read tokens: it stays for the next one where the model remembers. */
  close(sequence: Sequence, tokens: readonly TokenId[]): void;
}

/** Rows of a pass that reads on, always as many, so that it is compiled once. */
const READ_AT_ONCE = 16;

/** The sequences of a model. */
export function sequencesOf(options: ModelOnDevice): Sequences {
  const { memory } = options;
  const model = llamaModel(options);
  const { device, config, parameters } = options;
  const { fill, grow } = compilePasses(device, config, options);
  const recalled = (tokens: readonly TokenId[]): LlamaCache => {
    const kept = memory?.recall(tokens);
    if (kept === undefined) return model.open();
    const { sequence: { layers, slots }, tokens: { length } } = kept;
    return own("cache", { memory: { layers }, slots, length });
  };
  return {
    open: async (tokens) => {
      const opened = recalled(tokens);
      const left = tokens.slice(model.lengthOf(opened));
      const isRead = left.length > 0 && tokens.length <= model.contextLength;
      try {
        const cache = isRead ? (await model.forward(opened, left, 0)).cache : opened;
        const { memory, slots } = cache.take("decoding on the device");
        memory.features?.release();
        return { layers: memory.layers, slots };
      } catch (error) {
        model.close(opened);
        throw error;
      }
    },
    withRoom: (sequence, rows, hold) => {
      let grown = sequence;
      while (grown.slots < Math.min(rows, model.contextLength)) {
        const { layers } = grow({ layers: grown.layers });
        hold(layers);
        releaseTree(grown.layers);
        grown = { layers, slots: 2 * grown.slots };
      }
      return grown;
    },
    read: (sequence, tokens, from, hold) => {
      let { layers } = sequence;
      for (let at = 0; at < tokens.length; at += READ_AT_ONCE) {
        const rows = chainRows(tokens.slice(at, at + READ_AT_ONCE), from + at);
        using packed = upload(device, packRows(rows, READ_AT_ONCE));
        layers = fill(parameters, { layers }, packed).layers;
        hold(layers);
      }
      return { ...sequence, layers };
    },
    close: (sequence, tokens) => {
      if (memory === undefined) return releaseTree(sequence);
      // A text that outgrew the context was not read to its end, or not at all.
      memory.keep({ sequence, tokens: tokens.length > model.contextLength ? [] : tokens });
    },
  };
}

/** Uploads a tree, array by array; `hold` is told of each. */
export function uploadHolding<T>(
  device: Device,
  tree: T,
  hold: Hold,
): MapLeaves<T, HostTensor, DeviceArray> {
  return mapTree(tree, isHostTensor, (tensor) => {
    const array = upload(device, tensor);
    hold(array);
    return array;
  });
}

/** Runs `work` and, if it fails, releases everything that it held. */
export function releasingAll<T>(first: unknown, work: (hold: Hold) => T): T {
  const held = [first];
  try {
    return work((made) => void held.push(made));
  } catch (error) {
    releaseTree(held);
    throw error;
  }
}
