/**
 * The nucleus at a temperature, as a warp that says so: whoever has a row's sums at hand can draw
 * from it without a pass over the vocabulary.
 *
 * @module
 */
import { chainWarps, temperature, type Warp } from "./warp.ts";
import { topP } from "./warp_truncate.ts";

/**
 * The warp of a temperature and a nucleus (Holtzman et al. 2020): the same as
 * `chainWarps(temperature(value), topP(mass))`.
 *
 * Throws an `OutriderError` for a temperature or a mass out of range.
 *
 * @example
 * ```ts
 * import { logitsOf, nucleus, probabilities } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([...probabilities(nucleus(1, 0.6), logitsOf([0, 0, -9]), [])], [0.5, 0.5, 0]);
 * ```
 */
export function nucleus(value: number, mass: number): Warp {
  if (value === 0) return temperature(0);
  const warp = mass === 1 ? temperature(value) : chainWarps(temperature(value), topP(mass));
  const { probs, temperature: only } = warp;
  const shorter = { ...(probs && { probs }), ...(only !== undefined && { temperature: only }) };
  return Object.assign(
    (...given: Parameters<Warp>) => warp(...given),
    { ...shorter, nucleus: { temperature: value, mass } },
  );
}
