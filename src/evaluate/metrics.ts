/**
 * The figures of speculative decoding, out of what the steps report.
 *
 * @module
 */

import type { Seconds, StepReport } from "../decode/decoder.ts";

/** What is known of a draft beside its reports. */
export interface MetricsOptions {
  /**
   * `c` of the memory-bound speed-up: draft size over target size (0 for a draft without weights).
   */
  readonly draftSizeRatio: number;
}

/** The figures of one or more texts. Ratios over nothing are 0. */
export interface DecodingMetrics {
  /** Tokens given out. */
  readonly tokens: number;
  /** Target passes. */
  readonly targetPasses: number;
  /** tau: tokens per target pass, bonus token included. */
  readonly blockEfficiency: number;
  /** alpha: of the drafted tokens that were judged, the share that was accepted. */
  readonly acceptance: number;
  /** Share of passes, of those with a draft that long, in which the first 1, 2, ... tokens stood. */
  readonly acceptanceJoint: readonly number[];
  /** The same among the passes in which all tokens before stood. */
  readonly acceptanceConditional: readonly number[];
  /** Accepted over drafted tokens. */
  readonly draftEfficiency: number;
  /** gamma: drafted tokens per target pass. */
  readonly meanDraftLength: number;
  /** MBSU: `blockEfficiency / (1 + c * gamma)` (Goel et al. 2024, section 3.1). */
  readonly memoryBoundSpeedUp: number;
  /** The `c` it was computed with. */
  readonly draftSizeRatio: number;
  /** Where the time went, summed. */
  readonly seconds: Seconds;
  /** Tokens per second over everything but the prefill. */
  readonly tokensPerSecond: number;
}

/**
 * The figures of the steps of one text, or of several texts one after another.
 *
 * Judged are the tokens up to and including the first rejection, so `acceptance` estimates the
 * acceptance rate of token verification.
 *
 * @example
 * ```ts
 * import { metricsOf } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const seconds = { prefill: 1, draft: 0.1, target: 0.3, verify: 0.05, host: 0.05 };
 * const report = { drafted: 3, accepted: 2, emitted: 3, seconds };
 * const metrics = metricsOf([report, report], { draftSizeRatio: 0 });
 * assertEquals([metrics.blockEfficiency, metrics.tokensPerSecond], [3, 6]);
 * ```
 */
export function metricsOf(
  reports: readonly StepReport[],
  { draftSizeRatio }: MetricsOptions,
): DecodingMetrics {
  const tokens = sumOf(reports, (report) => report.emitted);
  const targetPasses = reports.length;
  const drafted = sumOf(reports, (report) => report.drafted);
  const accepted = sumOf(reports, (report) => report.accepted);
  const judged = sumOf(reports, (report) => Math.min(report.drafted, report.accepted + 1));
  const blockEfficiency = ratio(tokens, targetPasses);
  const meanDraftLength = ratio(drafted, targetPasses);
  const seconds = sumSeconds(reports);
  const decoding = seconds.draft + seconds.target + seconds.verify + seconds.host;
  return {
    tokens,
    targetPasses,
    blockEfficiency,
    acceptance: ratio(accepted, judged),
    ...acceptancePerPosition(reports),
    draftEfficiency: ratio(accepted, drafted),
    meanDraftLength,
    memoryBoundSpeedUp: blockEfficiency / (1 + draftSizeRatio * meanDraftLength),
    draftSizeRatio,
    seconds,
    tokensPerSecond: ratio(tokens, decoding),
  };
}

function acceptancePerPosition(
  reports: readonly StepReport[],
): { acceptanceJoint: number[]; acceptanceConditional: number[] } {
  const longest = reports.reduce((most, { drafted }) => Math.max(most, drafted), 0);
  const acceptanceJoint: number[] = [];
  const acceptanceConditional: number[] = [];
  for (let position = 1; position <= longest; position++) {
    const long = reports.filter((report) => report.drafted >= position);
    const reached = long.filter((report) => report.accepted >= position - 1);
    const stood = long.filter((report) => report.accepted >= position);
    acceptanceJoint.push(ratio(stood.length, long.length));
    acceptanceConditional.push(ratio(stood.length, reached.length));
  }
  return { acceptanceJoint, acceptanceConditional };
}

function sumSeconds(reports: readonly StepReport[]): Seconds {
  return {
    prefill: sumOf(reports, ({ seconds }) => seconds.prefill),
    draft: sumOf(reports, ({ seconds }) => seconds.draft),
    target: sumOf(reports, ({ seconds }) => seconds.target),
    verify: sumOf(reports, ({ seconds }) => seconds.verify),
    host: sumOf(reports, ({ seconds }) => seconds.host),
  };
}

function sumOf(reports: readonly StepReport[], part: (report: StepReport) => number): number {
  return reports.reduce((sum, report) => sum + part(report), 0);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
