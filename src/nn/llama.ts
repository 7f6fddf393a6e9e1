/**
 * The Llama-family transformer as one function of rows.
 *
 * A step is a list of rows, each with a token, a position, and the slots that it sees. Training,
 * prefill, decoding, batches and verification differ only in the rows that they pass.
 *
 * @module
 */
import { add, mul, silu } from "../core/elementwise_ops.ts";
import { attention, dense, gather, linear, scatterSet } from "../core/linear_ops.ts";
import { toHalves } from "../core/half_rows.ts";
import { reshape } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import type { LlamaConfig } from "./llama_config.ts";
import type { LlamaLayer, LlamaParameters } from "./llama_parameters.ts";
import { rmsNorm } from "./rms_norm.ts";
import { rope, type RopeAngles, ropeAngles } from "./rope.ts";

/** The rows of one step, all i32. */
export interface LlamaRows {
  /** `[rows]` */
  readonly tokens: Tensor;
  /** `[rows]`: positions for the rotation. */
  readonly positions: Tensor;
  /** `[rows]`: the first slot that a row sees. */
  readonly start: Tensor;
  /** `[rows]`: the slot after the last one of the window that it sees. */
  readonly end: Tensor;
  /** `[rows, n]`: further slots that it sees, -1 for none: the ancestors of a row in a tree. */
  readonly extra?: Tensor;
  /**
   * `[rows]`: the cache slot that a row's keys and values are written to (outside the cache: none).
   * Without a cache the slots are the rows themselves, in order.
   */
  readonly slots?: Tensor;
}

/**
 * Keys and values of one layer, `[slots, keyValueHeads * headWidth]` each, or their `toHalves`, i32
 * `[slots, keyValueHeads * headWidth / 2]`.
 */
export interface KvLayer<Leaf> {
  /** Rotated keys. */
  readonly key: Leaf;
  /** Values. */
  readonly value: Leaf;
}

/** Keys and values of all layers. */
export type KvLayers<Leaf> = readonly KvLayer<Leaf>[];

/** What a forward pass gives. */
export interface LlamaOutput {
  /** f32 `[rows, width]`: the last hidden states after the final norm, ready for the head. */
  readonly hidden: Tensor;
  /** The residual stream before the first and after every layer; what nobody uses costs nothing. */
  readonly hiddenStates: readonly Tensor[];
  /** What every layer's attention reads: its normalised hidden states; unused, it costs nothing. */
  readonly attentionInputs: readonly Tensor[];
  /** The cache with this step's rows written. */
  readonly cache: KvLayers<Tensor>;
}

/**
 * How the function of one layer, of rows f32 `[rows, width]`, is run: as it is, or by `checkpoint`,
 * which computes the layer again in the backward pass and so keeps only what enters it.
 */
export type LayerTransform = (layer: (x: Tensor) => Tensor) => (x: Tensor) => Tensor;

interface LayerInput {
  readonly config: LlamaConfig;
  readonly rows: LlamaRows;
  readonly angles: RopeAngles;
  readonly cache: KvLayer<Tensor> | undefined;
}

function written(table: Tensor | undefined, rows: LlamaRows, update: Tensor): Tensor {
  if (table === undefined || rows.slots === undefined) return update;
  return scatterSet(table, rows.slots, table.type === "i32" ? toHalves(update) : update);
}

function attend(
  x: Tensor,
  layer: LlamaLayer<Tensor>,
  { config, rows, angles, cache }: LayerInput,
): { readonly x: Tensor; readonly cache: KvLayer<Tensor> } {
  const { headWidth, heads, keyValueHeads, ropePairing } = config;
  const count = x.shape[0];
  const turn = (t: Tensor, n: number) =>
    rope(reshape(t, [count, n, headWidth]), angles, ropePairing);
  const query = turn(linear(x, layer.query), heads);
  const freshKey = reshape(turn(linear(x, layer.key), keyValueHeads), [count, -1]);
  const key = written(cache?.key, rows, freshKey);
  const value = written(cache?.value, rows, linear(x, layer.value));
  const byHead = (t: Tensor) => reshape(t, [t.shape[0], keyValueHeads, t.shape[1] / keyValueHeads]);
  const { start, end, extra } = rows;
  const mixed = attention({ query, key: byHead(key), value: byHead(value), start, end, extra });
  const joined = reshape(mixed, [count, heads * headWidth]);
  return { x: linear(joined, layer.output), cache: { key, value } };
}

