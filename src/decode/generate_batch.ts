/**
 * Many texts at once: one pass serves every sequence that is at work, and whoever is done makes
 * room for the next prompt at any step.
 *
 * A row's bits do not depend on its neighbours and a text's coins depend on its own key, so a text
 * is the same whatever batch it is written in.
 *
 * @module
 */
import { hostTensor } from "../core/host_tensor.ts";
import { read, releaseTree, upload } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import { chooseTokens, type Turn } from "./batch_choice.ts";
import { type BatchRequest, fillLanes, nextPass, paddedPlaces, type Work } from "./batch_lanes.ts";
import { coinsOf } from "./coins.ts";
import type { TokenId } from "./language_model.ts";
import type { LlamaModelOptions } from "./llama_model.ts";
import {
  compilePasses,
  type LlamaMemory,
  type LlamaPasses,
  packRows,
  paddedBatchRows,
} from "./llama_passes.ts";
import type { TopTokens } from "./top_tokens.ts";

export type { BatchRequest } from "./batch_lanes.ts";

/** One text, written. */
export interface BatchText<Request> {
  /** What was asked for. */
  readonly request: Request;
  /** The new tokens, the stop token included. */
  readonly tokens: readonly TokenId[];
  /** The most probable tokens in the place of each new token, where the options keep some. */
  readonly top: readonly TopTokens[];
  /**
   * f32 `[rows * taps * width]`: `tappedFeatures` of prompt and new tokens but the last, which no pass
   * has read; empty where the options have no taps.
   */
  readonly features: Float32Array;
  /** False where the limit or the context ended the text. */
  readonly stopped: boolean;
}

/** How {@link generateBatch} works. */
export interface BatchOptions extends Omit<LlamaModelOptions, "firstSlots"> {
  /** Sequences at work at the same time. */
  readonly sequences: number;
  /** Longest text, prompt included; at most the context length. */
  readonly length: number;
  /** Tokens that end a text. */
  readonly stopTokens: ReadonlySet<TokenId>;
  /** How many of the most probable tokens to keep in the place of each new token; 0 if left out. */
  readonly topTokens?: number;
  /** Ends the whole batch; texts that are not done are lost. */
  readonly signal?: AbortSignal;
}

/**
 * The texts of requests as they are finished, which is not the order in which they were asked.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { generateBatch, temperature } from "@outrider/outrider/decode";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 32 });
 * const parameters = uploadTree(device, initLlama(keyOf(1), config));
 * const stopTokens = new Set<number>();
 * const batch = { device, config, parameters, sequences: 2, length: 8, stopTokens };
 * const request = { warp: temperature(1), maximumTokens: 2 };
 * const requests = [1, 2, 3].map((id) => ({ ...request, prompt: [id], key: keyOf(id) }));
 * const texts = await Array.fromAsync(generateBatch(batch, requests));
 * assertEquals(texts.map(({ tokens }) => tokens.length), [2, 2, 2]);
 * ```
 */
export function generateBatch<Request extends BatchRequest>(
  options: BatchOptions,
  requests: Iterable<Request>,
): AsyncGenerator<BatchText<Request>> {
  return batchWriter(options)(requests);
}

/**
 * A function that does what {@link generateBatch} does with the same options, and traces its passes
 * once for all its calls.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { batchWriter, temperature } from "@outrider/outrider/decode";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 32 });
 * const parameters = uploadTree(device, initLlama(keyOf(1), config));
 * const options = { device, config, parameters, sequences: 2, length: 8, stopTokens: new Set([0]) };
 * const write = batchWriter(options);
 * const request = { prompt: [1], warp: temperature(0), key: keyOf(1), maximumTokens: 2 };
 * const [first] = await Array.fromAsync(write([request]));
 * assertEquals(await Array.fromAsync(write([request])), [first]);
 * ```
 */
export function batchWriter(
  options: BatchOptions,
): <Request extends BatchRequest>(
  requests: Iterable<Request>,
) => AsyncGenerator<BatchText<Request>> {
  const passes = compilePasses(options.device, options.config, options);
  return (requests) => writeTexts(options, passes, requests);
}

async function* writeTexts<Request extends BatchRequest>(
  options: BatchOptions,
  passes: LlamaPasses,
  requests: Iterable<Request>,
): AsyncGenerator<BatchText<Request>> {
  const { device, parameters, sequences, length, stopTokens, signal } = options;
  const waiting = requests[Symbol.iterator]();
  const lanes: (Work<Request> | undefined)[] = new Array(sequences).fill(undefined);
  const held: (readonly TokenId[])[] = new Array(sequences).fill([]);
  let cache: LlamaMemory<DeviceArray> = passes.empty(sequences * length);
  try {
    while (true) {
      signal?.throwIfAborted();
      fillLanes(lanes, held, waiting, length);
      if (lanes.every((work) => work === undefined)) return;
      const { rows, places, ready } = nextPass(lanes, length);
      using packed = upload(device, packRows(rows, paddedBatchRows(rows.length)));
      using wanted = upload(device, hostTensor(paddedPlaces(places)));
      const made = passes.step(parameters, cache, packed, wanted);
      cache = made.cache;
      using logits = made.logits;
      using maxima = made.maxima;
      if (ready.length === 0) continue;
      const turns = ready.map(turnOf);
      const { tokens, top } = await chooseTokens(
        device,
        passes,
        { logits, maxima },
        turns,
        options.topTokens ?? 0,
      );
      for (const [i, work] of ready.entries()) {
        work.text.push(tokens[i]);
        work.top.push(...top.slice(i, i + 1));
        const ended = endOf(work, length, stopTokens);
        if (ended === undefined) continue;
        const { request, text, cached } = work;
        const lane = lanes.indexOf(work);
        const features = await featuresOf(cache, lane * length, cached);
        lanes[lane] = undefined;
        held[lane] = text.slice(0, cached);
        const written = text.slice(request.prompt.length);
        yield { request, tokens: written, top: work.top, features, stopped: ended === "stop" };
      }
    }
  } finally {
    releaseTree(cache);
  }
}

/** The features that a cache keeps of `count` slots from `first` on; none where it keeps none. */
async function featuresOf(
  { features }: LlamaMemory<DeviceArray>,
  first: number,
  count: number,
): Promise<Float32Array> {
  if (features === undefined) return new Float32Array();
  const width = features.shape[1];
  return Float32Array.from(await read(features, first * width, count * width));
}

function turnOf<Request extends BatchRequest>({ request, text }: Work<Request>): Turn {
  const { warp, key } = request;
  return { text, warp, coin: () => coinsOf(key).sample(text.length) };
}

function endOf<Request extends BatchRequest>(
  { request, text }: Work<Request>,
  length: number,
  stopTokens: ReadonlySet<TokenId>,
): "stop" | "limit" | undefined {
  if (stopTokens.has(text[text.length - 1])) return "stop";
  const written = text.length - request.prompt.length;
  return written >= request.maximumTokens || text.length >= length ? "limit" : undefined;
}
