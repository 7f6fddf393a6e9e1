/**
 * Learning-rate schedules: functions from the step count to the rate, both tensors, computed in the
 * graph so that a new step needs no new plan.
 *
 * @module
 */
import { add, cast, cos, full, maximum, minimum, mul, sqrt, sub } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import type { Tensor } from "../core/tensor.ts";

/** The i32 scalar count of the steps taken before, 0 at first, to the f32 scalar rate. */
export type Schedule = (step: Tensor) => Tensor;

/** A warm-up to a peak, and a fall to an end. */
export interface WarmupOptions {
  /** Steps until the peak: step number n of them has the rate `peak n / warmupSteps`. May be 0. */
  readonly warmupSteps: number;
  /** All steps, warm-up included: the last one, and any after it, has the rate `end`. */
  readonly totalSteps: number;
  /** The highest rate. */
  readonly peak: number;
  /** The last rate; 0 by default. */
  readonly end?: number;
}

/** Warm-up, a plateau at the peak, and a decay. */
export interface WsdOptions {
  /** Steps until the peak. May be 0. */
  readonly warmupSteps: number;
  /** Steps at the peak after the warm-up. May be 0. */
  readonly stableSteps: number;
  /** Steps of the decay; the last one, and any after it, has the rate `end`. */
  readonly decaySteps: number;
  /** The highest rate. */
  readonly peak: number;
  /** The last rate; 0 by default. */
  readonly end?: number;
}

/** What a rate falls through between its peak (progress 0) and its end (progress 1). */
interface Fall {
  readonly warmupSteps: number;
  /** The step after which it falls. */
  readonly from: number;
  /** The steps that the fall takes. */
  readonly steps: number;
  readonly peak: number;
  readonly end: number;
  /** Progress in 0..1 to a factor that goes from 1 to 0. */
  readonly shape: (progress: Tensor) => Tensor;
}

function checkCounts(counts: readonly number[]): void {
  const bad = counts.find((count) => !Number.isSafeInteger(count) || count < 0);
  if (bad === undefined) return;
  throw new OutriderError("step counts from 0", `${bad}`, "count whole steps");
}

/** Steps are counted from 1 here: the rate of the n-th step, not of the one after n. */
function falling({ warmupSteps, from, steps, peak, end, shape }: Fall): Schedule {
  checkCounts([warmupSteps, from, steps]);
  return (step) => {
    const number = add(cast(step, "f32"), 1);
    const warm = warmupSteps === 0 ? full([], 1) : minimum(mul(number, 1 / warmupSteps), 1);
    const through = mul(sub(number, from), 1 / Math.max(steps, 1));
    const factor = shape(minimum(maximum(through, 0), 1));
    return mul(warm, add(mul(factor, peak - end), end));
  };
}

function fallAfterWarmup(options: WarmupOptions, shape: Fall["shape"]): Schedule {
  const { warmupSteps, totalSteps, peak, end = 0 } = options;
  if (totalSteps < warmupSteps) {
    throw new OutriderError(
      "as many steps in all as the warm-up takes, or more",
      `${totalSteps} with a warm-up of ${warmupSteps}`,
      "train longer or warm up for less",
    );
  }
  return falling({
    warmupSteps,
    from: warmupSteps,
    steps: totalSteps - warmupSteps,
    peak,
    end,
    shape,
  });
}

/**
 * One rate for all steps.
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { constantSchedule } from "@outrider/outrider/optim";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const rate = constantSchedule(0.5);
 * const step = constant(Int32Array.of(7), []);
 * assertAlmostEquals(evaluateGraph([rate(step)], new Map())[0][0], 0.5, 1e-6);
 * ```
 */
export function constantSchedule(rate: number): Schedule {
  return () => full([], rate);
}

/**
 * A linear warm-up and then half a cosine down to the end (Loshchilov and Hutter 2017,
 * arXiv 1608.03983).
 *
 * @throws {OutriderError} where a count is no whole number from 0, or the warm-up is longer than all
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { warmupCosine } from "@outrider/outrider/optim";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const rate = warmupCosine({ warmupSteps: 4, totalSteps: 12, peak: 1 });
 * const step = constant(Int32Array.of(7), []);
 * assertAlmostEquals(evaluateGraph([rate(step)], new Map())[0][0], 0.5, 1e-6);
 * ```
 */
export function warmupCosine(options: WarmupOptions): Schedule {
  return fallAfterWarmup(options, (progress) => mul(add(cos(mul(progress, Math.PI)), 1), 0.5));
}

/**
 * A linear warm-up and then a straight line down to the end.
 *
 * @throws {OutriderError} where a count is no whole number from 0, or the warm-up is longer than all
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { linearDecay } from "@outrider/outrider/optim";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const rate = linearDecay({ warmupSteps: 0, totalSteps: 8, peak: 1 });
 * const step = constant(Int32Array.of(1), []);
 * assertAlmostEquals(evaluateGraph([rate(step)], new Map())[0][0], 0.75, 1e-6);
 * ```
 */
export function linearDecay(options: WarmupOptions): Schedule {
  return fallAfterWarmup(options, (progress) => sub(1, progress));
}

/**
 * Warm-up, stable, decay: the length need not be known until the decay begins, which falls as
 * `1 - sqrt(progress)` (Hägele et al. 2024, arXiv 2405.18392).
 *
 * @throws {OutriderError} where a count is no whole number from 0
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { wsd } from "@outrider/outrider/optim";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const rate = wsd({ warmupSteps: 2, stableSteps: 6, decaySteps: 4, peak: 1 });
 * const step = constant(Int32Array.of(8), []);
 * assertAlmostEquals(evaluateGraph([rate(step)], new Map())[0][0], 0.5, 1e-6);
 * ```
 */
export function wsd(options: WsdOptions): Schedule {
  const { warmupSteps, stableSteps, decaySteps, peak, end = 0 } = options;
  return falling({
    warmupSteps,
    from: warmupSteps + stableSteps,
    steps: decaySteps,
    peak,
    end,
    shape: (progress) => sub(1, sqrt(progress)),
  });
}