/**
 * SwiGLU: down(silu(gate(x)) * up(x)) (Shazeer, 2020).
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { buildLlama, feedForward, tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const { layers: [layer] } = buildLlama(tinyLlama({ width: 8 }), ({ shape }) => input(shape));
 * assertEquals(feedForward(input([3, 8]), layer).shape, [3, 8]);
 * ```
 */
export function feedForward(x: Tensor, layer: LlamaLayer<Tensor>): Tensor {
  return linear(mul(silu(linear(x, layer.gate)), linear(x, layer.up)), layer.down);
}

function runLayer(
  x: Tensor,
  layer: LlamaLayer<Tensor>,
  given: LayerInput,
): { readonly x: Tensor; readonly read: Tensor; readonly cache: KvLayer<Tensor> } {
  const { rmsNormEpsilon } = given.config;
  const read = rmsNorm(x, layer.attentionNorm, rmsNormEpsilon);
  const attended = attend(read, layer, given);
  const middle = add(x, attended.x);
  const normed = rmsNorm(middle, layer.feedForwardNorm, rmsNormEpsilon);
  return { x: add(middle, feedForward(normed, layer)), read, cache: attended.cache };
}

/**
 * Runs the transformer on rows.
 *
 * @param cache keys and values to read and write; without it rows see one another only (training)
 * @param through how each layer is run; as it is where left out
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { buildLlama, llama, llamaLogits, tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyLlama({ width: 8, vocabulary: 16 });
 * const parameters = buildLlama(config, ({ name, shape }) => input(shape, "f32", name));
 * const row = () => input([3], "i32"); // three rows
 * const rows = { tokens: row(), positions: row(), start: row(), end: row() };
 * const { hidden } = llama(config, parameters, rows);
 * assertEquals([hidden.shape, llamaLogits(parameters, hidden).shape], [[3, 8], [3, 16]]);
 * ```
 */
export function llama(
  config: LlamaConfig,
  parameters: LlamaParameters<Tensor>,
  rows: LlamaRows,
  cache?: KvLayers<Tensor>,
  through: LayerTransform = (layer) => layer,
): LlamaOutput {
  const angles = ropeAngles(config, rows.positions);
  let x = gather(dense(parameters.embedding), rows.tokens);
  const hiddenStates = [x];
  const attentionInputs: Tensor[] = [];
  const nextCache: KvLayer<Tensor>[] = [];
  parameters.layers.forEach((layer, index) => {
    const run = through((entering) => {
      const made = runLayer(entering, layer, { config, rows, angles, cache: cache?.[index] });
      nextCache.push(made.cache);
      attentionInputs.push(made.read);
      return made.x;
    });
    x = run(x);
    hiddenStates.push(x);
  });
  const hidden = rmsNorm(x, parameters.finalNorm, config.rmsNormEpsilon);
  return { hidden, hiddenStates, attentionInputs, cache: nextCache };
}

/** The weights `[vocabulary, width]` that give logits: a head, or the embedding it is tied to. */
export function llamaHead(parameters: LlamaParameters<Tensor>): Tensor {
  return parameters.head ?? parameters.embedding;
}

/** The logits of hidden states, f32 `[rows, vocabulary]`. */
export function llamaLogits(parameters: LlamaParameters<Tensor>, hidden: Tensor): Tensor {
  return linear(hidden, llamaHead(parameters));
}
