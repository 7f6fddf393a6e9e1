/**
 * Gradient accumulation: one step of the optimiser for several small batches.
 *
 * @module
 */
import { add, equal, full, mul, where } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import { type Gradients, isTensor } from "../core/grad.ts";
import type { Tensor } from "../core/tensor.ts";
import { leavesOf, leavesWithPaths, withLeaves } from "../core/tree.ts";
import { chooseOrZero, chooseTree } from "./choose.ts";
import {
  atPath,
  type ByPath,
  byPath,
  type GradientTransformation,
  type Transformed,
} from "./transformation.ts";

/** The state of {@link accumulate}. */
export interface AccumulateState<Inner> {
  /** The state of the transformation that gets the means. */
  readonly inner: Inner;
  /** Sums of the gradients since its last step. */
  readonly sum: ByPath;
  /** i32 scalar: how many gradients are in the sums. */
  readonly count: Tensor;
}

/**
 * Gives the transformation the mean of every `everyN` gradients; the updates in between are zero.
 *
 * The mean is that of one large batch where every small one is a mean over equally many rows.
 *
 * @throws {OutriderError} where everyN is no whole number from 1
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { accumulate, adamW } from "@outrider/outrider/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const state = accumulate(adamW({ rate: 1e-3 }), 4).init({ weight: input([4, 2]) });
 * assertEquals(state.sum.weight.shape, [4, 2]);
 * ```
 */
export function accumulate<Inner>(
  transformation: GradientTransformation<Inner>,
  everyN: number,
): GradientTransformation<AccumulateState<Inner>> {
  if (!Number.isSafeInteger(everyN) || everyN < 1) {
    throw new OutriderError("a count of batches from 1", `${everyN}`, "use 1 to step every time");
  }
  return {
    init: (parameters) => ({
      inner: transformation.init(parameters),
      sum: byPath(leavesWithPaths(parameters, isTensor), ({ leaf }) => full(leaf.shape, 0)),
      count: full([], 0, "i32"),
    }),
    update: <Parameters>(
      gradients: Gradients<Parameters>,
      state: AccumulateState<Inner>,
      parameters: Parameters,
    ): Transformed<Gradients<Parameters>, AccumulateState<Inner>> => {
      const at = leavesWithPaths(parameters, isTensor);
      const leaves = leavesOf(gradients, isTensor);
      const sums = at.map(({ path }, i) => add(atPath(state.sum, path), leaves[i]));
      const means = withLeaves(parameters, isTensor, sums.map((s) => mul(s, 1 / everyN)));
      const made = transformation.update(means, state.inner, parameters);
      const count = add(state.count, 1);
      const complete = equal(count, everyN);
      return {
        updates: chooseOrZero(complete, made.updates),
        state: {
          inner: chooseTree(complete, made.state, state.inner),
          sum: byPath(at, (_, i) => where(complete, 0, sums[i])),
          count: where(complete, 0, count),
        },
      };
    },
  };
}
