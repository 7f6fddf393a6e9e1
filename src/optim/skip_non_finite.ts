/**
 * A guard against gradients that are not finite.
 *
 * @module
 */
import { add, cast, full, less, mul, not } from "../core/elementwise_ops.ts";
import type { Gradients } from "../core/grad.ts";
import type { Tensor } from "../core/tensor.ts";
import { chooseOrZero, chooseTree } from "./choose.ts";
import { globalNorm } from "./clip.ts";
import type { GradientTransformation, Transformed } from "./transformation.ts";

/** The state of {@link skipNonFinite}. */
export interface SkipState<Inner> {
  /** The state of the guarded transformation. */
  readonly inner: Inner;
  /** i32 scalar: the steps skipped so far. */
  readonly skipped: Tensor;
  /** i32 scalar: the steps skipped since the last one that was not; training that diverges shows. */
  readonly skippedInARow: Tensor;
}

/** The largest f32: below it a norm is finite; not a number is below nothing. */
const LARGEST = 3.4028234663852886e38;

/**
 * Passes gradients to the transformation where their global norm is finite; where it is not, the
 * updates are zero and the transformation's state stays as it was.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { adamW, skipNonFinite } from "@outrider/outrider/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const state = skipNonFinite(adamW({ rate: 1e-3 })).init({ weight: input([4, 2]) });
 * assertEquals(state.skipped.type, "i32");
 * ```
 */
export function skipNonFinite<Inner>(
  transformation: GradientTransformation<Inner>,
): GradientTransformation<SkipState<Inner>> {
  return {
    init: (parameters) => ({
      inner: transformation.init(parameters),
      skipped: full([], 0, "i32"),
      skippedInARow: full([], 0, "i32"),
    }),
    update: <Parameters>(
      gradients: Gradients<Parameters>,
      state: SkipState<Inner>,
      parameters: Parameters,
    ): Transformed<Gradients<Parameters>, SkipState<Inner>> => {
      const finite = less(globalNorm(gradients), LARGEST);
      const made = transformation.update(gradients, state.inner, parameters);
      const skip = cast(not(finite), "i32");
      return {
        updates: chooseOrZero(finite, made.updates),
        state: {
          inner: chooseTree(finite, made.state, state.inner),
          skipped: add(state.skipped, skip),
          skippedInARow: mul(skip, add(state.skippedInARow, 1)),
        },
      };
    },
  };
}
