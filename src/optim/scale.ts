/**
 * Multiplying updates by a factor: a constant, or a schedule of the step count.
 *
 * @module
 */
import { add, full, mul } from "../core/elementwise_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import type { Schedule } from "./schedules.ts";
import { type GradientTransformation, type NoState, transformLeaves } from "./transformation.ts";

/**
 * Updates times a constant. Updates are added to the parameters, so descent scales by a negative
 * number.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { scale } from "@outrider/outrider/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const weight = input([3]);
 * assertEquals(scale(-0.1).update(input([3]), {}, weight).updates.op.name, "mul");
 * ```
 */
export function scale(factor: number): GradientTransformation<NoState> {
  return transformLeaves({
    init: () => ({}),
    update: (gradients, state) => ({ updates: gradients.map((g) => mul(g, factor)), state }),
  });
}

/** The state of {@link scaleBySchedule}. */
export interface ScheduleState {
  /** i32 scalar: the steps taken so far. */
  readonly step: Tensor;
}

/**
 * Updates times what the schedule gives for the number of steps taken before, 0 at first.
 *
 * @example
 * ```ts
 * import { input, neg } from "@outrider/outrider/core";
 * import { scaleBySchedule, warmupCosine } from "@outrider/outrider/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const rate = warmupCosine({ warmupSteps: 10, totalSteps: 100, peak: 3e-4 });
 * const descent = scaleBySchedule((step) => neg(rate(step)));
 * assertEquals(descent.init(input([3])).step.type, "i32");
 * ```
 */
export function scaleBySchedule(schedule: Schedule): GradientTransformation<ScheduleState> {
  return transformLeaves({
    init: () => ({ step: full([], 0, "i32") }),
    update: (gradients, { step }) => {
      const factor = schedule(step);
      return { updates: gradients.map((g) => mul(g, factor)), state: { step: add(step, 1) } };
    },
  });
}
