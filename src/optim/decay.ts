/**
 * Decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101).
 *
 * @module
 */
import { add, mul } from "../core/elementwise_ops.ts";
import type { Shape } from "../core/shape.ts";
import { type GradientTransformation, type NoState, transformLeaves } from "./transformation.ts";

/** Tells by a parameter's path (`layers.0.query`) and shape whether it decays. */
export type DecayMask = (path: string, shape: Shape) => boolean;

/** True for parameters with two axes or more: gains of norms and biases do not decay. */
export function onlyMatrices(_path: string, shape: Shape): boolean {
  return shape.length >= 2;
}

/**
 * Adds `rate` times the parameter to the updates of those that decay. It goes after the scaling by
 * Adam and before the (negative) learning rate.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { addDecayedWeights } from "@outrider/outrider/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const parameters = { gain: input([3]), weight: input([3, 3]) };
 * const gradients = { gain: input([3]), weight: input([3, 3]) };
 * const { updates } = addDecayedWeights(0.1).update(gradients, {}, parameters);
 * assertEquals(updates.gain, gradients.gain);
 * assertEquals(updates.weight.op.name, "add");
 * ```
 */
export function addDecayedWeights(
  rate: number,
  decays: DecayMask = onlyMatrices,
): GradientTransformation<NoState> {
  return transformLeaves({
    init: () => ({}),
    update: (gradients, state, parameters) => ({
      updates: parameters.map(({ path, leaf }, i) =>
        decays(path, leaf.shape) ? add(gradients[i], mul(leaf, rate)) : gradients[i]
      ),
      state,
    }),
  });
}
