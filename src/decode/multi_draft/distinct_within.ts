/**
 * `Q(H)` of drafts without replacement, for all sets of a scan at once.
 *
 * Its definition sums over ordered tuples, `|H|^n` of them. Here every token rings once, after a time
 * that is exponential with its probability as rate: the order of ringing is the order of drawing
 * without replacement. All of the first `n` lie in `H` unless fewer than `n` tokens of `H` have rung
 * when the first one outside rings, and with `R = 1 - p(H)`
 *
 *     1 - Q(H) = sum_{k<n} integral_0^inf R exp(-R t) P(exactly k tokens of H have rung at t) dt
 *
 * where the terms of `k` = 0 and 1 are `R` and `R sum_{i in H} p_i / (1 - p_i)`. The probabilities
 * grow with `H` token by token, so all sets of a scan cost O(V) for each point of the quadrature.
 *
 * @module
 */
import type { Probs } from "../language_model.ts";
import { likeliestTokens, total, valuesOf } from "./law.ts";

/** Of the trapezoidal rule in `log t`; its error falls as `exp(-pi^2 / step)`, here below 1e-13. */
const STEP = 0.25;
/** Before it there is less than `t^3 / 6` of the integral, 1e-14. */
const FIRST_LOG_TIME = -10.1;
/** At which multiple of the slowest decay time the integrand has vanished: `exp(-36)` is 2e-16. */
const DECAY_TIMES = 36;

/** What a scan adds token by token. */
interface Scan {
  /** The probabilities of the tokens in order, `[tokens]`. */
  readonly probs: Float64Array;
  /** `1 - p(H)` after each token, `[tokens]`. */
  readonly outside: Float64Array;
}

/** `Q(H)` for the first 1, 2, ... tokens of `order`, of `count` drafts, `[order.length]`. */
export function distinctWithin(probs: Probs, count: number, order: Int32Array): Float64Array {
  const scan = scanOf(probs, order);
  const escape = shortTerms(scan, probs, count);
  if (count > 2) addLongTerms(scan, massBeside(probs, count - 1), count, escape);
  return escape.map((value, i) =>
    i + 1 < count ? 0 : scan.outside[i] === 0 ? 1 : Math.max(0, 1 - value)
  );
}

function scanOf(probs: Probs, order: Int32Array): Scan {
  const ordered = valuesOf(probs, order);
  const elsewhere = new Float64Array(probs);
  for (let i = 0; i < order.length; i++) elsewhere[order[i]] = 0;
  const outside = new Float64Array(order.length);
  let mass = total(elsewhere);
  for (let i = order.length - 1; i >= 0; i--) {
    outside[i] = mass;
    mass += ordered[i];
  }
  return { probs: ordered, outside };
}

/** The terms of k = 0 and 1, in closed form. */
function shortTerms({ probs, outside }: Scan, all: Probs, count: number): Float64Array {
  let odds = 0;
  return probs.map((value, i) => {
    // At most one token has more than half; what the others have is summed, not subtracted.
    if (count > 1) odds += value / (value > 0.5 ? massBeside(all, 1) : 1 - value);
    return outside[i] === 0 ? 0 : outside[i] * (1 + odds);
  });
}

/** The mass beside the `count` likeliest tokens: also how fast the integrands decay at least. */
function massBeside(probs: Probs, count: number): number {
  const left = new Float64Array(probs);
  for (const token of likeliestTokens(probs, count)) left[token] = 0;
  return total(left);
}

/** `1 - exp(-x)` for `x` of 0 or more; where that is small, as it mostly is, without the exponential. */
function risen(x: number): number {
  if (x > 2 ** -8) return -Math.expm1(-x);
  return x * (1 - x * (1 / 2 - x * (1 / 6 - x * (1 / 24 - x * (1 / 120 - x / 720)))));
}

/** Adds the terms of k = 2 to `count - 1`, by quadrature over `t = exp(s)`. */
function addLongTerms(scan: Scan, rate: number, count: number, escape: Float64Array): void {
  const { probs, outside } = scan;
  const rang = new Float64Array(probs.length);
  const weight = new Float64Array(probs.length);
  const exactly = new Float64Array(probs.length);
  const last = Math.log(DECAY_TIMES / rate);
  for (let s = FIRST_LOG_TIME; s < last; s += STEP) {
    const time = Math.exp(s);
    // Backwards: that nothing outside has rung, exp(-R t), as a product that can only underflow.
    let silent = STEP * time * Math.exp(-outside[probs.length - 1] * time);
    for (let i = probs.length - 1; i >= 0; i--) {
      weight[i] = outside[i] * silent;
      rang[i] = risen(probs[i] * time);
      silent *= 1 - rang[i];
    }
    let none = 1;
    for (let i = 0; i < probs.length; i++) exactly[i] = none -= none * rang[i];
    for (let k = 1; k < count; k++) {
      oneMore(exactly, rang, k === 1 ? 1 : 0);
      if (k === 1) continue;
      for (let i = 0; i < probs.length; i++) escape[i] += weight[i] * exactly[i];
    }
  }
}

/**
 * From the probabilities that exactly k of the tokens up to each have rung to those of k + 1, in place;
 * `start` is the former of no token at all.
 */
function oneMore(exactly: Float64Array, rang: Float64Array, start: number): void {
  let [before, value] = [start, 0];
  for (let i = 0; i < exactly.length; i++) {
    value += (before - value) * rang[i];
    before = exactly[i];
    exactly[i] = value;
  }
}
