/**
 * What PEARL gives on average, by algebra: tokens per unit of time from an acceptance rate and the
 * times of both models, which run at the same time.
 *
 * @module
 */
import type { Costs } from "../measure_costs.ts";

/** What the rates depend on; times are over that of a target pass of one row. */
export type PearlCosts = Pick<Costs, "draftCost" | "rowsCost">;

/** Tokens, and the time that they take, in target passes of one row. */
interface Cycle {
  readonly tokens: number;
  readonly time: number;
}

/** `1 + acceptance + ... + acceptance^(count - 1)`: tokens of `count` judged places. */
function geometric(acceptance: number, count: number): number {
  let sum = 0;
  for (let place = 0; place < count; place++) sum += acceptance ** place;
  return sum;
}

function rateOf({ tokens, time }: Cycle): number {
  return tokens / time;
}

/**
 * Tokens per time of a target pass of one row that `pearl` writes in the long run, where every drafted
 * token is accepted with the probability `acceptance` and both models run at the same time.
 *
 * From one rejection to the next there is one iteration of pre-verify, which takes
 * `max(gamma c, v(1))`, and `acceptance / (1 - acceptance^gamma)` of post-verify, which take
 * `max(gamma c, v(gamma))`: `1 / (1 - acceptance)` tokens in all (Liu et al. 2025, arXiv 2408.11850).
 * `c` is the time of a drafted token, `v(M)` that of a pass of `M` rows.
 *
 * @example
 * ```ts
 * import { pearlRate } from "@outrider/outrider/decode";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const costs = { draftCost: 0.25, rowsCost: () => 1 };
 * assertAlmostEquals(pearlRate(1, 4, costs), 4);
 * assertAlmostEquals(pearlRate(0, 4, costs), 1);
 * ```
 */
export function pearlRate(
  acceptance: number,
  gamma: number,
  { draftCost, rowsCost }: PearlCosts,
): number {
  if (acceptance === 1) return gamma / Math.max(gamma * draftCost, rowsCost(gamma));
  const postVerify = acceptance / (1 - acceptance ** gamma);
  return rateOf({
    tokens: 1 + postVerify * geometric(acceptance, gamma),
    time: Math.max(gamma * draftCost, rowsCost(1)) +
      postVerify * Math.max(gamma * draftCost, rowsCost(gamma)),
  });
}

/**
 * The same of the iterations as they were published, where the row behind a block is kept and judges
 * the next block's first token an iteration later: `acceptance + acceptance^gamma /
 * (1 - acceptance^gamma)` iterations of post-verify for the same tokens.
 *
 * @example
 * ```ts
 * import { pearlRate, publishedPearlRate } from "@outrider/outrider/decode";
 * import { assert } from "@std/assert";
 *
 * const costs = { draftCost: 0.25, rowsCost: () => 1 };
 * assert(publishedPearlRate(0.8, 4, costs) < pearlRate(0.8, 4, costs));
 * ```
 */
export function publishedPearlRate(
  acceptance: number,
  gamma: number,
  { draftCost, rowsCost }: PearlCosts,
): number {
  if (acceptance === 1) return gamma / Math.max(gamma * draftCost, rowsCost(gamma));
  const block = acceptance ** gamma;
  return rateOf({
    tokens: 1 / (1 - acceptance),
    time: Math.max(gamma * draftCost, rowsCost(1)) +
      (acceptance + block / (1 - block)) * Math.max(gamma * draftCost, rowsCost(gamma)),
  });
}

/**
 * Tokens per time of a target pass of one row of plain speculative decoding, whose models take turns:
 * `(1 - acceptance^(gamma + 1)) / (1 - acceptance) / (v(gamma + 1) + gamma c)` (Leviathan et al. 2023,
 * theorem 3.8).
 *
 * @example
 * ```ts
 * import { speculativeRate } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(speculativeRate(1, 4, { draftCost: 0.25, rowsCost: () => 1 }), 2.5);
 * ```
 */
export function speculativeRate(
  acceptance: number,
  gamma: number,
  { draftCost, rowsCost }: PearlCosts,
): number {
  return rateOf({
    tokens: geometric(acceptance, gamma + 1),
    time: rowsCost(gamma + 1) + gamma * draftCost,
  });
}
