/**
 * Plain decoding on a device: embedding, layers, head and sampling without a word to the host.
 *
 * @module
 */
import { releaseTree, upload } from "../../runtime/device.ts";
import type { DeviceArray } from "../../runtime/device_array.ts";
import type { Decoder } from "../decoder.ts";
import { fixedLength } from "../draft_length.ts";
import { coinTable } from "./coin_table.ts";
import { greedyLaw } from "./greedy_law.ts";
import type { TokenLaw } from "./law.ts";
import { compilePlainPass } from "./passes.ts";
import {
  type NextStep,
  type OnDeviceState,
  pipelined,
  type PipelineOptions,
  type Queued,
} from "./pipeline.ts";
import { type Place, placeAfter } from "./place.ts";
import type { ModelOnDevice, Sequence } from "./model.ts";
import { sampledLaw } from "./sampled_law.ts";
import {
  checkSampling,
  isGreedy,
  numbersOf,
  type Sampling,
  type SamplingNumbers,
} from "./sampling.ts";
import { releasingAll, type Sequences, sequencesOf, uploadHolding } from "./sequence.ts";

/** The parts of an {@link autoregressiveOnDevice} decoder. */
export interface AutoregressiveOnDeviceOptions extends PipelineOptions {
  /** The model that decides. */
  readonly target: ModelOnDevice;
  /** What shapes its distributions. */
  readonly sampling: Sampling;
}

/** The arrays of a text that is decoded on a device. */
export interface TextOnDevice {
  /** The target's keys and values. */
  readonly target: Sequence;
  /** Where the text stands. */
  readonly place: Place<DeviceArray>;
  /** What shapes distributions. */
  readonly sampling: SamplingNumbers<DeviceArray>;
}

/** The law of a sampling: that of temperature 0, or the one above it. */
export function lawOf(sampling: Sampling, above: TokenLaw = sampledLaw): TokenLaw {
  checkSampling(sampling);
  return isGreedy(sampling) ? greedyLaw : above;
}

/** Queues a step without a draft. A call that fails has released the text's arrays. */
export type QueuePlain = (work: TextOnDevice, step: NextStep) => Queued<TextOnDevice>;

/** How steps without a draft are queued. */
export function plainQueue(
  { device, config, parameters }: ModelOnDevice,
  sequences: Sequences,
  law: TokenLaw,
): QueuePlain {
  const pass = compilePlainPass(device, config, law);
  return (work, { coins, length: { least, most } }) =>
    releasingAll(work, (hold) => {
      const grown = sequences.withRoom(work.target, most, hold);
      const starts = most - least + 1;
      const table = upload(device, coinTable(coins, { first: least, starts, gamma: 0, most: 1 }));
      hold(table);
      const { place, sampling } = work;
      const passed = pass(parameters, grown.layers, place, table, sampling);
      releaseTree([table, place]);
      const next = { target: { ...grown, layers: passed.cache }, place: passed.place, sampling };
      return { work: next, result: passed.result, gamma: 0, draftSeconds: 0 };
    });
}

/**
 * A decoder that samples one token per target pass and does so on the device; the host reads one
 * number per token, late if it wants to.
 *
 * Tokens are those of `autoregressive` with the same coins and warps, up to the rounding of f32: where
 * a coin falls on the edge between two tokens to within about 2^-23, it may be the other one. At
 * temperature 0 they are the same. Errors are those of `autoregressive`; to be called for a sampling
 * out of range is one more.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { autoregressive, autoregressiveOnDevice, generate, limit, llamaModel, temperature } from "@outrider/outrider/decode";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 32 });
 * const target = { device, config, parameters: uploadTree(device, initLlama(keyOf(1), config)) };
 * const key = keyOf(2);
 * const onDevice = autoregressiveOnDevice({ target, sampling: { temperature: 0 }, ahead: 1 });
 * const onHost = autoregressive({ target: llamaModel(target), warp: temperature(0) });
 * const { tokens } = await generate(limit(onDevice, 4), [3, 1], { key });
 * assertEquals(tokens, (await generate(limit(onHost, 4), [3, 1], { key })).tokens);
 * ```
 */
export function autoregressiveOnDevice(
  options: AutoregressiveOnDeviceOptions,
): Decoder<OnDeviceState<TextOnDevice>> {
  const { target, sampling } = options;
  const { device, config } = target;
  const sequences = sequencesOf(target);
  return pipelined<TextOnDevice, null>({
    vocabulary: config.vocabulary,
    contextLength: config.contextLength,
    open: async (prompt) => {
      const sequence = await sequences.open(prompt.slice(0, -1));
      return releasingAll(sequence, (hold) => ({
        target: sequence,
        place: uploadHolding(device, placeAfter(prompt), hold),
        sampling: uploadHolding(device, numbersOf(sampling), hold),
      }));
    },
    queue: plainQueue(target, sequences, lawOf(sampling)),
    outcome: (result) => ({ tokens: [...result], proposal: [] }),
    release: releaseTree,
    close: ({ target, place, sampling }, { text }) => {
      releaseTree([place, sampling]);
      sequences.close(target, text.slice(0, -1));
    },
  }, { ...options, rule: fixedLength(0) });
}
