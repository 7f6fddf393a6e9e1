/**
 * Checks of the sizes that a file claims of a transformer.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";

/** No size is anywhere near it. */
const LARGEST_COUNT = 2 ** 31;

/** Throws an {@link OutriderError} unless what a configuration says holds. */
export function expectConfig(holds: boolean, expected: string, found: string): void {
  if (!holds) throw new OutriderError(expected, found, "the model's configuration is damaged");
}

/** Checks that the named sizes are whole numbers from 1 up. */
export function checkCounts<Name extends string>(
  sizes: { readonly [name in Name]: number },
  names: readonly Name[],
): void {
  for (const name of names) {
    const value = sizes[name];
    const isCount = Number.isInteger(value) && value >= 1 && value < LARGEST_COUNT;
    expectConfig(isCount, `a whole number from 1 up as ${name}`, String(value));
  }
}

/** Checks that the sizes of attention and norms make sense together. */
export function checkAttention(
  { heads, keyValueHeads, headWidth, ropeBase, rmsNormEpsilon }: Pick<
    LlamaConfig,
    "heads" | "keyValueHeads" | "headWidth" | "ropeBase" | "rmsNormEpsilon"
  >,
): void {
  const divides = heads % keyValueHeads === 0;
  expectConfig(divides, `keyValueHeads that divide ${heads}`, `${keyValueHeads}`);
  expectConfig(headWidth % 2 === 0, "an even headWidth", String(headWidth));
  expectConfig(Number.isFinite(ropeBase) && ropeBase > 0, "a positive ropeBase", `${ropeBase}`);
  const isSmall = rmsNormEpsilon > 0 && rmsNormEpsilon < 1;
  expectConfig(isSmall, "an rmsNormEpsilon between 0 and 1", String(rmsNormEpsilon));
}
