/** A tiny Llama on a device, for tests of what happens around it. */
import { wasmBackend } from "../../src/backends/wasm/mod.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import {
  type CacheType,
  type LanguageModel,
  type LlamaCache,
  llamaModel,
} from "../../src/decode/mod.ts";
import { initLlama, type LlamaConfig, tinyLlama } from "../../src/nn/mod.ts";
import { type Backend, createDevice, type Device, uploadTree } from "../../src/runtime/mod.ts";

/** Sizes with grouped queries and a context of several passes. */
export const TINY: LlamaConfig = tinyLlama({
  layers: 2,
  width: 32,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 8,
  vocabulary: 40,
  contextLength: 700,
});

/** A model on a device of its own. */
export interface TinyModel {
  readonly device: Device;
  readonly model: LanguageModel<LlamaCache>;
  /** Arrays that the parameters take. */
  readonly parameterSlots: number;
}

/** Opens a tiny model whose cache begins with few slots. */
export function openTiny(
  { firstSlots = 8, backend = wasmBackend(), seed = 4, config = TINY, cacheType = "f32" }: {
    readonly firstSlots?: number;
    readonly backend?: Backend;
    readonly seed?: number;
    readonly config?: LlamaConfig;
    readonly cacheType?: CacheType;
  } = {},
): TinyModel {
  const device = createDevice(backend);
  const parameters = uploadTree(device, initLlama(keyOf(seed), config));
  const parameterSlots = device.counters().liveSlots;
  const model = llamaModel({ device, config, parameters, firstSlots, cacheType });
  return { device, model, parameterSlots };
}

/** Seeded token ids of the tiny vocabulary. */
export function tokensOf(seed: number, count: number): number[] {
  const key = foldIn(keyOf(seed), "tokens");
  return Array.from({ length: count }, (_, i) => uniformInteger(foldIn(key, i), TINY.vocabulary));
}
