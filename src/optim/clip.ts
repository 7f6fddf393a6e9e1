/**
 * The global norm of gradients, and clipping by it (Pascanu et al. 2013, arXiv 1211.5063).
 *
 * @module
 */
import { add, div, full, maximum, mul, sqrt } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import { isTensor } from "../core/grad.ts";
import { sum } from "../core/linear_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { leavesOf } from "../core/tree.ts";
import { type GradientTransformation, type NoState, transformLeaves } from "./transformation.ts";

/**
 * The Euclidean length of all leaves of a tree together, an f32 scalar.
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { globalNorm } from "@outrider/outrider/optim";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const tree = { weight: constant(Float32Array.of(3, 0)), bias: constant(Float32Array.of(4)) };
 * assertEquals(evaluateGraph([globalNorm(tree)], new Map())[0][0], 5);
 * ```
 */
export function globalNorm(tree: unknown): Tensor {
  const squares = leavesOf(tree, isTensor).map((leaf) => sum(mul(leaf, leaf)));
  return sqrt(squares.reduce(add, full([], 0)));
}

/**
 * Gradients scaled down to a global norm of `max` where theirs is larger; Infinity changes nothing.
 *
 * @throws {OutriderError} where max is not above 0
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { clipByGlobalNorm } from "@outrider/outrider/optim";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const [weight, gradient] = [0, 8].map((x) => constant(Float32Array.of(x, 0)));
 * const { updates } = clipByGlobalNorm(2).update(gradient, {}, weight);
 * assertEquals(evaluateGraph([updates], new Map())[0], Float32Array.of(2, 0));
 * ```
 */
export function clipByGlobalNorm(max: number): GradientTransformation<NoState> {
  if (!(max > 0)) throw new OutriderError("a norm above 0", `${max}`, "use Infinity not to clip");
  return transformLeaves({
    init: () => ({}),
    update: (gradients, state) => {
      if (max === Infinity) return { updates: gradients, state };
      const factor = div(max, maximum(globalNorm(gradients), max));
      return { updates: gradients.map((g) => mul(g, factor)), state };
    },
  });
}
