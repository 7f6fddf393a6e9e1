/**
 * The parameters of a Llama-family transformer, and their first values.
 *
 * @module
 */
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import { foldIn, type Key, normals } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import type { LlamaConfig } from "./llama_config.ts";

/** One layer; every matrix is `[out, in]`. */
export interface LlamaLayer<Leaf> {
  /** `[width]` */
  readonly attentionNorm: Leaf;
  /** `[heads * headWidth, width]` */
  readonly query: Leaf;
  /** `[keyValueHeads * headWidth, width]` */
  readonly key: Leaf;
  /** `[keyValueHeads * headWidth, width]` */
  readonly value: Leaf;
  /** `[width, heads * headWidth]` */
  readonly output: Leaf;
  /** `[width]` */
  readonly feedForwardNorm: Leaf;
  /** `[feedForwardWidth, width]` */
  readonly gate: Leaf;
  /** `[feedForwardWidth, width]` */
  readonly up: Leaf;
  /** `[width, feedForwardWidth]` */
  readonly down: Leaf;
}

/** All parameters; leaves are tensors, device arrays, host tensors, shapes. */
export interface LlamaParameters<Leaf> {
  /** `[vocabulary, width]` */
  readonly embedding: Leaf;
  /** One entry per layer, from the embedding up. */
  readonly layers: readonly LlamaLayer<Leaf>[];
  /** `[width]` */
  readonly finalNorm: Leaf;
  /** `[vocabulary, width]`; none where the head is tied to the embedding. */
  readonly head?: Leaf;
}

/** The canonical name of a parameter, such as `layers.0.query`, and its shape. */
export interface NamedShape {
  /** Its path in the parameter tree. */
  readonly name: string;
  /** Its sizes. */
  readonly shape: Shape;
}

/** The sizes of a layer's matrices. */
export type LlamaLayerSizes = Pick<
  LlamaConfig,
  "width" | "heads" | "keyValueHeads" | "headWidth" | "feedForwardWidth"
>;

/**
 * One layer, each leaf made from its name within the layer and its shape.
 *
 * @example
 * ```ts
 * import { buildLlamaLayer, tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = buildLlamaLayer(tinyLlama({ width: 8 }), (name, shape) => `${name} ${shape}`);
 * assertEquals(layer.query, "query 8,8");
 * ```
 */
export function buildLlamaLayer<Leaf>(
  { width, heads, keyValueHeads, headWidth, feedForwardWidth }: LlamaLayerSizes,
  make: (name: keyof LlamaLayer<Leaf>, shape: Shape) => Leaf,
): LlamaLayer<Leaf> {
  const [queryWidth, keyWidth] = [heads * headWidth, keyValueHeads * headWidth];
  return {
    attentionNorm: make("attentionNorm", [width]),
    query: make("query", [queryWidth, width]),
    key: make("key", [keyWidth, width]),
    value: make("value", [keyWidth, width]),
    output: make("output", [width, queryWidth]),
    feedForwardNorm: make("feedForwardNorm", [width]),
    gate: make("gate", [feedForwardWidth, width]),
    up: make("up", [feedForwardWidth, width]),
    down: make("down", [width, feedForwardWidth]),
  };
}

/**
 * Builds a parameter tree by making every leaf from its name and shape.
 *
 * @example
 * ```ts
 * import { buildLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const shapes = buildLlama(tinyLlama({ width: 8, vocabulary: 16 }), ({ shape }) => shape);
 * assertEquals(shapes.embedding, [16, 8]);
 * ```
 */
export function buildLlama<Leaf>(
  config: LlamaConfig,
  make: (parameter: NamedShape) => Leaf,
): LlamaParameters<Leaf> {
  const { width, vocabulary } = config;
  const layer = (index: number): LlamaLayer<Leaf> =>
    buildLlamaLayer(config, (name, shape) => make({ name: `layers.${index}.${name}`, shape }));
  const tree = {
    embedding: make({ name: "embedding", shape: [vocabulary, width] }),
    layers: Array.from({ length: config.layers }, (_, index) => layer(index)),
    finalNorm: make({ name: "finalNorm", shape: [width] }),
  };
  if (config.tiedEmbeddings) return tree;
  return { ...tree, head: make({ name: "head", shape: [vocabulary, width] }) };
}

/**
 * The number of parameters of a model.
 *
 * @example
 * ```ts
 * import { parameterCount, tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const tied = tinyLlama({ width: 8, vocabulary: 16 });
 * const untied = { ...tied, tiedEmbeddings: false };
 * assertEquals(parameterCount(untied) - parameterCount(tied), 16 * 8);
 * ```
 */
export function parameterCount(config: LlamaConfig): number {
  let count = 0;
  buildLlama(config, ({ shape }) => count += sizeOf(shape));
  return count;
}

/**
 * First values for training: norms are 1, embeddings have deviation .02, matrices fanIn^-0.5, and
 * those that write to the residual stream are smaller by (2 layers)^0.5.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const { finalNorm } = initLlama(keyOf(1), tinyLlama({ width: 2, vocabulary: 16 }));
 * assertEquals(finalNorm.data, Float32Array.of(1, 1));
 * ```
 */
export function initLlama(key: Key, config: LlamaConfig): LlamaParameters<DenseHostTensor> {
  return buildLlama(config, ({ name, shape }) => {
    if (shape.length === 1) return hostTensor(new Float32Array(sizeOf(shape)).fill(1), shape);
    const values = normals(foldIn(key, name), sizeOf(shape));
    const toResidual = name.endsWith(".output") || name.endsWith(".down");
    const deviation = name === "embedding" || name === "head"
      ? 0.02
      : shape[1] ** -0.5 * (toResidual ? (2 * config.layers) ** -0.5 : 1);
    return hostTensor(values.map((value) => value * deviation), shape);
  });
}

/**
 * A small configuration with the given sizes; what is left out follows from the width.
 *
 * @example
 * ```ts
 * import { tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const { heads, headWidth } = tinyLlama({ width: 128 });
 * assertEquals([heads, headWidth], [4, 32]);
 * ```
 */
export function tinyLlama(sizes: Partial<LlamaConfig>): LlamaConfig {
  const width = sizes.width ?? 64;
  const heads = sizes.heads ?? Math.max(1, Math.floor(width / 32));
  return {
    layers: 1,
    width,
    heads,
    keyValueHeads: heads,
    headWidth: width / heads,
    feedForwardWidth: Math.ceil(width * 8 / 3 / 16) * 16,
    vocabulary: 512,
    contextLength: 256,
    ropeBase: 10_000,
    ropePairing: "half",
    rmsNormEpsilon: 1e-5,
    tiedEmbeddings: true,
    ...sizes,
  };
}
