/**
 * A Llama-family transformer on a device as a language model for decoders.
 *
 * @module
 */
import { full } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import { hostTensor } from "../core/host_tensor.ts";
import { gather } from "../core/linear_ops.ts";
import { concat, reshape, sliceAxis } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { type KvLayers, llama, llamaLogits, type LlamaRows } from "../nn/llama.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { compile } from "../runtime/compile.ts";
import { type Device, read, releaseTree, upload } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import { own, type Owned } from "../runtime/owned.ts";
import { type LanguageModel, type Logits, logitsOf, type TokenId } from "./language_model.ts";

/** What {@link llamaModel} is made of. */
export interface LlamaModelOptions {
  readonly device: Device;
  readonly config: LlamaConfig;
  /** Weights on the device; they stay the caller's and must outlive the model. */
  readonly parameters: LlamaParameters<DeviceArray>;
  /** Slots of a new cache; it doubles when it is full. 256 if left out. */
  readonly firstSlots?: number;
}

/** Keys and values of one sequence. Rollback lowers `length`; the slots above it are free. */
interface Sequence {
  readonly layers: KvLayers<DeviceArray>;
  readonly slots: number;
  readonly length: number;
}

/** A use-once handle of a sequence's keys and values. */
export type LlamaCache = Owned<Sequence>;

/** Most rows of one pass; longer prompts go in several. */
const MOST_ROWS = 128;

/** Row counts that passes are padded to, so that few shapes are compiled. */
function paddedRows(rows: number): number {
  if (rows <= 16) return rows;
  return 2 ** Math.ceil(Math.log2(rows));
}

/** The rows of a step as one i32 array `[5, rows]`: tokens, positions, start, end, slots. */
function rowsOf(packed: Tensor): LlamaRows {
  const [, count] = packed.shape;
  const row = (i: number) => reshape(sliceAxis(packed, 0, i, 1), [count]);
  return { tokens: row(0), positions: row(1), start: row(2), end: row(3), slots: row(4) };
}

/** A chain of tokens that continues a sequence; padding rows see and write nothing. */
function chainRows(tokens: readonly TokenId[], length: number): Int32Array {
  const count = paddedRows(tokens.length);
  const packed = new Int32Array(5 * count);
  packed.fill(-1, 4 * count);
  tokens.forEach((token, i) => {
    packed[i] = token;
    packed[count + i] = length + i;
    packed[3 * count + i] = length + i + 1;
    packed[4 * count + i] = length + i;
  });
  return packed;
}

/** Compiled forms of the passes over one set of weights. */
function passes(device: Device, config: LlamaConfig) {
  const step = (
    parameters: LlamaParameters<Tensor>,
    cache: KvLayers<Tensor>,
    rows: Tensor,
    wanted: Tensor,
  ) => {
    const output = llama(config, parameters, rowsOf(rows), cache);
    const logits = llamaLogits(parameters, gather(output.hidden, wanted));
    return { logits, cache: output.cache };
  };
  const fill = (parameters: LlamaParameters<Tensor>, cache: KvLayers<Tensor>, rows: Tensor) =>
    llama(config, parameters, rowsOf(rows), cache).cache;
  const doubled = (cache: KvLayers<Tensor>): KvLayers<Tensor> =>
    cache.map(({ key, value }) => ({ key: twice(key), value: twice(value) }));
  return {
    step: compile(device, step, { name: "a forward pass", donate: [1] }),
    fill: compile(device, fill, { name: "a prefill pass", donate: [1] }),
    grow: compile(device, doubled, { name: "cache growth" }),
  };
}

function twice(table: Tensor): Tensor {
  return concat([table, full(table.shape, 0)], 0);
}

function checkTokens(config: LlamaConfig, tokens: readonly TokenId[], length: number): void {
  if (length + tokens.length > config.contextLength) {
    throw new OutriderError(
      `at most ${config.contextLength} tokens in the context`,
      `${length + tokens.length}`,
      "shorten the prompt or ask for fewer tokens",
    );
  }
  const wrong = tokens.find((id) => !(Number.isInteger(id) && id >= 0 && id < config.vocabulary));
  if (wrong !== undefined || tokens.length === 0) {
    throw new OutriderError(
      `one or more token ids below ${config.vocabulary}`,
      wrong === undefined ? "none" : `${wrong}`,
      "encode the text with the model's own tokenizer",
    );
  }
}

