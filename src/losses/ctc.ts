/**
 * Connectionist temporal classification: how probable a sequence of labels is when more places are
 * predicted than it has labels, each on its own, whatever place says which label.
 *
 * An alignment names a class at every place; it stands for the labels that are left when equal
 * neighbours are merged and blanks dropped. P(Y), the sum over all alignments of Y, follows from a
 * recursion over the places (Graves et al. 2006, "Connectionist temporal classification", eqs. 3 to
 * 8; the loss of the CTC drafter, Wen, Gui & Feng 2024, arXiv 2412.00061). It is made of the core's
 * operations, unrolled over the places, so its gradient is theirs: no backward recursion is written.
 *
 * @module
 */
import {
  add,
  and,
  cast,
  div,
  equal,
  exp,
  full,
  less,
  log,
  maximum,
  mul,
  neg,
  not,
  stopGradient,
  sub,
  where,
} from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import { gather, sum } from "../core/linear_ops.ts";
import { broadcastTo, concat, iota, reshape, sliceAxis } from "../core/movement_ops.ts";
import { shapeText, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";

/** Sequences of labels, padded to one length; what stands behind a sequence's end counts nothing. */
export interface CtcTargets<Leaf = Tensor> {
  /** i32 `[sequences, labels]`: classes, none of them the blank. */
  readonly labels: Leaf;
  /** i32 `[sequences]`: how many labels each sequence has, 0 to `labels`. */
  readonly lengths: Leaf;
}

/** What the places say of sequences, as natural logarithms; below -1e29 where it cannot be. */
export interface CtcScores {
  /** f32 `[sequences]`: log P(Y), the labels of an alignment are exactly Y. */
  readonly whole: Tensor;
  /** f32 `[sequences, labels]`: log P(the labels of an alignment begin with the first 1, 2, ... of Y). */
  readonly prefixes: Tensor;
}

/** The logarithm of 0, as a number that stays one when others are added. */
const NOTHING = -1e30;
const POSSIBLE = NOTHING / 10;

/** log(e^a + e^b), element by element. */
function logAddExp(a: Tensor, b: Tensor): Tensor {
  const peak = stopGradient(maximum(a, b));
  return add(log(add(exp(sub(a, peak)), exp(sub(b, peak)))), peak);
}

/** `[sequences, n]` as `[sequences, n + 1]`, one column on: element k is what stood at k - 1. */
function behind(x: Tensor, first = full([x.shape[0], 1], NOTHING)): Tensor {
  return concat([first, x], 1);
}

function checkShapes(logProbs: Tensor, { labels, lengths }: CtcTargets, blank: number): void {
  const [, sequences, classes] = logProbs.shape;
  const fits = logProbs.shape.length === 3 && labels.shape.length === 2 &&
    labels.shape[0] === sequences && labels.shape[1] > 0 && lengths.shape.length === 1 &&
    lengths.shape[0] === sequences && Number.isInteger(blank) && blank >= 0 && blank < classes;
  if (fits) return;
  throw new OutriderError(
    "log probabilities [places, sequences, classes], labels [sequences, labels], lengths " +
      "[sequences] and a blank among the classes",
    `${[logProbs, labels, lengths].map((t) => shapeText(t.shape)).join(", ")} and ${blank}`,
    "lay the places out first, and pad labels",
  );
}

/** `[places, sequences, labels]`: log probabilities of labels at each place. */
function labelScores(logProbs: Tensor, labels: Tensor): Tensor {
  const [places, sequences, classes] = logProbs.shape;
  const shape = [places, sequences, labels.shape[1]];
  const everywhere = (t: Tensor): Tensor => broadcastTo(reshape(t, [1, ...labels.shape]), shape);
  const before = add(mul(iota(shape, 0), sequences * classes), mul(iota(shape, 1), classes));
  const index = reshape(add(before, everywhere(labels)), [sizeOf(shape)]);
  const found = gather(reshape(logProbs, [sizeOf(logProbs.shape), 1]), index);
  const isClass = and(less(-1, labels), less(labels, classes));
  return where(everywhere(isClass), reshape(found, shape), NOTHING);
}

/** The element of each row `[sequences, n]` at a place, `[sequences]`; 0 where it is outside. */
function elementAt(x: Tensor, places: Tensor): Tensor {
  const at = equal(iota(x.shape, 1), reshape(places, [x.shape[0], 1]));
  return sum(where(at, x, 0), [1]);
}

/**
 * How probable sequences and their beginnings are.
 *
 * Two numbers are carried from place to place for each count k of labels read: of alignments that end
 * in a blank (eq. 6, even s), and of those that end in label k (odd s). A label is entered from the
 * blank before it, or from the label before it where the two differ; the sum of what enters label k at
 * each place is the probability of beginning with k labels, whatever follows.
 *
 * @param logProbs f32 `[places, sequences, classes]`, natural logarithms; each row a distribution
 * @param blank the class that stands for no label
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { ctcScores } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const half = Math.log(0.5); // of the label 0 and of the blank 1, at two places
 * const logProbs = constant(Float32Array.of(half, half, half, half), [2, 1, 2]);
 * const targets = { labels: constant(Int32Array.of(0), [1, 1]), lengths: constant(Int32Array.of(1)) };
 * const { whole } = ctcScores(logProbs, targets, 1);
 * // 00, 01 and 10 of four alignments stand for 0.
 * assertAlmostEquals(evaluateGraph([whole], new Map())[0][0], Math.log(0.75), 1e-6);
 * ```
 */
export function ctcScores(logProbs: Tensor, targets: CtcTargets, blank: number): CtcScores {
  checkShapes(logProbs, targets, blank);
  const [places, sequences] = logProbs.shape;
  const { labels, lengths } = targets;
  const most = labels.shape[1];
  const emitted = labelScores(logProbs, labels);
  const blanks = sliceAxis(logProbs, 2, blank, 1);
  const at = (t: Tensor, place: number): Tensor =>
    reshape(sliceAxis(t, 0, place, 1), t.shape.slice(1));
  const before = sliceAxis(behind(labels, full([sequences, 1], -1, "i32")), 1, 0, most);
  const differs = not(equal(labels, before));
  let inBlank = where(equal(iota([sequences, most + 1], 1), 0), full([], 0), NOTHING);
  let inLabel = full([sequences, most], NOTHING);
  let prefixes = inLabel;
  for (let place = 0; place < places; place++) {
    const label = at(emitted, place);
    const skipped = where(differs, sliceAxis(behind(inLabel), 1, 0, most), NOTHING);
    const entered = add(label, logAddExp(sliceAxis(inBlank, 1, 0, most), skipped));
    inBlank = add(at(blanks, place), logAddExp(inBlank, behind(inLabel)));
    inLabel = logAddExp(entered, add(label, inLabel));
    prefixes = logAddExp(prefixes, entered);
  }
  return { whole: elementAt(logAddExp(inBlank, behind(inLabel)), lengths), prefixes };
}

/** -log P of each sequence, 0 where it is impossible. */
function lossOf(logProb: Tensor): Tensor {
  return where(less(POSSIBLE, logProb), neg(logProb), 0);
}

/**
 * The CTC loss `-log P(Y)` of each sequence, f32 `[sequences]`, in nats (Graves et al. 2006, eq. 8).
 *
 * A sequence that no alignment of so few places gives has a loss and a gradient of 0, as with
 * `zero_infinity` of PyTorch's `ctc_loss`, whose values and gradients on logits these are.
 *
 * @param logProbs f32 `[places, sequences, classes]`, natural logarithms; each row a distribution
 * @param blank the class that stands for no label
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { ctcLoss } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const half = Math.log(0.5);
 * const logProbs = constant(Float32Array.of(half, half, half, half), [2, 1, 2]);
 * const twice = { labels: constant(Int32Array.of(0, 0), [1, 2]), lengths: constant(Int32Array.of(2)) };
 * // A blank must lie between equal labels: two places are too few.
 * assertAlmostEquals(evaluateGraph([ctcLoss(logProbs, twice, 1)], new Map())[0][0], 0);
 * ```
 */
export function ctcLoss(logProbs: Tensor, targets: CtcTargets, blank: number): Tensor {
  return lossOf(ctcScores(logProbs, targets, blank).whole);
}

/**
 * The loss of a target that is known to go on, nobody knows how: the mean of
 * `-log P(the labels begin with the first k of Y)` over k = 1 to the length, f32 `[sequences]`, in nats.
 *
 * What comes first counts most, as it does for a draft, of which nothing stands behind the first wrong
 * token. Beginnings that are impossible count nothing; an empty Y has a loss of 0.
 *
 * @param logProbs f32 `[places, sequences, classes]`, natural logarithms; each row a distribution
 * @param blank the class that stands for no label
 * @throws {OutriderError} where the shapes do not fit
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { ctcPrefixLoss } from "@outrider/outrider/losses";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const logProbs = constant(Float32Array.from([.5, .25, .25, .5, .25, .25], Math.log), [2, 1, 3]);
 * const targets = { labels: constant(Int32Array.of(0), [1, 1]), lengths: constant(Int32Array.of(1)) };
 * const [[loss]] = evaluateGraph([ctcPrefixLoss(logProbs, targets, 2)], new Map());
 * assertAlmostEquals(loss, -Math.log(0.5 + 0.25 * 0.5), 1e-6); // at once, or after a blank
 * ```
 */
export function ctcPrefixLoss(logProbs: Tensor, targets: CtcTargets, blank: number): Tensor {
  const { prefixes } = ctcScores(logProbs, targets, blank);
  const lengths = reshape(targets.lengths, [targets.lengths.shape[0], 1]);
  const losses = where(less(iota(prefixes.shape, 1), lengths), lossOf(prefixes), 0);
  return div(sum(losses, [1]), maximum(cast(targets.lengths, "f32"), 1));
}
