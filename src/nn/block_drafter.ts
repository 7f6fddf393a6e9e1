/**
 * A block drafter: one pass drafts a block of tokens from what the target's layers know.
 *
 * After DFlash (2602.06036): rows of a block see, in every layer, the context (the target's features
 * of the tokens before, brought down and normalised) and one another in both directions. The first
 * row carries the last token of the text, whose features nobody has computed yet; the others carry
 * their place alone. Row i gives the distribution of the token i + 1 places on. The embedding and
 * the head are the target's, frozen; the head is cut down to the tokens that are drafted.
 *
 * Unlike DFlash, the last context row also goes straight into the block's rows, which a small
 * drafter learns from in fewer steps than from attention alone, and context rows have keys and
 * values of their own, so that they can be narrower than the block's.
 *
 * @module
 */
import { add, cast, equal, full, mul, silu } from "../core/elementwise_ops.ts";
import { attention, gather, linear } from "../core/linear_ops.ts";
import { concat, reshape } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import type { BlockDrafterConfig, BlockDrafterParameters } from "./block_drafter_parameters.ts";
import type { KvLayer, KvLayers } from "./llama.ts";
import { rmsNorm } from "./rms_norm.ts";
import { rope, type RopeAngles, ropeAngles } from "./rope.ts";

/** Rows of blocks, all i32 but the embeddings. */
export interface BlockRows {
  /** f32 `[rows, width]`: the target's embedding of the token that the row's block begins with. */
  readonly embedded: Tensor;
  /** `[rows]`: the row's place in its block, from 0. */
  readonly places: Tensor;
  /** `[rows]`: the row's position in its text. */
  readonly positions: Tensor;
  /** f32 `[rows, contextWidth]`: the last context row before the block. */
  readonly last: Tensor;
  /** `[rows]`: the first slot that a row sees. */
  readonly start: Tensor;
  /** `[rows]`: the slot after the last one of the window that it sees. */
  readonly end: Tensor;
  /** `[rows, n]`: further slots that it sees, -1 for none. */
  readonly extra?: Tensor;
}

/** Where the keys and values of context and block go: the table that the block's rows then see. */
export type BlockMemory = (block: KvLayer<Tensor>, layer: number) => KvLayer<Tensor>;

/** The context rows of the target's features: f32 `[rows, features]` to `[rows, contextWidth]`. *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { blockContext, buildBlockDrafter, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8, contextWidth: 4 });
 * const parameters = buildBlockDrafter(config, ({ shape }) => input(shape));
 * assertEquals(blockContext(config, parameters, input([5, 8])).shape, [5, 4]);
 * ```
 */
export function blockContext(
  config: BlockDrafterConfig,
  parameters: BlockDrafterParameters<Tensor>,
  features: Tensor,
): Tensor {
  return rmsNorm(linear(features, parameters.fuse), parameters.fuseNorm, config.rmsNormEpsilon);
}

function turned(x: Tensor, heads: number, angles: RopeAngles): Tensor {
  const [rows, width] = x.shape;
  return rope(reshape(x, [rows, heads, width / heads]), angles, "half");
}

/** Keys and values `[rows, keyValueHeads * headWidth]` of context rows at positions, per layer. *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { buildBlockDrafter, contextKeyValues, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8, contextWidth: 4 });
 * const parameters = buildBlockDrafter(config, ({ shape }) => input(shape));
 * const [{ key }] = contextKeyValues(config, parameters, input([5, 4]), input([5], "i32"));
 * assertEquals(key.shape, [5, 8]);
 * ```
 */
export function contextKeyValues(
  config: BlockDrafterConfig,
  parameters: BlockDrafterParameters<Tensor>,
  context: Tensor,
  positions: Tensor,
): KvLayers<Tensor> {
  const angles = ropeAngles(config, positions);
  return parameters.layers.map(({ contextKey, contextValue }) => {
    const value = linear(context, contextValue);
    const key = turned(linear(context, contextKey), config.keyValueHeads, angles);
    return { key: reshape(key, value.shape), value };
  });
}

function firstStates(
  config: BlockDrafterConfig,
  parameters: BlockDrafterParameters<Tensor>,
  { embedded, places, last }: BlockRows,
): Tensor {
  const unit = rmsNorm(embedded, full([config.width], 1), config.rmsNormEpsilon);
  const isFirst = reshape(cast(equal(places, 0), "f32"), [places.shape[0], 1]);
  const token = mul(mul(unit, parameters.tokenGain), isFirst);
  return add(add(token, gather(parameters.places, places)), linear(last, parameters.inject));
}

/**
 * The hidden states of blocks, f32 `[rows, width]`, ready for the head.
 *
 * @param memory puts a block's keys and values beside the context's
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { blockDrafter, buildBlockDrafter, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8, contextWidth: 4 });
 * const parameters = buildBlockDrafter(config, ({ shape }) => input(shape));
 * const whole = () => input([4], "i32"); // one block of four rows
 * const rows = {
 *   embedded: input([4, 8]),
 *   last: input([4, 4]),
 *   places: whole(),
 *   positions: whole(),
 *   start: whole(),
 *   end: whole(),
 * };
 * assertEquals(blockDrafter(config, parameters, rows, (block) => block).shape, [4, 8]);
 * ```
 */
export function blockDrafter(
  config: BlockDrafterConfig,
  parameters: BlockDrafterParameters<Tensor>,
  rows: BlockRows,
  memory: BlockMemory,
): Tensor {
  const { heads, keyValueHeads, headWidth, rmsNormEpsilon } = config;
  const count = rows.places.shape[0];
  const angles = ropeAngles(config, rows.positions);
  let x = firstStates(config, parameters, rows);
  parameters.layers.forEach((layer, index) => {
    const normed = rmsNorm(x, layer.attentionNorm, rmsNormEpsilon);
    const value = linear(normed, layer.value);
    const key = reshape(turned(linear(normed, layer.key), keyValueHeads, angles), value.shape);
    const seen = memory({ key, value }, index);
    const byHead = (t: Tensor) => reshape(t, [t.shape[0], keyValueHeads, headWidth]);
    const { start, end, extra } = rows;
    const query = turned(linear(normed, layer.query), heads, angles);
    const mixed = attention({
      query,
      key: byHead(seen.key),
      value: byHead(seen.value),
      start,
      end,
      extra,
    });
    x = add(x, linear(reshape(mixed, [count, heads * headWidth]), layer.output));
    const middle = rmsNorm(x, layer.feedForwardNorm, rmsNormEpsilon);
    const hidden = mul(silu(linear(middle, layer.gate)), linear(middle, layer.up));
    x = add(x, linear(hidden, layer.down));
  });
  return rmsNorm(x, parameters.finalNorm, rmsNormEpsilon);
}

/**
 * The head: the target's rows of the drafted tokens and the one of all others.
 *
 * @param kept f32 `[classes - 1, width]`
 * @returns f32 `[classes, width]`
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { blockHead, buildBlockDrafter, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8 });
 * const parameters = buildBlockDrafter(config, ({ shape }) => input(shape));
 * assertEquals(blockHead(parameters, input([5, 8])).shape, [6, 8]);
 * ```
 */
export function blockHead(parameters: BlockDrafterParameters<Tensor>, kept: Tensor): Tensor {
  return concat([kept, parameters.other], 0);
}
