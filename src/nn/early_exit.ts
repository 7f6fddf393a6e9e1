/**
 * A model's own first layers as a smaller model: self-speculation without training.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { LlamaConfig } from "./llama_config.ts";
import { type LlamaParameters, parameterCount } from "./llama_parameters.ts";

/** A model that ends early. */
export interface EarlyExit<Leaf> {
  /** The sizes, with fewer layers. */
  readonly config: LlamaConfig;
  /** The first layers with the final norm and the head: the very leaves of the whole model. */
  readonly parameters: LlamaParameters<Leaf>;
  /** Parameters that a token reads, over those that the whole model's token reads. */
  readonly shareRead: number;
}

/** Parameters that the pass of a token reads: all of them but an embedding that is not the head. */
function parametersRead(config: LlamaConfig): number {
  const looked = config.tiedEmbeddings ? 0 : (config.vocabulary - 1) * config.width;
  return parameterCount(config) - looked;
}

/**
 * The first `layers` layers of a model with its final norm and head; nothing is copied, so that the
 * whole model must outlive it. As a draft this is early-exit self-speculation (Zhang et al. 2023;
 * here without choosing which layers to leave out).
 *
 * @example
 * ```ts
 * import { buildLlama, earlyExit, tinyLlama } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyLlama({ layers: 4, width: 8, vocabulary: 16 });
 * const parameters = buildLlama(config, ({ name }) => name);
 * const early = earlyExit(config, parameters, 1);
 * assertEquals([early.config.layers, early.parameters.layers.length], [1, 1]);
 * assertEquals(early.parameters.embedding, "embedding");
 * ```
 *
 * @throws OutriderError where `layers` is not a whole number from 1 to those of the model
 */
export function earlyExit<Leaf>(
  config: LlamaConfig,
  parameters: LlamaParameters<Leaf>,
  layers: number,
): EarlyExit<Leaf> {
  if (!(Number.isInteger(layers) && layers >= 1 && layers <= config.layers)) {
    throw new OutriderError(
      `1 to ${config.layers} layers to run ahead with`,
      `${layers}`,
      "a quarter of the model is usual",
    );
  }
  const early = { ...config, layers };
  return {
    config: early,
    parameters: { ...parameters, layers: parameters.layers.slice(0, layers) },
    shareRead: parametersRead(early) / parametersRead(config),
  };
}
