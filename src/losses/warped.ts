/**
 * Losses of the distributions that verification really compares: `min(1, q / p)` sees the logits
 * after temperature and truncation, so these go before the loss.
 *
 * @module
 */
import { div, type Operand } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";
import type { DistillationLoss } from "./rows.ts";

/**
 * The loss of the logits that a warp gives, for both models alike.
 *
 * @param loss the loss, or the acceptance rate
 * @param warp logits `[rows, vocab]` to logits `[rows, vocab]`; -Infinity removes a token
 *
 * @example
 * ```ts
 * import { constant, minimum } from "@outrider/outrider/core";
 * import { acceptance, warped } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]);
 * const target = constant(Float32Array.of(50, 0), [1, 2]);
 * const capped = warped(acceptance, (logits) => minimum(logits, 0));
 * const alpha = capped(draft, target, constant(Float32Array.of(1)));
 * assertAlmostEquals(evaluateGraph([alpha], new Map())[0][0], 1, 1e-6);
 * ```
 */
export function warped(
  loss: DistillationLoss,
  warp: (logits: Tensor) => Tensor,
): DistillationLoss {
  return (draftLogits, targetLogits, mask) => loss(warp(draftLogits), warp(targetLogits), mask);
}

/**
 * The loss at a temperature: of logits divided by it.
 *
 * @param loss the loss, or the acceptance rate
 * @param temperature above 0: a number, or a tensor that is a scalar or `[rows, 1]`, so that rows
 *   which were sampled at several temperatures share a batch
 * @throws {OutriderError} where a number is not above 0
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { acceptance, atTemperature } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0), [1, 2]);
 * const target = constant(Float32Array.of(Math.log(3), 0), [1, 2]);
 * const colder = atTemperature(acceptance, 0.5); // q = 9/10, 1/10
 * const alpha = colder(draft, target, constant(Float32Array.of(1)));
 * assertAlmostEquals(evaluateGraph([alpha], new Map())[0][0], 0.6, 1e-6);
 * ```
 */
export function atTemperature(loss: DistillationLoss, temperature: Operand): DistillationLoss {
  if (typeof temperature === "number" && !(temperature > 0 && temperature < Infinity)) {
    throw new OutriderError(
      "a temperature above 0",
      `${temperature}`,
      "train for greedy decoding at a small temperature, such as 0.1, or at 1",
    );
  }
  return warped(loss, (logits) => div(logits, temperature));
}
