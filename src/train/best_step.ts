/**
 * The validated step whose draft is accepted most: a run's last weights need not be its best.
 *
 * @module
 */

/** A validated step and how good it was. */
export interface BestStep {
  /** Steps done, from 1. */
  readonly step: number;
  /** The larger the better: the mean acceptance rate of data held out, or else minus the loss. */
  readonly score: number;
}

/**
 * The better of two: the best step so far, and one whose held-out metrics are given. The earlier one
 * stays where both are as good, and where the metrics are none or no numbers.
 *
 * @param metrics `validationAlpha`, which counts where it is there, or `validationLoss`
 * @example
 * ```ts
 * import { betterStep } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const first = betterStep(undefined, 100, { validationAlpha: 0.4, validationLoss: 2 });
 * assertEquals(first, { step: 100, score: 0.4 });
 * assertEquals(betterStep(first, 200, { validationAlpha: 0.39, validationLoss: 1 }), first);
 * assertEquals(betterStep(first, 201, {}), first);
 * ```
 */
export function betterStep(
  best: BestStep | undefined,
  step: number,
  metrics: Readonly<Record<string, number>>,
): BestStep | undefined {
  const { validationAlpha, validationLoss } = metrics;
  const score = validationAlpha ?? (validationLoss === undefined ? undefined : -validationLoss);
  if (score === undefined || !Number.isFinite(score)) return best;
  return best === undefined || score > best.score ? { step, score } : best;
}
