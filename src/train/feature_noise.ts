/**
 * Features that are a little different in every step, so that a drafter with few texts to learn from
 * does not know them by heart.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import { foldIn, type Key, threefry } from "../core/random.ts";
import type { BatchSource, Positions } from "./batch_source.ts";

/** What is done to features. */
export interface FeatureNoise {
  /**
   * Share of the numbers that are 0, from 0 to below 1; the others are divided by what is left of 1
   * (dropout, Srivastava et al. 2014).
   */
  readonly dropout: number;
  /** The most that is added to a number or taken off it, uniformly. */
  readonly noise: number;
}

const HALF_WORD = 2 ** 16;

function checkNoise({ dropout, noise }: FeatureNoise): void {
  if (!(dropout >= 0 && dropout < 1)) {
    throw new OutriderError("a dropout from 0 to below 1", `${dropout}`, "choose one near 0.2");
  }
  if (noise >= 0 && Number.isFinite(noise)) return;
  throw new OutriderError("noise of 0 or more", `${noise}`, "choose one near 0.1");
}

/**
 * Features with noise, some of them dropped: a pure function of the key.
 *
 * @throws OutriderError where nothing would be left, or the noise is no number
 * @example
 * ```ts
 * import { hostTensor, keyOf } from "@outrider/outrider/core";
 * import { noisyFeatures } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const features = hostTensor(new Float32Array(8).fill(1), [2, 4]);
 * const { data } = noisyFeatures(features, keyOf(1), { dropout: 0.5, noise: 0 });
 * assertEquals([...new Set(data)].sort(), [0, 2]);
 * ```
 */
export function noisyFeatures(
  features: DenseHostTensor,
  key: Key,
  options: FeatureNoise,
): DenseHostTensor {
  checkNoise(options);
  const { dropout, noise } = options;
  const { data, shape } = features;
  const values = new Float32Array(data.length);
  const scale = 1 / (1 - dropout);
  const fewest = dropout * HALF_WORD;
  // One word a number: half of it drops, half of it is the noise.
  for (let pair = 0; pair < data.length; pair += 2) {
    const words = threefry(key, pair, 8);
    for (let i = pair; i < Math.min(pair + 2, data.length); i++) {
      const word = words[i - pair];
      if ((word >>> 16) < fewest) continue;
      const offset = 2 * (word % HALF_WORD + 0.5) / HALF_WORD - 1;
      values[i] = (data[i] + noise * offset) * scale;
    }
  }
  return hostTensor(values, shape);
}

/** The key of the batch at some positions: the same whenever a run comes to it. */
function keyAt(key: Key, positions: Positions): Key {
  return positions.reduce(
    (drawn, { epoch, index, offset }) => foldIn(foldIn(foldIn(drawn, epoch), index), offset),
    key,
  );
}

/**
 * The batches of a source with {@link noisyFeatures}, drawn anew for every batch from the key and the
 * place in the data: a run that goes on has the noise of one that was not interrupted.
 *
 * @throws OutriderError where nothing would be left of the features, or the noise is no number
 * @example
 * ```ts
 * import { hostTensor, keyOf } from "@outrider/outrider/core";
 * import { noisySource } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const batch = { features: hostTensor(Float32Array.of(3, 4), [1, 2]) };
 * const positions = [{ epoch: 0, index: 0, offset: 0 }];
 * const source = { init: () => positions, step: () => ({ batch, positions }) };
 * const noisy = noisySource(source, keyOf(1), { dropout: 0, noise: 0.5 });
 * const near = noisy.step(noisy.init()).batch.features.data;
 * assertEquals([...near].map(Math.round), [3, 4]);
 * ```
 */
export function noisySource<Batch extends { readonly features: DenseHostTensor }>(
  source: BatchSource<Batch>,
  key: Key,
  options: FeatureNoise,
): BatchSource<Batch> {
  checkNoise(options);
  if (options.dropout === 0 && options.noise === 0) return source;
  return {
    init: source.init,
    step: (positions) => {
      const { batch, positions: next } = source.step(positions);
      const features = noisyFeatures(batch.features, keyAt(key, positions), options);
      return { batch: { ...batch, features }, positions: next };
    },
  };
}
