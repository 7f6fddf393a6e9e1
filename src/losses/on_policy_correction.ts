/**
 * On-policy correction: the draft is scored on what it drafted itself, on tokens that were accepted
 * and on those that were rejected (Draft-OPD, arXiv 2605.29343; the formula is second-hand).
 *
 * `(mean over accepted rows of KL(q || p) + sum over rejected rows of d^k KL(p || q) / sum of d^k) / 2`
 * with d = 0.8 and k the depth of a row in its rejected suffix. Accepted text is the target's own, and
 * the forward divergence covers it. A rejected suffix is the draft's own text, on which the reverse
 * divergence takes mass off what the target would not say; the deeper, the less it matters.
 *
 * @module
 */
import { cast, exp, less, mul, where } from "../core/elementwise_ops.ts";
import { add } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import { sameShape, shapeText } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { kld } from "./kld.ts";
import { reverseKld } from "./reverse_kld.ts";

/** What a row weighs at each depth, of what it weighs one step before. */
const DEPTH_DECAY = 0.8;

/**
 * The on-policy loss of accepted and rejected rows; each half is 0 where it has no rows.
 *
 * @param draftLogits f32 `[rows, vocab]`, what is trained
 * @param targetLogits f32 `[rows, vocab]`, the teacher's on the same rows, taken as a constant
 * @param accepted f32 `[rows]`, 1 where the token that the draft proposed to follow was accepted
 * @param rejectedDepth i32 or f32 `[rows]`: 0 where the proposed token was rejected, 1, 2, ... where it
 *   came behind a rejected one; -1 elsewhere
 * @param decay what each step of depth multiplies the weight by, above 0
 * @returns a scalar, in nats per token
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { kld, onPolicyCorrection, reverseKld } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0, 1, 0), [2, 2]);
 * const target = constant(Float32Array.of(2, 0, 0, 3), [2, 2]);
 * const first = constant(Float32Array.of(1, 0));
 * const second = constant(Float32Array.of(0, 1));
 * const loss = onPolicyCorrection(draft, target, first, constant(Int32Array.of(-1, 0)));
 * const halves = [kld(draft, target, first), reverseKld(draft, target, second)];
 * const [[found], [forward], [reverse]] = evaluateGraph([loss, ...halves], new Map());
 * assertAlmostEquals(found, (forward + reverse) / 2, 1e-6);
 * ```
 */
export function onPolicyCorrection(
  draftLogits: Tensor,
  targetLogits: Tensor,
  accepted: Tensor,
  rejectedDepth: Tensor,
  decay: number = DEPTH_DECAY,
): Tensor {
  if (!sameShape(rejectedDepth.shape, accepted.shape)) {
    throw new OutriderError(
      `depths of shape ${shapeText(accepted.shape)}, as the mask of accepted rows`,
      shapeText(rejectedDepth.shape),
      "give every row a depth, -1 where it is not of a rejected suffix",
    );
  }
  const depth = cast(rejectedDepth, "f32");
  const weight = where(less(depth, 0), 0, exp(mul(depth, Math.log(decay))));
  const forward = kld(draftLogits, targetLogits, accepted);
  return mul(add(forward, reverseKld(draftLogits, targetLogits, weight)), 0.5);
}

/**
 * A loss of rows that a draft wrote itself, as {@link onPolicyCorrection} is: draft and target logits
 * f32 `[rows, vocab]`, the mask of accepted rows f32 `[rows]` and the depths of rejected ones `[rows]`.
 */
export type OnPolicyLoss = (
  draftLogits: Tensor,
  targetLogits: Tensor,
  accepted: Tensor,
  rejectedDepth: Tensor,
) => Tensor;
