/**
 * 95 % intervals of ratios of sums, by resampling prompts: texts of one prompt hang together, so a
 * prompt is drawn with all that belongs to it.
 *
 * @module
 */
import { foldIn, type Key, uniformInteger } from "../core/random.ts";

/** A measured value with its 95 % interval; without bounds where prompts are too few. */
export interface Figure {
  /** The value of all prompts together; 0 for none. */
  readonly value: number;
  /** The lower bound; -Infinity for fewer than five prompts. */
  readonly low: number;
  /** The upper bound; Infinity for fewer than five prompts. */
  readonly high: number;
}

/** Resamples of a set of prompts: how often each prompt was drawn. */
export type Draws = readonly Uint16Array[];

/** Resamples of an interval: its bounds then move by a few hundredths of its width. */
const RESAMPLES = 1000;
/** Resamples of fewer prompts are too much alike: intervals of three miss one time in four. */
const FEWEST_PROMPTS = 5;
/** The normal quantile of .975. */
const NORMAL_QUANTILE = 1.959963984540054;

/**
 * Resamples, with replacement, of `size` prompts; `[resamples][size]` counts. What shares draws is
 * paired: the same prompts are drawn for all sides of a comparison.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { drawPrompts } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const [first] = drawPrompts(keyOf(1), 5);
 * assertEquals(first.reduce((sum, count) => sum + count), 5);
 * ```
 */
export function drawPrompts(key: Key, size: number, resamples = RESAMPLES): Draws {
  return Array.from({ length: resamples }, (_, draw) => {
    const own = foldIn(key, draw);
    const counts = new Uint16Array(size);
    for (let i = 0; i < size; i++) counts[uniformInteger(foldIn(own, i), size)]++;
    return counts;
  });
}

/**
 * The value of a statistic of sums over prompts and its interval, by the expanded percentile
 * bootstrap (Hesterberg 2015, section 5.3): percentiles are moved outwards so that a mean's interval
 * has the width of Student's, since plain percentiles are too narrow for few prompts.
 *
 * @param samples a vector per prompt, all of one length, whose entries add up
 * @param statistic of the sums of the vectors
 * @param draws resamples of as many prompts
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { bootstrap, drawPrompts } from "@outrider/outrider/evaluate";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const tokensAndPasses = [[20, 10], [30, 10], [25, 10], [22, 10], [23, 10]];
 * const draws = drawPrompts(keyOf(1), 5);
 * const tau = bootstrap(tokensAndPasses, ([tokens, passes]) => tokens / passes, draws);
 * assertEquals(tau.value, 120 / 50);
 * assert(2 <= tau.low && tau.low < tau.value && tau.value < tau.high && tau.high <= 3);
 * ```
 */
export function bootstrap(
  samples: readonly (readonly number[])[],
  statistic: (sums: readonly number[]) => number,
  draws: Draws,
): Figure {
  if (samples.length === 0) return { value: 0, low: -Infinity, high: Infinity };
  const columns = samples[0].map((_, j) => Float64Array.from(samples, (sample) => sample[j]));
  const value = statistic(columns.map((column) => column.reduce((sum, one) => sum + one, 0)));
  if (samples.length < FEWEST_PROMPTS) return { value, low: -Infinity, high: Infinity };
  const sums = new Array<number>(columns.length).fill(0);
  const drawn = Float64Array.from(draws, (counts) => {
    for (let j = 0; j < columns.length; j++) sums[j] = weightedSum(columns[j], counts);
    return statistic(sums);
  });
  drawn.sort();
  const tail = expandedTail(samples.length);
  return { value, low: quantile(drawn, tail), high: quantile(drawn, 1 - tail) };
}

function weightedSum(values: Float64Array, counts: Uint16Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += counts[i] * values[i];
  return sum;
}

/** The share of resamples below an interval's lower bound. */
function expandedTail(prompts: number): number {
  return normalBelow(-Math.sqrt(prompts / (prompts - 1)) * studentQuantile(prompts - 1));
}

/** Student's quantile of .975, by the expansion of Abramowitz and Stegun 26.7.5; exact for 1 and 2. */
export function studentQuantile(degrees: number): number {
  if (degrees === 1) return 12.706204736;
  if (degrees === 2) return 4.302652730;
  const z = NORMAL_QUANTILE;
  const [z3, z5, z7, z9] = [z ** 3, z ** 5, z ** 7, z ** 9];
  return z + (z3 + z) / (4 * degrees) + (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees ** 2) +
    (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * degrees ** 3) +
    (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92_160 * degrees ** 4);
}

/** The normal distribution function, to 1e-7 (Abramowitz and Stegun 26.2.17). */
export function normalBelow(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const series = t * (0.319381530 +
    t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI) * series;
  return x < 0 ? tail : 1 - tail;
}

/** A quantile of sorted values, linear between neighbours. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}
