/**
 * A target's logits over the classes of a trimmed vocabulary.
 *
 * @module
 */
import { equal, where } from "../core/elementwise_ops.ts";
import { gather, logSumExp } from "../core/linear_ops.ts";
import { concat, constant, reshape, transpose } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import type { TrimmedVocabulary } from "./trimmed_vocabulary.ts";

/** Less likely than any token that a float can tell from impossible. */
const NOWHERE = -1e30;

/**
 * From logits of all tokens, f32 `[rows, targetVocabulary]`, to logits of classes, f32
 * `[rows, classes]`, with the same distribution: the class `other` has the mass of all tokens outside.
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { classLogits, trimmedVocabulary } from "@outrider/outrider/nn";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const logits = constant(Float32Array.of(0, 0, 0), [1, 3]);
 * const classes = classLogits(logits, trimmedVocabulary([1], 3));
 * const [values] = evaluateGraph([classes], new Map());
 * assertAlmostEquals(values[1] - values[0], Math.log(2), 1e-6); // two tokens against one
 * ```
 */
export function classLogits(logits: Tensor, vocabulary: TrimmedVocabulary): Tensor {
  const { tokenIds, targetVocabulary } = vocabulary;
  const [rows] = logits.shape;
  const isOutside = new Int32Array(targetVocabulary).fill(1);
  for (const token of tokenIds) isOutside[token] = 0;
  const outside = where(equal(constant(isOutside), 1), logits, NOWHERE);
  const other = reshape(logSumExp(outside), [rows, 1]);
  const inside = transpose(gather(transpose(logits), constant(tokenIds)));
  return concat([inside, other], 1);
}
