/**
 * The sizes and parameters of a block drafter, and their first values.
 *
 * @module
 */
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import { foldIn, type Key, normals } from "../core/random.ts";
import { type Shape, sizeOf } from "../core/shape.ts";
import { buildLlamaLayer, type LlamaLayer, type NamedShape } from "./llama_parameters.ts";

/** The sizes of a block drafter; those of its target decide `width` and `features`. */
export interface BlockDrafterConfig {
  /** Width of the residual stream: that of the target, whose embedding and head it shares. */
  readonly width: number;
  /** Where the target's features come from, as `tappedFeatures` counts. */
  readonly taps: readonly number[];
  /** Width of a feature row: `taps.length * width`. */
  readonly features: number;
  /** Width of a context row, what features are brought down to. */
  readonly contextWidth: number;
  /** Number of transformer layers. */
  readonly layers: number;
  /** Number of query heads. */
  readonly heads: number;
  /** Number of key and value heads; divides `heads`. */
  readonly keyValueHeads: number;
  /** Width of one head. */
  readonly headWidth: number;
  /** Width of the feed-forward layer. */
  readonly feedForwardWidth: number;
  /** Rows of a block: how many tokens one pass drafts. */
  readonly block: number;
  /** Most positions. */
  readonly contextLength: number;
  /** Base of the rotation's wavelengths. */
  readonly ropeBase: number;
  /** Added to the mean square in RMSNorm. */
  readonly rmsNormEpsilon: number;
}

/** One layer: that of a Llama for the block's rows, and keys and values of context rows. */
export interface BlockDrafterLayer<Leaf> extends LlamaLayer<Leaf> {
  /** `[keyValueHeads * headWidth, contextWidth]`: keys of context rows. */
  readonly contextKey: Leaf;
  /** `[keyValueHeads * headWidth, contextWidth]`: values of context rows. */
  readonly contextValue: Leaf;
}

/** All that is trained; the embedding and the head are the target's own. */
export interface BlockDrafterParameters<Leaf> {
  /** `[contextWidth, features]` */
  readonly fuse: Leaf;
  /** `[contextWidth]` */
  readonly fuseNorm: Leaf;
  /** `[width, contextWidth]`: brings the last context row into every row of the block. */
  readonly inject: Leaf;
  /** `[width]`: gain of the first token's normalised embedding. */
  readonly tokenGain: Leaf;
  /** `[block, width]`: what the rows of a block begin with. */
  readonly places: Leaf;
  /** One entry per layer. */
  readonly layers: readonly BlockDrafterLayer<Leaf>[];
  /** `[width]` */
  readonly finalNorm: Leaf;
  /** `[1, width]`: the head's row of all tokens that are not drafted. */
  readonly other: Leaf;
}

/** What a block drafter computes with. */
export interface BlockWeights<Leaf> {
  /** What was trained. */
  readonly drafter: BlockDrafterParameters<Leaf>;
  /** The target's embedding, `[vocabulary, width]`. */
  readonly embedding: Leaf;
  /** The head's rows of all classes that are drafted, and of the others, `[classes, width]`. */
  readonly head: Leaf;
}

/**
 * Builds a parameter tree by making every leaf from its name and shape.
 *
 * @example
 * ```ts
 * import { buildBlockDrafter, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8, taps: [0, 1], contextWidth: 4 });
 * assertEquals(buildBlockDrafter(config, ({ shape }) => shape).fuse, [4, 16]);
 * ```
 */
