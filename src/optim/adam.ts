/**
 * Adam (Kingma and Ba 2015, arXiv 1412.6980) and AdamW (Loshchilov and Hutter 2019,
 * arXiv 1711.05101).
 *
 * @module
 */
import { add, div, full, mul, neg, sqrt } from "../core/elementwise_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { chain } from "./chain.ts";
import { clipByGlobalNorm } from "./clip.ts";
import { addDecayedWeights, type DecayMask, onlyMatrices } from "./decay.ts";
import { scaleBySchedule, type ScheduleState } from "./scale.ts";
import { constantSchedule, type Schedule } from "./schedules.ts";
import {
  atPath,
  type ByPath,
  byPath,
  type GradientTransformation,
  type NoState,
  transformLeaves,
} from "./transformation.ts";

/** Constants of Adam. */
export interface AdamOptions {
  /** Share of the old average of gradients; 0.9 by default. */
  readonly beta1?: number;
  /** Share of the old average of squared gradients; 0.999 by default. */
  readonly beta2?: number;
  /** Added to the root of the second average; 1e-8 by default. */
  readonly epsilon?: number;
}

/** The state of {@link scaleByAdam}. */
export interface AdamState {
  /** Running averages of the gradients, from zero. */
  readonly first: ByPath;
  /** Running averages of the squared gradients, from zero. */
  readonly second: ByPath;
  /** f32 scalar: the weight of all gradients in `first` together, `1 - beta1^t`. */
  readonly firstWeight: Tensor;
  /** f32 scalar: the weight of all gradients in `second` together, `1 - beta2^t`. */
  readonly secondWeight: Tensor;
}

/** `share * average + (1 - share) * x`. */
function blend(average: Tensor, x: Tensor | number, share: number): Tensor {
  return add(mul(average, share), typeof x === "number" ? x * (1 - share) : mul(x, 1 - share));
}

/**
 * Gradients to `m / (sqrt(v) + epsilon)`, with m and v corrected for their start from zero.
 *
 * The corrections `1 - beta^t` are kept as running averages of the number 1: this has full accuracy
 * from the first step on, where the difference of 1 and a power in f32 loses four digits of seven.
 *
 * @example
 * ```ts
 * import { input } from "@outrider/outrider/core";
 * import { scaleByAdam } from "@outrider/outrider/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const state = scaleByAdam({ beta2: 0.99 }).init({ layers: [{ weight: input([4, 2]) }] });
 * assertEquals(Object.keys(state.first), ["layers.0.weight"]);
 * ```
 */
export function scaleByAdam(options: AdamOptions = {}): GradientTransformation<AdamState> {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  return transformLeaves({
    init: (parameters) => ({
      first: byPath(parameters, ({ leaf }) => full(leaf.shape, 0)),
      second: byPath(parameters, ({ leaf }) => full(leaf.shape, 0)),
      firstWeight: full([], 0),
      secondWeight: full([], 0),
    }),
    update: (gradients, before, parameters) => {
      const state: AdamState = {
        first: byPath(
          parameters,
          ({ path }, i) => blend(atPath(before.first, path), gradients[i], beta1),
        ),
        second: byPath(
          parameters,
          ({ path }, i) =>
            blend(atPath(before.second, path), mul(gradients[i], gradients[i]), beta2),
        ),
        firstWeight: blend(before.firstWeight, 1, beta1),
        secondWeight: blend(before.secondWeight, 1, beta2),
      };
      const updates = parameters.map(({ path }) => {
        const mean = div(atPath(state.first, path), state.firstWeight);
        const meanSquare = div(atPath(state.second, path), state.secondWeight);
        return div(mean, add(sqrt(meanSquare), epsilon));
      });
      return { updates, state };
    },
  });
}

/** Constants of AdamW. */
export interface AdamWOptions extends AdamOptions {
  /** The learning rate, or a schedule of it. */
  readonly rate: number | Schedule;
  /** Largest global norm of the gradients; 1 by default, Infinity for no clipping. */
  readonly clip?: number;
  /** Share of a weight taken off per step, times the learning rate; 0.01 by default. */
  readonly weightDecay?: number;
  /** The parameters that decay: by default those with two axes or more. */
  readonly decays?: DecayMask;
}

/** The state of {@link adamW}: that of clipping, Adam, weight decay and the schedule. */
export type AdamWState = readonly [NoState, AdamState, NoState, ScheduleState];

/**
 * AdamW: clip, scale by Adam, add decayed weights, step down by the learning rate.
 *
 * @example
 * ```ts
 * import { input, mul, sum, valueAndGrad } from "@outrider/outrider/core";
 * import { adamW, applyUpdates, warmupCosine } from "@outrider/outrider/optim";
 * import { assertEquals } from "@std/assert";
 *
 * const rate = warmupCosine({ warmupSteps: 10, totalSteps: 100, peak: 3e-4 });
 * const optimizer = adamW({ rate, weightDecay: 0.1 });
 * const parameters = { weight: input([4, 2]) };
 * const loss = (p: typeof parameters) => sum(mul(p.weight, p.weight));
 * const { gradients } = valueAndGrad(loss)(parameters);
 * const { updates } = optimizer.update(gradients, optimizer.init(parameters), parameters);
 * assertEquals(applyUpdates(parameters, updates).weight.shape, [4, 2]);
 * ```
 */
export function adamW(options: AdamWOptions): GradientTransformation<AdamWState> {
  const { rate, clip = 1, weightDecay = 0.01, decays = onlyMatrices } = options;
  const schedule = typeof rate === "number" ? constantSchedule(rate) : rate;
  return chain<AdamWState>(
    clipByGlobalNorm(clip),
    scaleByAdam(options),
    addDecayedWeights(weightDecay, decays),
    scaleBySchedule((step) => neg(schedule(step))),
  );
}
