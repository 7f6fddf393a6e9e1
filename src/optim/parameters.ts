/**
 * What happens to parameters themselves: updates are added, and a running average may be kept.
 *
 * @module
 */
import { add, mul, sub } from "../core/elementwise_ops.ts";
import { type Gradients, isTensor } from "../core/grad.ts";
import { identity } from "../core/movement_ops.ts";
import { leavesOf } from "../core/tree.ts";
import { replaceLeaves } from "./transformation.ts";

/**
 * The parameters with the updates added.
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { applyUpdates } from "@outrider/outrider/optim";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const [weight, step] = [3, -1].map((x) => constant(Float32Array.of(x)));
 * const next = applyUpdates({ weight }, { weight: step });
 * assertEquals(evaluateGraph([next.weight], new Map())[0], Float32Array.of(2));
 * ```
 */
export function applyUpdates<Parameters>(
  parameters: Parameters,
  updates: Gradients<Parameters>,
): Parameters {
  const steps = leavesOf(updates, isTensor);
  const next = leavesOf(parameters, isTensor).map((leaf, i) => add(leaf, steps[i]));
  return replaceLeaves(parameters, next);
}

/** An exponential moving average of parameters, which often decodes better than the last ones. */
export interface ParameterAverage {
  /** The average before the first step: the parameters themselves. */
  readonly init: <Parameters>(parameters: Parameters) => Parameters;
  /** `decay * average + (1 - decay) * parameters`. */
  readonly step: <Parameters>(average: Parameters, parameters: Parameters) => Parameters;
}

/**
 * An exponential moving average of parameters; the average is a tree like theirs.
 *
 * @param decay the share of the old average, from 0 to below 1
 *
 * @example
 * ```ts
 * import { constant } from "@outrider/outrider/core";
 * import { ema } from "@outrider/outrider/optim";
 * import { evaluateGraph } from "@outrider/outrider/backends/reference";
 * import { assertEquals } from "@std/assert";
 *
 * const [before, after] = [0, 8].map((x) => ({ weight: constant(Float32Array.of(x)) }));
 * const { init, step } = ema(0.75);
 * const average = step(init(before), after);
 * assertEquals(evaluateGraph([average.weight], new Map())[0], Float32Array.of(2));
 * ```
 */
export function ema(decay: number): ParameterAverage {
  return {
    init: (parameters) => replaceLeaves(parameters, leavesOf(parameters, isTensor).map(identity)),
    step: (average, parameters) => {
      const current = leavesOf(parameters, isTensor);
      // In this form an average that has arrived stays where it is, whatever the rounding.
      const next = leavesOf(average, isTensor).map((old, i) =>
        add(old, mul(sub(current[i], old), 1 - decay))
      );
      return replaceLeaves(average, next);
    },
  };
}
