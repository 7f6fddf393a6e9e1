/**
 * Medians and spreads of what was measured round by round.
 *
 * @module
 */

/** What was measured of one thing, one value per round. */
export interface Series {
  /** What was measured. */
  readonly name: string;
  /** Of the values, such as `tokens/s`. */
  readonly unit: string;
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly values: readonly number[];
}

/** One thing over another, round by round. */
export interface Ratio {
  readonly name: string;
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
  /** What the project holds itself to, where it does. */
  readonly floor?: number;
  /** What it is after. */
  readonly aim?: number;
  /** Whether a larger number is better or a smaller one. */
  readonly better: "more" | "less";
}

/** What a ratio is held against. */
export interface Target {
  readonly floor?: number;
  readonly aim?: number;
  /** "more" if left out. */
  readonly better?: "more" | "less";
}

/** The middle value, or the mean of the two middle ones; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

function spread(
  values: readonly number[],
): { readonly median: number; readonly minimum: number; readonly maximum: number } {
  return { median: median(values), minimum: Math.min(...values), maximum: Math.max(...values) };
}

/** Values of every round as a series. */
export function seriesOf(name: string, unit: string, values: readonly number[]): Series {
  return { name, unit, ...spread(values), values };
}

/** One series over another: values of the same round are divided, so that slow rounds cancel. */
export function ratioOf(
  name: string,
  over: Pick<Series, "values">,
  under: Pick<Series, "values">,
  { floor, aim, better = "more" }: Target = {},
): Ratio {
  const values = over.values.map((value, round) => value / under.values[round]);
  return { name, ...spread(values), floor, aim, better };
}

/** The series with the largest median. */
export function fastest<Some extends Series>(series: readonly Some[]): Some {
  return series.reduce((best, one) => one.median > best.median ? one : best);
}
