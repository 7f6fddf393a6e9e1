/**
 * A guard against gradients that are not finite.
 *
 * @module
 */
import { abs, add, cast, full, less, mul, not } from "../core/elementwise_ops.ts";
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

/** The largest f32: below it a sum is finite; not a number is below nothing. */
const LARGEST = 3.4028234663852886e38;

/** True, a bool scalar, where f32 scalars are finite (and their sum is). */
export function areFinite(scalars: readonly Tensor[]): Tensor {
  return less(scalars.map(abs).reduce(add), LARGEST);
}

/** The first state of {@link updateWhere}. */
export function initWhere<Inner>(
  transformation: GradientTransformation<Inner>,
  parameters: unknown,
): SkipState<Inner> {
  return {
    inner: transformation.init(parameters),
    skipped: full([], 0, "i32"),
    skippedInARow: full([], 0, "i32"),
  };
}

/**
 * An update where the bool scalar is true; where it is not, the updates are zero and the
 * transformation's state stays as it was.
 */
export function updateWhere<Inner, Parameters>(
  transformation: GradientTransformation<Inner>,
  condition: Tensor,
  gradients: Gradients<Parameters>,
  state: SkipState<Inner>,
  parameters: Parameters,
): Transformed<Gradients<Parameters>, SkipState<Inner>> {
  const made = transformation.update(gradients, state.inner, parameters);
  const skip = cast(not(condition), "i32");
  return {
    updates: chooseOrZero(condition, made.updates),
    state: {
      inner: chooseTree(condition, made.state, state.inner),
      skipped: add(state.skipped, skip),
      skippedInARow: mul(skip, add(state.skippedInARow, 1)),
    },
  };
}

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
    init: (parameters) => initWhere(transformation, parameters),
    update: (gradients, state, parameters) => {
      const finite = areFinite([globalNorm(gradients)]);
      return updateWhere(transformation, finite, gradients, state, parameters);
    },
  };
}
