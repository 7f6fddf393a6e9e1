/**
 * What a draft model's classes stand for, as tables on a device.
 *
 * @module
 */
import { add, equal, mul, where } from "../../core/elementwise_ops.ts";
import { OutriderError } from "../../core/errors.ts";
import { gather } from "../../core/linear_ops.ts";
import { constant, iota, reshape } from "../../core/movement_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { TrimmedVocabulary } from "../../nn/trimmed_vocabulary.ts";
import { NOWHERE } from "./truncation.ts";

/** How a draft model's classes relate to the target's tokens, as functions on tensors. */
export interface ClassTables {
  /** The classes of tokens, i32 `[rows]`. */
  ofTokens(tokens: Tensor): Tensor;
  /** The tokens of classes that can be drafted, i32 `[rows]`. */
  tokensOf(classes: Tensor): Tensor;
  /** Logits f32 `[rows, classes]` without what cannot be drafted. */
  possible(logits: Tensor): Tensor;
  /** Probabilities of classes, f32 `[rows, classes]`, as ones of tokens, f32 `[rows, vocabulary]`. */
  spread(probs: Tensor): Tensor;
}

/** The classes of a draft with the target's own vocabulary. */
const SAME: ClassTables = {
  ofTokens: (tokens) => tokens,
  tokensOf: (classes) => classes,
  possible: (logits) => logits,
  spread: (probs) => probs,
};

/** Entries i32 `[rows]` of a table of numbers. */
function lookUp(table: Int32Array, places: Tensor): Tensor {
  return reshape(gather(constant(table, [table.length, 1]), places), places.shape);
}

/** The tables of a trimmed vocabulary, or of a whole one. */
export function classTables(trimmed?: TrimmedVocabulary): ClassTables {
  if (trimmed === undefined) return SAME;
  const { tokenIds, targetVocabulary, classes, classOf, other } = trimmed;
  const classOfToken = Int32Array.from({ length: targetVocabulary }, (_, token) => classOf(token));
  return {
    ofTokens: (tokens) => lookUp(classOfToken, tokens),
    tokensOf: (drawn) => lookUp(tokenIds, drawn),
    possible: (logits) => where(equal(iota(logits.shape, 1), other), NOWHERE, logits),
    // What cannot be drafted has probability 0, and so have all tokens of that class.
    spread: (probs) => {
      const shape = [probs.shape[0], targetVocabulary];
      const ofRow = constant(classOfToken, [1, targetVocabulary]);
      const places = add(mul(iota(shape, 0), classes), ofRow);
      const table = reshape(probs, [shape[0] * classes, 1]);
      return reshape(gather(table, reshape(places, [shape[0] * targetVocabulary])), shape);
    },
  };
}

/** Throws an {@link OutriderError} unless a draft's classes fit its own model and the target. */
export function checkClasses(
  target: number,
  draft: number,
  trimmed: TrimmedVocabulary | undefined,
): void {
  const [tokens, classes] = trimmed ? [trimmed.targetVocabulary, trimmed.classes] : [draft, target];
  if (tokens === target && classes === draft) return;
  throw new OutriderError(
    `a draft for a target of ${target} tokens`,
    trimmed
      ? `a model of ${draft} classes with a vocabulary of ${classes} trimmed from ${tokens}`
      : `a model of ${draft} tokens`,
    "use the draft that was trained for this target, with its trimmed vocabulary",
  );
}
