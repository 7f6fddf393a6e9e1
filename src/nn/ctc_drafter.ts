/**
 * The CTC drafter (Wen, Gui & Feng 2024, arXiv 2412.00061): a transformer layer on the target's last
 * hidden states that predicts several places at once, and the target's own head with one class more,
 * the blank.
 *
 * The network is that of `block_drafter.ts` with one layer and one tap, behind the target's last
 * layer: the places see the hidden states of the text and the token that was written last, as in the
 * paper's program, which joins that token's embedding to them. What makes it a CTC drafter is what the
 * places mean: not the tokens 1, 2, 3 ... places on, but an alignment of them, in which a blank says
 * nothing and a token may be said twice. So the number of places is not that of the tokens, and a
 * place need not know how many tokens the places before it have said.
 *
 * How it is trained: `losses/ctc.ts` and `train/ctc_trainer.ts`. How it drafts: `decode/ctc/`.
 *
 * @module
 */
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import { concat } from "../core/movement_ops.ts";
import { foldIn, type Key, normals } from "../core/random.ts";
import type { Tensor } from "../core/tensor.ts";
import { blockHead } from "./block_drafter.ts";
import {
  type BlockDrafterConfig,
  type BlockDrafterParameters,
  buildBlockDrafter,
  initBlockDrafter,
} from "./block_drafter_parameters.ts";
import type { NamedShape } from "./llama_parameters.ts";

/** All that is trained of a CTC drafter: a block drafter, and the head's row of the blank. */
export interface CtcDrafterParameters<Leaf> extends BlockDrafterParameters<Leaf> {
  /** `[1, width]`: the head's row of the blank. */
  readonly blank: Leaf;
}

/**
 * Builds a parameter tree by making every leaf from its name and shape.
 *
 * @param config of which `block` is the number of places
 * @example
 * ```ts
 * import { buildCtcDrafter, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8 });
 * assertEquals(buildCtcDrafter(config, ({ shape }) => shape).blank, [1, 8]);
 * ```
 */
export function buildCtcDrafter<Leaf>(
  config: BlockDrafterConfig,
  make: (parameter: NamedShape) => Leaf,
): CtcDrafterParameters<Leaf> {
  const blank = make({ name: "blank", shape: [1, config.width] });
  return { ...buildBlockDrafter(config, make), blank };
}

/**
 * First values for training: those of `initBlockDrafter`, and a row of the blank like that of the
 * tokens that are not drafted.
 *
 * @param finalNorm the target's, f32 `[width]`
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { initCtcDrafter, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 2, heads: 1 });
 * assertEquals(initCtcDrafter(keyOf(1), config, Float32Array.of(2, 2)).blank.shape, [1, 2]);
 * ```
 */
export function initCtcDrafter(
  key: Key,
  config: BlockDrafterConfig,
  finalNorm: Float32Array,
): CtcDrafterParameters<DenseHostTensor> {
  const first = normals(foldIn(key, "blank"), config.width).map((x) => x * FIRST_DEVIATION);
  const blank = hostTensor(Float32Array.from(first), [1, config.width]);
  return { ...initBlockDrafter(key, config, finalNorm), blank };
}

const FIRST_DEVIATION = 0.02;

/**
 * The head: the target's rows of the drafted tokens, the row of all others, and that of the blank.
 *
 * @param kept f32 `[classes - 1, width]`
 * @returns f32 `[classes + 1, width]`
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { buildCtcDrafter, ctcHead, tinyBlockDrafter } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const config = tinyBlockDrafter({ width: 8 });
 * const parameters = buildCtcDrafter(config, ({ shape }) => input(shape));
 * assertEquals(ctcHead(parameters, input([5, 8])).shape, [7, 8]);
 * ```
 */
export function ctcHead(parameters: CtcDrafterParameters<Tensor>, kept: Tensor): Tensor {
  return concat([blockHead(parameters, kept), parameters.blank], 0);
}
