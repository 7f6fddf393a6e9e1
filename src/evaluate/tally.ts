/**
 * Counts of speculative decoding that add up over texts: all figures are ratios of them.
 *
 * @module
 */
import type { Seconds, StepReport } from "../decode/decoder.ts";

/** What the steps of one or more texts come down to; every entry adds up. */
export interface Tally {
  /** Tokens given out. */
  readonly tokens: number;
  /** Target passes. */
  readonly passes: number;
  /** Tokens that drafts proposed. */
  readonly drafted: number;
  /** Proposed tokens that stood. */
  readonly accepted: number;
  /** Proposed tokens up to and including the first rejection. */
  readonly judged: number;
  /** Passes with a draft of at least 1, 2, ... tokens. */
  readonly long: readonly number[];
  /** Of these, passes in which all tokens before the 1st, 2nd, ... stood. */
  readonly reached: readonly number[];
  /** Of these, passes in which the 1st, 2nd, ... stood as well. */
  readonly stood: readonly number[];
  /** Where the time went. */
  readonly seconds: Seconds;
}

const NO_SECONDS: Seconds = { prefill: 0, draft: 0, target: 0, verify: 0, host: 0 };

/** The tally of no steps. */
export const NO_TALLY: Tally = {
  tokens: 0,
  passes: 0,
  drafted: 0,
  accepted: 0,
  judged: 0,
  long: [],
  reached: [],
  stood: [],
  seconds: NO_SECONDS,
};

/**
 * The tally of the steps of one text, or of several texts one after another.
 *
 * @example
 * ```ts
 * import { tallyOf } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const seconds = { prefill: 0, draft: 0, target: 1, verify: 0, host: 0 };
 * const { judged, reached, stood } = tallyOf([{ drafted: 3, accepted: 1, emitted: 2, seconds }]);
 * assertEquals([judged, reached, stood], [2, [1, 1, 0], [1, 0, 0]]);
 * ```
 */
export function tallyOf(reports: readonly StepReport[]): Tally {
  const longest = reports.reduce((most, { drafted }) => Math.max(most, drafted), 0);
  const long = new Array<number>(longest).fill(0);
  const reached = [...long];
  const stood = [...long];
  for (const { drafted, accepted } of reports) {
    for (let place = 0; place < drafted; place++) {
      long[place]++;
      if (accepted >= place) reached[place]++;
      if (accepted > place) stood[place]++;
    }
  }
  return {
    tokens: sumOf(reports, ({ emitted }) => emitted),
    passes: reports.length,
    drafted: sumOf(reports, ({ drafted }) => drafted),
    accepted: sumOf(reports, ({ accepted }) => accepted),
    judged: sumOf(reports, ({ drafted, accepted }) => Math.min(drafted, accepted + 1)),
    long,
    reached,
    stood,
    seconds: reports.reduce((sum, { seconds }) => addSeconds(sum, seconds), NO_SECONDS),
  };
}

/**
 * The tally of several texts together.
 *
 * @example
 * ```ts
 * import { addTallies, NO_TALLY } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const one = { ...NO_TALLY, tokens: 3, long: [2, 1] };
 * const both = addTallies([one, { ...one, long: [1] }]);
 * assertEquals([both.tokens, both.long], [6, [3, 1]]);
 * ```
 */
export function addTallies(tallies: readonly Tally[]): Tally {
  return tallies.reduce((sum, one) => ({
    tokens: sum.tokens + one.tokens,
    passes: sum.passes + one.passes,
    drafted: sum.drafted + one.drafted,
    accepted: sum.accepted + one.accepted,
    judged: sum.judged + one.judged,
    long: addPlaces(sum.long, one.long),
    reached: addPlaces(sum.reached, one.reached),
    stood: addPlaces(sum.stood, one.stood),
    seconds: addSeconds(sum.seconds, one.seconds),
  }), NO_TALLY);
}

/**
 * Seconds of decoding: everything but the prefill.
 *
 * @example
 * ```ts
 * import { decodingSeconds, NO_TALLY } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const seconds = { prefill: 5, draft: 1, target: 2, verify: 0.5, host: 0.5 };
 * assertEquals(decodingSeconds({ ...NO_TALLY, seconds }), 4);
 * ```
 */
export function decodingSeconds({ seconds }: Pick<Tally, "seconds">): number {
  return seconds.draft + seconds.target + seconds.verify + seconds.host;
}

/** Part over whole; 0 over nothing. */
export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function addPlaces(a: readonly number[], b: readonly number[]): number[] {
  return Array.from(
    { length: Math.max(a.length, b.length) },
    (_, place) => (a[place] ?? 0) + (b[place] ?? 0),
  );
}

function addSeconds(a: Seconds, b: Seconds): Seconds {
  return {
    prefill: a.prefill + b.prefill,
    draft: a.draft + b.draft,
    target: a.target + b.target,
    verify: a.verify + b.verify,
    host: a.host + b.host,
  };
}

function sumOf(reports: readonly StepReport[], part: (report: StepReport) => number): number {
  return reports.reduce((sum, report) => sum + part(report), 0);
}
