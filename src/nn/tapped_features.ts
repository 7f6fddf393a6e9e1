/**
 * Features of a target for drafters that read its hidden states.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { concat } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import type { LlamaOutput } from "./llama.ts";

/**
 * The target's features of each row, f32 `[rows, taps.length * width]`, out of the pass that it makes
 * anyway.
 *
 * Tap i is what layer i's attention reads, which its norm has made even: the residual stream itself
 * has a few elements that are thousands of times as large as the rest. The tap behind the last layer
 * is what the head reads.
 *
 * @throws OutriderError where the target has no such layer
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { tappedFeatures } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const output = { attentionInputs: [input([3, 8]), input([3, 8])], hidden: input([3, 8]) };
 * assertEquals(tappedFeatures(output, [1, 2]).shape, [3, 16]);
 * ```
 */
export function tappedFeatures(
  { attentionInputs, hidden }: Pick<LlamaOutput, "attentionInputs" | "hidden">,
  taps: readonly number[],
): Tensor {
  const places = [...attentionInputs, hidden];
  const missing = taps.find((tap) => places[tap] === undefined);
  if (missing !== undefined || taps.length === 0) {
    throw new OutriderError(
      `taps from 0 to ${attentionInputs.length}`,
      missing === undefined ? "none" : `${missing}`,
      "use the taps that were chosen for this target",
    );
  }
  return concat(taps.map((tap) => places[tap]), 1);
}

/**
 * Taps of a target of `layers` layers: `count` of them, rising from the middle of it to behind its
 * last layer. DFlash (2602.06036) has them at round(1 + i (layers - 4) / (count - 1)); here the
 * lowest, which knows least of what comes, is exchanged for what the head reads. Where the layers are
 * too few for that, the taps are the last ones.
 *
 * @throws OutriderError where there are fewer places than taps
 * @example
 * ```ts
 * import { spreadTaps } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([30, 6, 3].map((layers) => spreadTaps(layers, 3)), [
 *   [14, 27, 30],
 *   [2, 3, 6],
 *   [1, 2, 3],
 * ]);
 * ```
 */
export function spreadTaps(layers: number, count: number): number[] {
  if (!(count >= 1 && count <= layers + 1)) {
    throw new OutriderError(
      `1 to ${layers + 1} taps of ${layers} layers`,
      `${count}`,
      "choose fewer taps",
    );
  }
  const distance = (layers - 4) / (count - 1);
  if (distance < 1) return Array.from({ length: count }, (_, i) => layers - count + 1 + i);
  const between = Array.from(
    { length: count - 1 },
    (_, i) => Math.round(1 + (i + 1) * distance),
  );
  return [...between, layers];
}
