/**
 * What shapes distributions on a device: the part of the host's warps that needs no text.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import { type HostTensor, hostTensor } from "../../core/host_tensor.ts";

/**
 * How the next token is drawn on a device: the warps `temperature`, `topK`, `topP` and `minP` in this
 * order. What looks at the text, as a repetition penalty does, has to run on the host.
 */
export interface Sampling {
  /** Divides logits; 0 takes the likeliest token, and the rest of this has no effect. */
  readonly temperature: number;
  /** Keeps the so many most probable tokens; 0, or left out, keeps all. */
  readonly topK?: number;
  /** Keeps the most probable tokens of this mass; 1, or left out, keeps all. */
  readonly topP?: number;
  /** Keeps tokens at least this fraction as probable as the likeliest; 0, or left out, keeps all. */
  readonly minP?: number;
}

/** The numbers of a sampling on a device, so that another temperature compiles nothing. */
export interface SamplingNumbers<Leaf> {
  /** The temperature, above 0. */
  readonly temperature: Leaf;
  /** Tokens that stay, if so many are to stay. */
  readonly topK?: Leaf;
  /** Mass that stays, if not all is to. */
  readonly topP?: Leaf;
  /** The logarithm of the fraction of the largest probability, if any. */
  readonly minP?: Leaf;
}

/** Whether a sampling takes the likeliest token. */
export function isGreedy({ temperature }: Sampling): boolean {
  return temperature === 0;
}

/**
 * Throws an {@link OutriderError} for a sampling with a number out of range.
 */
export function checkSampling({ temperature, topK = 0, topP = 1, minP = 0 }: Sampling): void {
  const refuse = (expected: string, found: number, cure: string): never => {
    throw new OutriderError(expected, `${found}`, cure);
  };
  if (temperature !== 0 && !(temperature >= 1e-6 && temperature <= 1e6)) {
    refuse("a temperature of 0, or from 1e-6 to 1e6", temperature, "choose 0 to 2");
  }
  if (!(Number.isInteger(topK) && topK >= 0)) {
    refuse("a top-k of 0 or more", topK, "0 keeps all tokens");
  }
  if (!(topP >= 0 && topP <= 1)) refuse("a top-p from 0 to 1", topP, "1 keeps all tokens");
  if (!(minP >= 0 && minP <= 1)) refuse("a min-p from 0 to 1", minP, "0 keeps all tokens");
}

/** The numbers of a sampling as arrays `[1, 1]`, those that have an effect. */
export function numbersOf(sampling: Sampling): SamplingNumbers<HostTensor> {
  const { temperature, topK = 0, topP = 1, minP = 0 } = sampling;
  const number = (value: number): HostTensor => hostTensor(Float32Array.of(value), [1, 1]);
  return {
    temperature: number(isGreedy(sampling) ? 1 : temperature),
    ...(topK > 0 && { topK: number(topK) }),
    ...(topP < 1 && { topP: number(topP) }),
    ...(minP > 0 && { minP: number(Math.log(minP)) }),
  };
}
