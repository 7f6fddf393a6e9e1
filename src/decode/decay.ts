/**
 * `exp(-x)` for the many distances from a row's maximum that softmax and top-p go through.
 *
 * @module
 */

const STEPS_PER_NAT = 32;
/** Beyond this `exp(-x)` is 0 in f64. */
const LAST_NAT = 746;
const WHOLE_STEPS = Float64Array.from(
  { length: LAST_NAT * STEPS_PER_NAT + 1 },
  (_, step) => Math.exp(-step / STEPS_PER_NAT),
);

/**
 * `exp(-distance)` for a distance of 0 or more, infinity included: a table of whole steps times a
 * polynomial for the rest, within 2 units in the last place of `Math.exp` and about twice as fast.
 * `decay(0)` is exactly 1.
 */
export function decay(distance: number): number {
  if (distance >= LAST_NAT) return 0;
  const step = (distance * STEPS_PER_NAT + 0.5) | 0;
  // |rest| <= 1/64, so the first missing term of the series is below 2^-54.
  const rest = step / STEPS_PER_NAT - distance;
  const series = 1 +
    rest * (1 +
        rest * (1 / 2 +
            rest * (1 / 6 + rest * (1 / 24 + rest * (1 / 120 + rest * (1 / 720))))));
  return WHOLE_STEPS[step] * series;
}