export function buildBlockDrafter<Leaf>(
  config: BlockDrafterConfig,
  make: (parameter: NamedShape) => Leaf,
): BlockDrafterParameters<Leaf> {
  const { width, contextWidth } = config;
  const keyWidth = config.keyValueHeads * config.headWidth;
  const layer = (index: number): BlockDrafterLayer<Leaf> => {
    const at = (name: string, shape: Shape) => make({ name: `layers.${index}.${name}`, shape });
    return {
      ...buildLlamaLayer(config, at),
      contextKey: at("contextKey", [keyWidth, contextWidth]),
      contextValue: at("contextValue", [keyWidth, contextWidth]),
    };
  };
  return {
    fuse: make({ name: "fuse", shape: [contextWidth, config.features] }),
    fuseNorm: make({ name: "fuseNorm", shape: [contextWidth] }),
    inject: make({ name: "inject", shape: [width, contextWidth] }),
    tokenGain: make({ name: "tokenGain", shape: [width] }),
    places: make({ name: "places", shape: [config.block, width] }),
    layers: Array.from({ length: config.layers }, (_, index) => layer(index)),
    finalNorm: make({ name: "finalNorm", shape: [width] }),
    other: make({ name: "other", shape: [1, width] }),
  };
}

/** The number of trained parameters. *
 * @example
 * ```ts
 * import { blockDrafterSize, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8, block: 2 });
 * assertEquals(blockDrafterSize({ ...config, block: 3 }) - blockDrafterSize(config), 8);
 * ```
 */
export function blockDrafterSize(config: BlockDrafterConfig): number {
  let count = 0;
  buildBlockDrafter(config, ({ shape }) => count += sizeOf(shape));
  return count;
}

/**
 * Share of the target's final norm that the drafter's begins with: rows of a drafter that knows
 * nothing, at the target's own scale, would be sure of tokens by chance.
 */
const FIRST_SCALE = 0.15;

/**
 * First values for training: norms are 1 but for the final one, which is the target's on a smaller
 * scale; matrices have deviation fanIn^-0.5, those that write to the residual stream a smaller one.
 *
 * @param finalNorm the target's, f32 `[width]`
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { initBlockDrafter, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 2, heads: 1 });
 * const { finalNorm } = initBlockDrafter(keyOf(1), config, Float32Array.of(2, 2));
 * assertAlmostEquals(finalNorm.data[0], 0.3, 1e-6);
 * ```
 */
export function initBlockDrafter(
  key: Key,
  config: BlockDrafterConfig,
  finalNorm: Float32Array,
): BlockDrafterParameters<DenseHostTensor> {
  return buildBlockDrafter(config, ({ name, shape }) => {
    if (name === "finalNorm") return hostTensor(finalNorm.map((gain) => gain * FIRST_SCALE), shape);
    if (shape.length === 1) return hostTensor(new Float32Array(sizeOf(shape)).fill(1), shape);
    const values = normals(foldIn(key, name), sizeOf(shape));
    const deviation = deviationOf(name, shape, config);
    return hostTensor(values.map((value) => value * deviation), shape);
  });
}

function deviationOf(name: string, shape: Shape, { layers }: BlockDrafterConfig): number {
  if (name === "places") return 0.1;
  if (name === "other") return 0.02;
  const toResidual = name.endsWith(".output") || name.endsWith(".down");
  return shape[1] ** -0.5 * (toResidual ? (2 * layers) ** -0.5 : 1);
}

/** A small configuration with the given sizes; what is left out follows from the width. *
 * @example
 * ```ts
 * import { tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const { features, headWidth } = tinyBlockDrafter({ width: 64, taps: [2, 3] });
 * assertEquals([features, headWidth], [128, 32]);
 * ```
 */
export function tinyBlockDrafter(sizes: Partial<BlockDrafterConfig>): BlockDrafterConfig {
  const width = sizes.width ?? 64;
  const taps = sizes.taps ?? [0];
  const heads = sizes.heads ?? Math.max(1, Math.floor(width / 32));
  return {
    width,
    taps,
    features: taps.length * width,
    contextWidth: Math.ceil(width / 2),
    layers: 1,
    heads,
    keyValueHeads: heads,
    headWidth: width / heads,
    feedForwardWidth: 2 * width,
    block: 4,
    contextLength: 256,
    ropeBase: 10_000,
    rmsNormEpsilon: 1e-5,
    ...sizes,
  };
}
