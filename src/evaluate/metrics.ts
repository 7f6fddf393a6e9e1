/**
 * The figures of speculative decoding, out of what the steps report.
 *
 * @module
 */

import type { Seconds, StepReport } from "../decode/decoder.ts";
import { decodingSeconds, ratio, type Tally, tallyOf } from "./tally.ts";

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
  options: MetricsOptions,
): DecodingMetrics {
  return metricsOfTally(tallyOf(reports), options);
}

/**
 * The figures of a tally.
 *
 * @example
 * ```ts
 * import { metricsOfTally, NO_TALLY } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const tally = { ...NO_TALLY, tokens: 6, passes: 2, drafted: 4, accepted: 4 };
 * const { memoryBoundSpeedUp } = metricsOfTally(tally, { draftSizeRatio: 0.25 });
 * assertEquals(memoryBoundSpeedUp, 2);
 * ```
 */
export function metricsOfTally(
  tally: Tally,
  { draftSizeRatio }: MetricsOptions,
): DecodingMetrics {
  const { tokens, passes, drafted, accepted, judged, long, reached, stood, seconds } = tally;
  const blockEfficiency = ratio(tokens, passes);
  const meanDraftLength = ratio(drafted, passes);
  return {
    tokens,
    targetPasses: passes,
    blockEfficiency,
    acceptance: ratio(accepted, judged),
    acceptanceJoint: stood.map((count, place) => ratio(count, long[place])),
    acceptanceConditional: stood.map((count, place) => ratio(count, reached[place])),
    draftEfficiency: ratio(accepted, drafted),
    meanDraftLength,
    memoryBoundSpeedUp: blockEfficiency / (1 + draftSizeRatio * meanDraftLength),
    draftSizeRatio,
    seconds,
    tokensPerSecond: ratio(tokens, decodingSeconds(tally)),
  };
}
