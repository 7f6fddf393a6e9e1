/**
 * Many texts at once: one pass serves every sequence that is at work, and whoever is done makes
 * room for the next prompt at any step.
 *
 * A row's bits do not depend on its neighbours and a text's coins depend on its own key, so a text
 * is the same whatever batch it is written in.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { hostTensor } from "../core/host_tensor.ts";
import type { Key } from "../core/random.ts";
import { read, releaseTree, upload } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import { chooseTokens, type Turn } from "./batch_choice.ts";
import { coinsOf } from "./coins.ts";
import type { TokenId } from "./language_model.ts";
import type { LlamaModelOptions } from "./llama_model.ts";
import {
  compilePasses,
  type LlamaMemory,
  packRows,
  paddedBatchRows,
  type Row,
} from "./llama_passes.ts";
import type { TopTokens } from "./top_tokens.ts";
import type { Warp } from "./warp.ts";

/** One text to write. */
export interface BatchRequest {
  /** Tokens to go on from; at least one. */
  readonly prompt: readonly TokenId[];
  /** How logits become the distribution to draw from. */
  readonly warp: Warp;
  /** Decides the coins of this text alone. */
  readonly key: Key;
  /** Most tokens to write. */
  readonly maximumTokens: number;
}

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

/** A sequence at work: it owns the slots from `lane * length` on. */
interface Work<Request extends BatchRequest> {
  readonly request: Request;
  readonly text: TokenId[];
  readonly top: TopTokens[];
  /** Rows of the text that are in the cache. */
  cached: number;
}

/** Rows of a pass: what prompts may fill up beside the sequences that write. */
const PASS_ROWS = 64;

function rowsOf<Request extends BatchRequest>(
  { text, cached }: Work<Request>,
  lane: number,
  length: number,
  most: number,
): Row[] {
  const base = lane * length;
  return text.slice(cached, cached + most).map((token, i) => {
    const position = cached + i;
    const slot = base + position;
    return { token, position, slot, start: base, end: slot + 1 };
  });
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
export async function* generateBatch<Request extends BatchRequest>(
  options: BatchOptions,
  requests: Iterable<Request>,
): AsyncGenerator<BatchText<Request>> {
  const { device, config, parameters, sequences, length, stopTokens, signal } = options;
  const passes = compilePasses(device, config, options);
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
      if (ready.length === 0) continue;
      const turns = ready.map(turnOf);
      const { tokens, top } = await chooseTokens(
        device,
        passes,
        logits,
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

/**
 * Gives every free lane the next request. What its prompt has in common with the text before, whose
 * rows are still there, is not computed again: chat prompts begin alike.
 *
 * @param held the text whose rows each free lane's slots hold
 */
function fillLanes<Request extends BatchRequest>(
  lanes: (Work<Request> | undefined)[],
  held: readonly (readonly TokenId[])[],
  waiting: Iterator<Request>,
  length: number,
): void {
  for (const [lane, work] of lanes.entries()) {
    if (work !== undefined) continue;
    const next = waiting.next();
    if (next.done === true) return;
    const { prompt } = next.value;
    if (prompt.length === 0 || prompt.length >= length) {
      throw new OutriderError(
        `prompts of 1 to ${length - 1} tokens`,
        `one of ${prompt.length}`,
        "leave it out, or raise the length",
      );
    }
    // The last row is computed in any case: its logits are wanted.
    const cached = Math.min(commonLength(held[lane], prompt), prompt.length - 1);
    lanes[lane] = { request: next.value, text: [...prompt], top: [], cached };
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

/** How many tokens two texts begin with alike. */
function commonLength(a: readonly TokenId[], b: readonly TokenId[]): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}

/** One pass: the rows of all lanes, the sequences that it brings to a new token, and their places. */
interface Pass<Request extends BatchRequest> {
  readonly rows: readonly Row[];
  readonly ready: readonly Work<Request>[];
  readonly places: readonly number[];
}

/**
 * Every sequence that writes adds its one row, and prompts share what is left of the pass, so that
 * passes are alike in size and little of them is padding.
 */
function nextPass<Request extends BatchRequest>(
  lanes: readonly (Work<Request> | undefined)[],
  length: number,
): Pass<Request> {
  const rows: Row[] = [];
  const ready: Work<Request>[] = [];
  const places: number[] = [];
  const writing = lanes.filter((work) => work !== undefined && leftOf(work) === 1).length;
  let room = Math.max(PASS_ROWS - writing, 1);
  lanes.forEach((work, lane) => {
    if (work === undefined) return;
    const isWriting = leftOf(work) === 1;
    const own = rowsOf(work, lane, length, isWriting ? 1 : room);
    if (!isWriting) room -= own.length;
    rows.push(...own);
    work.cached += own.length;
    if (own.length === 0 || work.cached < work.text.length) return;
    ready.push(work);
    places.push(rows.length - 1);
  });
  return { rows, ready, places };
}

/** Rows of a text that are not in the cache yet. */
function leftOf<Request extends BatchRequest>({ text, cached }: Work<Request>): number {
  return text.length - cached;
}

/** Places of rows as an index array of one of few lengths; -1 is no row. */
function paddedPlaces(places: readonly number[]): Int32Array {
  const padded = new Int32Array(paddedBatchRows(Math.max(1, places.length))).fill(-1);
  padded.set(places);
  return padded;
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
