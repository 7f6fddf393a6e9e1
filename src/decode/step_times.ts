/**
 * What steps really take, learned from their reports: measured costs are those of a short text at
 * another moment.
 *
 * @module
 */
import type { StepReport } from "./decoder.ts";

/** Times of the last steps. */
export interface StepTimes {
  /** Seconds of the last steps without a draft. */
  readonly plain: readonly number[];
  /** Steps since the last one without a draft. */
  readonly age: number;
  /** Times of the last steps with a draft over what was expected of them, beginning with 1. */
  readonly ratios: readonly number[];
  /** What expected times are to be multiplied with: the median of the ratios. */
  readonly correction: number;
}

/** Steps that are remembered. Medians of so many do not mind a pause or a plan being compiled. */
const REMEMBERED = 5;
/** Steps without a draft before which nothing is compared with them. */
const LEAST_PLAIN = 2;
/** Steps after which a step without a draft says little: contexts grow, machines slow down. */
const OLDEST_PLAIN = 32;
/** One step says no more than this over or under the correction so far: it may have been a pause. */
const MOST_CHANGE = 2;

/** Before the first step: expected times are taken as they are. */
export const NO_STEPS: StepTimes = { plain: [], age: 0, ratios: [1], correction: 1 };

/** The middle value, or the mean of the two middle ones; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

function withRatio(times: StepTimes, ratio: number): StepTimes {
  const [least, most] = [times.correction / MOST_CHANGE, times.correction * MOST_CHANGE];
  const believed = Math.min(most, Math.max(least, ratio));
  const ratios = [...times.ratios.slice(1 - REMEMBERED), believed];
  return { ...times, ratios, correction: median(ratios) };
}

/** The times after a step without a draft; what was spent on finding none is no part of it. */
export function afterPlainStep(
  { plain, ratios, correction }: StepTimes,
  { seconds: { target, verify, host } }: StepReport,
): StepTimes {
  const older = plain.length < REMEMBERED ? plain : plain.slice(1);
  return { plain: [...older, target + verify + host], age: 0, ratios, correction };
}

/** The times after a step with a draft that was expected to take so many steps without one. */
export function afterDraftStep(
  times: StepTimes,
  { seconds }: StepReport,
  expected: number,
): StepTimes {
  const older = { ...times, age: times.age + 1 };
  const plain = plainSeconds(times);
  if (plain === 0) return older;
  const spent = seconds.draft + seconds.target + seconds.verify + seconds.host;
  return withRatio(older, spent / (plain * expected));
}

/** Goes a step back to what was measured: what was learned in a bad moment must not last. */
export function forgetful(times: StepTimes): StepTimes {
  return times.correction === 1 ? times : withRatio(times, 1);
}

/** Whether steps without a draft were seen of late, so that others can be compared with them. */
export function isTimed({ plain, age }: StepTimes): boolean {
  return plain.length >= LEAST_PLAIN && age < OLDEST_PLAIN;
}

/** Seconds of a step without a draft; 0 where that is not known. */
export function plainSeconds({ plain }: StepTimes): number {
  return plain.length === 0 ? 0 : median(plain);
}
