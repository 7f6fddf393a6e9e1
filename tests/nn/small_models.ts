/** Small Llama configurations that differ in what they exercise, and seeded weights for them. */
import { type DenseHostTensor, hostTensor } from "../../src/core/host_tensor.ts";
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import { sizeOf } from "../../src/core/shape.ts";
import { buildLlama, type LlamaConfig, type LlamaParameters, tinyLlama } from "../../src/nn/mod.ts";

/** A configuration with odd sizes and grouped queries. */
export function smallConfig(sizes: Partial<LlamaConfig> = {}): LlamaConfig {
  return tinyLlama({
    layers: 2,
    width: 12,
    heads: 6,
    keyValueHeads: 2,
    headWidth: 4,
    feedForwardWidth: 20,
    vocabulary: 11,
    contextLength: 64,
    ropeBase: 100,
    ...sizes,
  });
}

/** Configurations by what is special about them. */
export const CONFIGS: Readonly<Record<string, LlamaConfig>> = {
  "tied head, grouped queries, half pairing": smallConfig(),
  "own head, grouped queries, interleaved pairing": smallConfig({
    tiedEmbeddings: false,
    ropePairing: "interleaved",
  }),
  "one key for all queries, interleaved pairing": smallConfig({
    keyValueHeads: 1,
    ropePairing: "interleaved",
  }),
  "own key for every query, own head, half pairing": smallConfig({
    keyValueHeads: 6,
    tiedEmbeddings: false,
  }),
};

/** Seeded weights large enough for attention to be uneven; norms differ from 1. */
export function smallWeights(config: LlamaConfig, seed = 1): LlamaParameters<DenseHostTensor> {
  return buildLlama(config, ({ name, shape }) => {
    const values = normals(foldIn(keyOf(seed), name), sizeOf(shape));
    const isNorm = shape.length === 1;
    const scale = name === "embedding" ? 1 : shape[shape.length - 1] ** -0.5;
    return hostTensor(values.map((value) => isNorm ? 1 + 0.2 * value : scale * value), shape);
  });
}
