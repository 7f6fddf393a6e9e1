/**
 * The optimiser of drafts, and schedules by name.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { adamW, type AdamWState } from "../optim/adam.ts";
import { type Schedule, warmupCosine, wsd } from "../optim/schedules.ts";
import type { GradientTransformation } from "../optim/transformation.ts";

/**
 * How the learning rate goes after its warm-up: half a cosine down over all steps; `wsd`, flat for
 * four fifths of them and then down; or flat to the end. Only the cosine depends on the number of
 * steps from the start on: runs of the other two can be given more steps later.
 */
export type ScheduleName = "cosine" | "wsd" | "constant";

/** The names of all schedules. */
export const scheduleNames: readonly ScheduleName[] = ["cosine", "wsd", "constant"];

/** What a learning rate follows from. */
export interface RateOptions {
  /** Optimiser steps. */
  readonly steps: number;
  /** The highest rate. */
  readonly rate: number;
  /** How the rate goes; `cosine` if left out. */
  readonly schedule?: ScheduleName;
}

/** What {@link draftOptimizer} follows from. */
export interface DraftOptimizerOptions extends RateOptions {
  /** Share of every matrix that is taken off per step, times the learning rate; 0.05 if left out. */
  readonly weightDecay?: number;
}

/** The state of {@link draftOptimizer}. */
export type DraftOptimizerState = AdamWState;

const WEIGHT_DECAY = 0.05;
const WARMUP_STEPS = 100;
/** The share of a `wsd` run in which the rate falls (Hägele et al. 2024 find 0.1 to 0.2 enough). */
const DECAY_SHARE = 0.2;
/** The last rate is the highest divided by this. */
const FALL = 30;

function checkOptions({ steps, rate, weightDecay }: DraftOptimizerOptions): void {
  if (!Number.isSafeInteger(steps) || steps < 0) {
    throw new OutriderError("a whole number of steps", `${steps}`, "count whole steps from 0");
  }
  if (!Number.isFinite(rate)) {
    throw new OutriderError("a finite learning rate", `${rate}`, "choose one near 0.003");
  }
  if (weightDecay === undefined || weightDecay >= 0 && Number.isFinite(weightDecay)) return;
  throw new OutriderError("a weight decay of 0 or more", `${weightDecay}`, "choose one near 0.05");
}

/**
 * The steps whose rates do not depend on how many there are in all: 0 for `cosine`.
 *
 * @example
 * ```ts
 * import { extendableSteps } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(extendableSteps({ steps: 1000, schedule: "wsd" }), 800);
 * ```
 */
export function extendableSteps(
  { steps, schedule = "cosine" }: Pick<RateOptions, "steps" | "schedule">,
): number {
  if (schedule === "cosine") return 0;
  return schedule === "constant" ? steps : steps - Math.round(DECAY_SHARE * steps);
}

function scheduleOf(options: RateOptions): Schedule {
  const { steps, rate: peak, schedule = "cosine" } = options;
  const end = peak / FALL;
  if (schedule === "cosine") {
    const warmupSteps = Math.min(WARMUP_STEPS, Math.ceil(steps / 10));
    return warmupCosine({ warmupSteps, totalSteps: steps, peak, end });
  }
  const flat = extendableSteps(options);
  const stableSteps = Math.max(0, flat - WARMUP_STEPS);
  // Where nothing is left to fall, the fall must lie behind the end.
  const decaySteps = Math.max(1, steps - flat);
  return wsd({ warmupSteps: WARMUP_STEPS, stableSteps, decaySteps, peak, end });
}

/**
 * AdamW on gradients clipped to a global norm of 1, with a warm-up and the schedule named.
 *
 * @throws OutriderError where steps, rate or decay are no numbers to train by
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { draftOptimizer } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const optimizer = draftOptimizer({ steps: 100, rate: 0.003 });
 * const weights = { head: input([2, 2]) };
 * const { updates } = optimizer.update(weights, optimizer.init(weights), weights);
 * assertEquals(updates.head.shape, [2, 2]);
 * ```
 */
export function draftOptimizer(
  options: DraftOptimizerOptions,
): GradientTransformation<DraftOptimizerState> {
  checkOptions(options);
  const { weightDecay = WEIGHT_DECAY } = options;
  return adamW({ rate: scheduleOf(options), beta2: 0.95, weightDecay });
}
