/**
 * Rows of logits as distributions on a device, in unnormalised weights.
 *
 * @module
 */
import { and, div, exp, less, sub } from "../../core/elementwise_ops.ts";
import { gather } from "../../core/linear_ops.ts";
import type { Tensor } from "../../core/tensor.ts";
import { totals } from "./draw.ts";
import type { SamplingNumbers } from "./sampling.ts";
import { largest, truncated } from "./truncation.ts";

/** Rows of logits at a temperature, what a sampling drops left out. */
export interface Distributions {
  /** f32 `[rows, vocabulary]`: logits less the row's largest; a token's weight is `exp` of it. */
  readonly below: Tensor;
  /** f32 `[rows, 1]`: the sum of the weights, 1 or more where logits are finite. */
  readonly totals: Tensor;
}

/** The distributions of logits, f32 `[rows, vocabulary]`. */
export function distributionsOf(logits: Tensor, sampling: SamplingNumbers<Tensor>): Distributions {
  const scaled = div(logits, sampling.temperature);
  const below = truncated(sub(scaled, largest(scaled)), sampling);
  return { below, totals: totals(exp(below)) };
}

/** The probabilities of tokens, f32 `[rows, vocabulary]`. */
export function probabilitiesOf({ below, totals }: Distributions): Tensor {
  return div(exp(below), totals);
}

/** The distributions of the rows at places, i32 `[count]`. */
export function rowsAt({ below, totals }: Distributions, places: Tensor): Distributions {
  return { below: gather(below, places), totals: gather(totals, places) };
}

/** Whether a row's logits are numbers that can be drawn from: bool `[rows, 1]`. */
export function areSound({ totals }: Distributions): Tensor {
  return and(less(0.5, totals), less(totals, MOST)); // NaN is in no order
}

/** Just below the largest f32. */
export const MOST = 3e38;
