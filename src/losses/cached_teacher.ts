/**
 * A teacher's logits out of what is cached of them: the probabilities of its likeliest tokens.
 *
 * @module
 */
import { add, div, equal, exp, full, less, log, maximum, mul } from "../core/elementwise_ops.ts";
import { not, or, stopGradient, sub, where } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import { softmax, sumKeeping } from "../core/linear_ops.ts";
import { scatterSet } from "../core/linear_ops.ts";
import { iota, reshape, sliceAxis } from "../core/movement_ops.ts";
import { sameShape, shapeText } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { logProbabilities } from "./rows.ts";

/** The likeliest classes of a teacher's distributions, `[rows, k]` each. */
export interface CachedProbs<Leaf> {
  /** i32: classes, each at most once in a row; -1 is none. */
  readonly classes: Leaf;
  /** f32: their probabilities; what a row lacks to 1 is the mass of its tail. */
  readonly probs: Leaf;
}

/** Nothing is less likely; a logarithm of 0 would be no number. */
const LEAST_PROBABILITY = 1e-30;
const LEAST_LOGARITHM = Math.log(LEAST_PROBABILITY);

function checkShapes(draftLogits: Tensor, { classes, probs }: CachedProbs<Tensor>): void {
  const [rows] = draftLogits.shape;
  const fits = draftLogits.shape.length === 2 && classes.shape.length === 2 &&
    classes.shape[0] === rows && sameShape(classes.shape, probs.shape) && classes.type === "i32";
  if (fits) return;
  throw new OutriderError(
    "logits [rows, vocab], i32 classes [rows, k] and f32 probabilities [rows, k]",
    [draftLogits, classes, probs].map(({ shape, type }) => type + shapeText(shape)).join(", "),
    "give each row of logits one row of the teacher",
  );
}

/** What stands where a class is not listed: the logarithm of no probability. */
const UNLISTED = 1;

/** Logarithms of the cached probabilities in their places, f32 `[rows, vocab]`; else UNLISTED. */
function spread(
  { classes, probs }: CachedProbs<Tensor>,
  rows: number,
  vocabulary: number,
): Tensor {
  const count = rows * classes.shape[1];
  const place = add(mul(iota(classes.shape, 0), vocabulary), classes);
  const isNone = or(less(classes, 0), not(less(0, probs)));
  const places = reshape(where(isNone, -1, place), [count]);
  const table = full([rows * vocabulary, 1], UNLISTED);
  const logs = log(maximum(probs, LEAST_PROBABILITY));
  return reshape(scatterSet(table, places, reshape(logs, [count, 1])), [rows, vocabulary]);
}

/** The mass of the tail: what the cached probabilities lack to 1, f32 `[rows, 1]`. */
function tailOf({ classes, probs }: CachedProbs<Tensor>): Tensor {
  const listed = where(less(classes, 0), 0, probs);
  return maximum(sub(1, sumKeeping(listed, [1])), 0);
}

/**
 * The logits of a teacher of which the likeliest classes are known, f32 `[rows, vocab]`.
 *
 * The mass of the tail goes to the classes that are not listed, in the proportions of the draft
 * itself: so a loss compares the tail as one class, and has no opinion on what it cannot know. No
 * gradient flows into the result.
 *
 * @param draftLogits f32 `[rows, vocab]`
 * @param cached what is known
 * @param other a class that may be listed and share the tail all the same: that of all tokens outside
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { cachedTeacherLogits, kld } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const draft = constant(Float32Array.of(0, 0, 0, 0), [1, 4]); // a quarter each
 * const classes = constant(Int32Array.of(2), [1, 1]);
 * const probs = constant(Float32Array.of(0.25), [1, 1]);
 * const target = cachedTeacherLogits(draft, { classes, probs });
 * const loss = kld(draft, target, constant(Float32Array.of(1)));
 * assertAlmostEquals(evaluateGraph([loss], new Map())[0][0], 0, 1e-6);
 * ```
 */
export function cachedTeacherLogits(
  draftLogits: Tensor,
  cached: CachedProbs<Tensor>,
  other?: number,
): Tensor {
  checkShapes(draftLogits, cached);
  const [rows, vocabulary] = draftLogits.shape;
  const known = spread(cached, rows, vocabulary);
  const unlisted = less(0, known);
  const place = iota([rows, vocabulary], 1);
  const inTail = other === undefined ? unlisted : or(unlisted, equal(place, other));
  // Of the wide arrays only the draft's exponentials are computed, which losses need as well.
  const logDraft = logProbabilities(draftLogits);
  const mass = sumKeeping(where(inTail, softmax(draftLogits), 0), [1]);
  const share = div(tailOf(cached), maximum(mass, LEAST_PROBABILITY));
  const inProportion = add(logDraft, log(maximum(share, LEAST_PROBABILITY)));
  const logs = where(unlisted, inProportion, known);
  if (other === undefined) return stopGradient(maximum(logs, LEAST_LOGARITHM));
  const isOther = equal(place, other);
  const column = (wide: Tensor): Tensor => sliceAxis(wide, 1, other, 1);
  const ownKnown = where(column(unlisted), 0, exp(column(known)));
  const own = log(maximum(add(ownKnown, exp(column(inProportion))), LEAST_PROBABILITY));
  return stopGradient(maximum(where(isOther, own, logs), LEAST_LOGARITHM));
}
