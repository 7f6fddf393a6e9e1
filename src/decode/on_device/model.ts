/**
 * Models for decoders on their device, and the keys and values of a text there.
 *
 * @module
 */
import type { KvLayers } from "../../nn/llama.ts";
import type { DeviceArray } from "../../runtime/device_array.ts";
import type { TokenId } from "../language_model.ts";
import type { LlamaModelOptions } from "../llama_model.ts";

/** Keys and values, and how many rows they have room for. */
export interface Sequence {
  /** Keys and values of every layer. */
  readonly layers: KvLayers<DeviceArray>;
  /** Rows that the arrays have room for. */
  readonly slots: number;
}

/** A sequence with the tokens that it has read. */
export interface ReadSequence {
  /** Keys and values; rows behind the tokens' are free. */
  readonly sequence: Sequence;
  /** The tokens of its first rows. */
  readonly tokens: readonly TokenId[];
}

/** Where the keys and values of a model's last text stay when a decoder closes it. */
export interface SequenceMemory {
  /** Gives the kept sequence away, cut to what it shares with a text; undefined if there is none. */
  recall(text: readonly TokenId[]): ReadSequence | undefined;
  /** Keeps a sequence, in place of the one before. */
  keep(read: ReadSequence): void;
}

/** A model for decoders on its device. */
export interface ModelOnDevice extends LlamaModelOptions {
  /** Where its last text stays; left out, each text is read from its beginning. */
  readonly memory?: SequenceMemory;
}
