/**
 * The acceptance of recursive rejection sampling with drafts without replacement.
 *
 * What is left of the target after `k` rejections is `(q - C_k p)+` up to scale, whatever was rejected:
 * a rejected token has nothing left, so that taking it out of `p` only scales the rest. With
 * `G(C) = sum (q - C p)+` and `P_k` the mass of what was rejected
 *
 *     C_0 = 0,   C_{k+1} = C_k + G(C_k) / (1 - P_k),   1 - acceptance = E[G(C_count)]
 *
 * over the rejected tokens. One sort makes `G` and their cumulative weights a matter of halving.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { Probs } from "../language_model.ts";
import { checkVocabulary, valuesOf } from "./law.ts";
import { byRatio, firstWhere } from "./optimal_acceptance.ts";
import type { DistinctDrafts } from "./without_replacement.ts";

/** The tokens that can be drafted, those of the smallest `q / p` first, with sums over them. */
interface Sorted {
  readonly draft: Float64Array;
  readonly target: Float64Array;
  /** Sums over the first 0, 1, ... tokens, `[tokens + 1]`. */
  readonly draftBefore: Float64Array;
  readonly targetBefore: Float64Array;
  /** Sums over the tokens from each on, `[tokens + 1]`; the target's with what is never drafted. */
  readonly draftFrom: Float64Array;
  readonly targetFrom: Float64Array;
}

/**
 * The acceptance of {@link recursiveRejection} with drafts without replacement, as the mean over rows
 * of `coins` in [0, 1), `[samples][count - 1]`, that draw the rejected tokens; the last draft is
 * summed out. Exact for one draft; otherwise its error falls with the number of rows, fastest where
 * they are spread evenly. O(V log V + samples * log V) for a vocabulary of V.
 *
 * Throws an {@link OutriderError} where target and drafts are not of one vocabulary, or without coins.
 *
 * @example
 * ```ts
 * import { distinctRecursiveAcceptance, probsOf, withoutReplacement } from "@outrider/outrider/decode";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * // Two drafts of two tokens hold both, and rejection of one leaves the other.
 * const law = withoutReplacement(probsOf([0.75, 0.25]), 2);
 * const acceptance = distinctRecursiveAcceptance(probsOf([0.5, 0.5]), law, [[0.3], [0.8]]);
 * assertAlmostEquals(acceptance, 1, 1e-12);
 * ```
 */
export function distinctRecursiveAcceptance(
  target: Probs,
  law: DistinctDrafts,
  coins: readonly (readonly number[])[],
): number {
  checkVocabulary(target, law);
  if (coins.length === 0 || coins.some((row) => row.length < law.count - 1)) {
    throw new OutriderError(
      `one or more rows of ${law.count - 1} coins`,
      `${coins.length} rows, or shorter ones`,
      "draw a coin for every draft but the last",
    );
  }
  const sorted = sortedTokens(target, law.probs);
  const rejections = coins.map((row) => rejection(sorted, row.slice(0, law.count - 1)));
  return 1 - rejections.reduce((sum, value) => sum + value, 0) / coins.length;
}

/** `G(C_count)` after the tokens that the coins reject. */
function rejection(sorted: Sorted, coins: readonly number[]): number {
  const rejected: number[] = [];
  let before = 0;
  let after = leftOver(sorted, 0) / massWithout(sorted, rejected);
  for (const coin of coins) {
    const left = leftOver(sorted, after);
    if (left === 0) return 0;
    rejected.push(rejectedToken(sorted, rejected, { before, after, coin }));
    before = after;
    after += left / massWithout(sorted, rejected);
  }
  return leftOver(sorted, after);
}

/** `G(C)` */
function leftOver(sorted: Sorted, c: number): number {
  const first = firstAbove(sorted, c);
  return Math.max(0, sorted.targetFrom[first] - c * sorted.draftFrom[first]);
}

/** The first token with more of the target than `c` times its draft. */
function firstAbove({ draft, target }: Sorted, c: number): number {
  return firstWhere(draft.length, (i) => target[i] > c * draft[i]);
}

/** A step from `C_k` to `C_{k+1}`, and the coin that says what it rejects. */
interface Step {
  readonly before: number;
  readonly after: number;
  readonly coin: number;
}

/**
 * The token that a step rejects: one with `q <= C_k p` has the weight `(C_{k+1} - C_k) p`, one with
 * `q` between that and `C_{k+1} p` has `C_{k+1} p - q`.
 */
function rejectedToken(
  sorted: Sorted,
  rejected: readonly number[],
  { before, after, coin }: Step,
): number {
  const { draft, draftBefore, targetBefore } = sorted;
  const gone = firstAbove(sorted, before);
  const last = firstAbove(sorted, after);
  const upTo = (place: number): number => {
    const inside = Math.min(place, gone);
    const weight = (after - before) * draftBefore[inside] +
      after * (draftBefore[place] - draftBefore[inside]) -
      (targetBefore[place] - targetBefore[inside]);
    return rejected.reduce(
      (sum, i) => i < place ? sum - (after - before) * draft[i] : sum,
      weight,
    );
  };
  const wanted = coin * upTo(last);
  const found = firstWhere(last, (place) => upTo(place + 1) > wanted);
  return free(Math.min(found, last - 1), rejected);
}

/** The place or, where rounding led to a token that is out already, the nearest one before it. */
function free(place: number, rejected: readonly number[]): number {
  let found = place;
  while (found > 0 && rejected.includes(found)) found--;
  return found;
}

/** The mass of the drafts without the rejected ones, summed anew where a difference would lose it. */
function massWithout({ draft }: Sorted, rejected: readonly number[]): number {
  const mass = 1 - rejected.reduce((sum, i) => sum + draft[i], 0);
  if (mass > 0.01) return mass;
  let [sum, from] = [0, 0];
  for (const end of [...rejected.toSorted((a, b) => a - b), draft.length]) {
    for (let i = from; i < end; i++) sum += draft[i];
    from = end + 1;
  }
  return sum;
}

function sortedTokens(target: Probs, probs: Probs): Sorted {
  const order = byRatio(target, probs);
  const draft = valuesOf(probs, order);
  const wanted = valuesOf(target, order);
  const undrafted = target.reduce((sum, value, token) => probs[token] > 0 ? sum : sum + value, 0);
  return {
    draft,
    target: wanted,
    draftBefore: sumsBefore(draft),
    targetBefore: sumsBefore(wanted),
    draftFrom: sumsFrom(draft, 0),
    targetFrom: sumsFrom(wanted, undrafted),
  };
}

function sumsBefore(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  values.forEach((value, i) => sums[i + 1] = sums[i] + value);
  return sums;
}

function sumsFrom(values: Float64Array, rest: number): Float64Array {
  const sums = new Float64Array(values.length + 1).fill(rest);
  for (let i = values.length - 1; i >= 0; i--) sums[i] = sums[i + 1] + values[i];
  return sums;
}
