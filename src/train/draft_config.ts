/**
 * Sizes of a draft for a target.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import { parameterCount } from "../nn/llama_parameters.ts";

/** The paper's share: a draft of 1.64 % of the target's parameters (Goel et al. 2024). */
export const PAPER_SHARE = 0.0164;

/** Sizes that a user may choose; what is left out is worked out. */
export interface DraftSizes {
  /** Layers; 1 if left out. */
  readonly layers?: number;
  /** Width, a multiple of 8; from the share if left out. */
  readonly width?: number;
  /** The largest share of the target's parameters, above 0 to 1; {@link PAPER_SHARE} if left out. */
  readonly share?: number;
  /** Classes of a trimmed vocabulary; the target's vocabulary if left out. */
  readonly vocabulary?: number;
}

function sized(
  target: LlamaConfig,
  layers: number,
  width: number,
  vocabulary: number,
): LlamaConfig {
  const heads = width % 32 === 0 && width >= 64 ? width / 32 : 2;
  const headWidth = width / heads;
  return {
    ...target,
    vocabulary,
    layers,
    width,
    heads,
    keyValueHeads: heads,
    headWidth,
    feedForwardWidth: Math.ceil(width * 8 / 3 / 8) * 8,
    tiedEmbeddings: true,
  };
}

/** Refuses sizes that no draft can have; a share without a limit would never be filled. */
function checkSizes({ layers = 1, width = 8, share = PAPER_SHARE }: DraftSizes): void {
  if (!Number.isSafeInteger(layers) || layers < 1) {
    throw new OutriderError("a draft of 1 or more layers", `${layers}`, "choose a whole number");
  }
  if (!Number.isSafeInteger(width) || width < 8 || width % 8 !== 0) {
    throw new OutriderError("a draft whose width is a multiple of 8", `${width}`, "round it");
  }
  if (!(share > 0 && share <= 1)) {
    throw new OutriderError("a share above 0 and at most 1", `${share}`, "choose one such as 0.02");
  }
}

/**
 * A draft's sizes for a target: the target's vocabulary, context and rotation, and unless told
 * otherwise one layer of the largest width (a multiple of 8) whose size is at most the given share
 * of the target's, or 8 where even that is larger.
 *
 * @throws OutriderError where the width is not a multiple of 8, there is no layer, or the share is
 * not between 0 and 1
 * @example
 * ```ts
 * import { draftConfig } from "@outrider/outrider/train";
 * import { parameterCount, tinyLlama } from "@outrider/outrider/nn";
 * import { assert } from "@std/assert";
 *
 * const target = tinyLlama({ width: 128, layers: 5, vocabulary: 512 });
 * assert(parameterCount(draftConfig(target, {})) < 0.0164 * parameterCount(target));
 * ```
 */
export function draftConfig(target: LlamaConfig, sizes: DraftSizes): LlamaConfig {
  checkSizes(sizes);
  const { layers = 1, vocabulary = target.vocabulary } = sizes;
  const ofWidth = (width: number): LlamaConfig => sized(target, layers, width, vocabulary);
  if (sizes.width !== undefined) return ofWidth(sizes.width);
  const most = parameterCount(target) * (sizes.share ?? PAPER_SHARE);
  let width = 8;
  while (parameterCount(ofWidth(width + 8)) <= most) width += 8;
  return ofWidth(width);
}