/**
 * The language model of a transformer whose weights are on a device.
 *
 * A row's logits are the same to the bit however many rows run together. The second pass of a row
 * count compiles nothing; a cache that outgrows its slots doubles them, which compiles once.
 */
export function llamaModel(options: LlamaModelOptions): LanguageModel<LlamaCache> {
  const { device, config, parameters } = options;
  const compiled = passes(device, config);
  const firstSlots = Math.min(options.firstSlots ?? 256, config.contextLength);
  const empty = compile(device, () => emptyLayers(config, firstSlots), { name: "a new cache" });

  const grown = (sequence: Sequence, length: number): Sequence => {
    let { layers, slots } = sequence;
    while (slots < length) {
      const larger = compiled.grow(layers);
      releaseTree(layers);
      layers = larger;
      slots *= 2;
    }
    return { ...sequence, layers, slots };
  };

  const advance = async (
    sequence: Sequence,
    tokens: readonly TokenId[],
    wanted: number,
  ): Promise<{ readonly sequence: Sequence; readonly logits: Float32Array }> => {
    const length = sequence.length + tokens.length;
    const packed = chainRows(tokens, sequence.length);
    using rows = upload(device, hostTensor(packed, [5, packed.length / 5]));
    if (wanted === 0) {
      const layers = compiled.fill(parameters, sequence.layers, rows);
      return { sequence: { ...sequence, layers, length }, logits: new Float32Array() };
    }
    const last = Int32Array.from({ length: wanted }, (_, i) => tokens.length - wanted + i);
    using places = upload(device, hostTensor(last));
    const result = compiled.step(parameters, sequence.layers, rows, places);
    using logits = result.logits;
    const next = { ...sequence, layers: result.cache, length };
    return { sequence: next, logits: await readOrRelease(logits, next) };
  };

  return {
    vocabulary: config.vocabulary,
    contextLength: config.contextLength,
    open: () => own("cache", { layers: empty(), slots: firstSlots, length: 0 }),
    lengthOf: (cache) => cache.look().length,
    forward: async (cache, tokens, wanted) => {
      checkTokens(config, tokens, cache.look().length);
      const total = tokens.length;
      let sequence = cache.take("forward");
      sequence = grown(sequence, sequence.length + total);
      const logits: Logits[] = [];
      for (let from = 0; from < total; from += MOST_ROWS) {
        const chunk = tokens.slice(from, from + MOST_ROWS);
        const rows = Math.min(chunk.length, Math.max(0, from + chunk.length - (total - wanted)));
        const passed = await advance(sequence, chunk, rows);
        sequence = passed.sequence;
        logits.push(...splitRows(passed.logits, config.vocabulary));
      }
      return { cache: own("cache", sequence), logits };
    },
    truncate: (cache, length) => {
      const sequence = cache.take("truncate");
      return own("cache", { ...sequence, length: Math.min(length, sequence.length) });
    },
    close: (cache) => {
      if (cache.live) releaseTree(cache.take("close").layers);
    },
  };
}

/** Reads logits; where that fails, nothing of the sequence stays behind. */
async function readOrRelease(logits: DeviceArray, sequence: Sequence): Promise<Float32Array> {
  try {
    const values = await read(logits);
    if (values instanceof Float32Array) return values;
    throw new OutriderError("f32 logits", logits.type, "report this");
  } catch (error) {
    releaseTree(sequence.layers);
    throw error;
  }
}

function emptyLayers(config: LlamaConfig, slots: number): KvLayers<Tensor> {
  const table = () => full([slots, config.keyValueHeads * config.headWidth], 0);
  return Array.from({ length: config.layers }, () => ({ key: table(), value: table() }));
}

function splitRows(values: Float32Array, width: number): Logits[] {
  const count = values.length / width;
  return Array.from(
    { length: count },
    (_, i) => logitsOf(values.subarray(i * width, (i + 1) * width)),
  );
}
