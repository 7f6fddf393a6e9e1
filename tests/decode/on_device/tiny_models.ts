/** Tiny models on one device, for decoders that never leave it. */
import { assert } from "@std/assert";
import { keyOf } from "../../../src/core/random.ts";
import {
  type Decoder,
  type DraftOnDevice,
  generate,
  type Generation,
  limit,
  type LlamaModelOptions,
} from "../../../src/decode/mod.ts";
import { initLlama, type LlamaConfig, tinyLlama, trimmedVocabulary } from "../../../src/nn/mod.ts";
import {
  type Backend,
  type Device,
  isDeviceArray,
  read,
  uploadTree,
} from "../../../src/runtime/mod.ts";
import { leavesOf } from "../../../src/core/tree.ts";

/** The target's sizes: a context of a few blocks, grouped queries. */
export const CONFIG: LlamaConfig = tinyLlama({
  layers: 2,
  width: 32,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 8,
  vocabulary: 40,
  contextLength: 48,
});

/** A model of a seed on a device, with a cache that begins with few slots. */
export function modelOn(device: Device, seed: number, config = CONFIG): LlamaModelOptions {
  const parameters = uploadTree(device, initLlama(keyOf(seed), config));
  return { device, config, parameters, firstSlots: 8 };
}

/** A draft that knows every third token. */
export function trimmedOn(device: Device, seed: number, contextLength = 48): DraftOnDevice {
  const { vocabulary: tokens } = CONFIG;
  const ids = Array.from({ length: 13 }, (_, i) => 3 * i + 1);
  const vocabulary = trimmedVocabulary(ids, tokens);
  const config = { ...CONFIG, layers: 1, vocabulary: vocabulary.classes, contextLength };
  return { ...modelOn(device, seed, config), vocabulary };
}

/** How many arrays a tree has. */
export function slotsOf(tree: unknown): number {
  return leavesOf(tree, isDeviceArray).length;
}

/** Up to `count` tokens after a prompt. */
export function tokensOf<State>(
  decoder: Decoder<State>,
  prompt: readonly number[],
  count: number,
  seed = 9,
): Promise<Generation> {
  return generate(limit(decoder, count), prompt, { key: keyOf(seed) });
}

/** The bits of the rows of every key and value of a text that is read up to its last token. */
export async function rowsOf<State>(
  decoder: Decoder<State>,
  prompt: readonly number[],
): Promise<Int32Array[]> {
  const state = await decoder.init(prompt, keyOf(1));
  const width = CONFIG.keyValueHeads * CONFIG.headWidth;
  const tables = leavesOf(state, isDeviceArray).filter(({ shape }) => shape[1] === width);
  const rows: Int32Array[] = [];
  for (const table of tables) {
    const values = await read(table, 0, (prompt.length - 1) * width);
    rows.push(new Int32Array(Float32Array.from(values).buffer));
  }
  decoder.close(state);
  assert(rows.length >= 2 * CONFIG.layers);
  return rows;
}

/** A backend that counts how often it is read. */
export interface CountedReads extends Backend {
  /** Reads so far. */
  reads(): number;
}

/** Counts the reads of a backend. */
export function countedReads(backend: Backend): CountedReads {
  let reads = 0;
  return {
    ...backend,
    read: (...given) => {
      reads++;
      return backend.read(...given);
    },
    reads: () => reads,
  };
}
