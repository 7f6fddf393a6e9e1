/**
 * The compiled passes of a transformer with a cache: rows in, logits out.
 *
 * @module
 */
import { full } from "../core/elementwise_ops.ts";
import { OutriderError } from "../core/errors.ts";
import { HALF_BLOCK } from "../core/half_layout.ts";
import { type HostTensor, hostTensor } from "../core/host_tensor.ts";
import { argmax, gather, scatterSet, sum } from "../core/linear_ops.ts";
import { concat, reshape, sliceAxis } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  type KvLayers,
  llama,
  llamaLogits,
  type LlamaOutput,
  type LlamaRows,
} from "../nn/llama.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { tappedFeatures } from "../nn/tapped_features.ts";
import { compile } from "../runtime/compile.ts";
import type { Device } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import type { TokenId } from "./language_model.ts";
import {
  blockMaxima,
  hasStatistics,
  type LogitStatistics,
  logitStatistics,
  weightsAt,
} from "./row_statistics.ts";

/** One row of a pass. */
export interface Row {
  readonly token: TokenId;
  /** Position in its text. */
  readonly position: number;
  /** Cache slot that its keys and values are written to. */
  readonly slot: number;
  /** First slot that it sees. */
  readonly start: number;
  /** Slot after the last one of the window that it sees; its own is `end - 1` in a chain. */
  readonly end: number;
  /** Slots that it sees behind the window: its ancestors and its own in a tree; none in a chain. */
  readonly extra?: readonly number[];
}

/** Row counts that passes are padded to, so that few shapes are compiled. */
export function paddedRows(rows: number): number {
  if (rows <= 16) return rows;
  const step = rows <= 64 ? 8 : 64;
  return Math.ceil(rows / step) * step;
}

/** Row counts of a batch, in which rows come and go: a finer grain would compile a plan for each. */
export function paddedBatchRows(rows: number): number {
  if (rows <= 2) return rows;
  const step = rows <= 16 ? 4 : rows <= 64 ? 8 : 64;
  return Math.ceil(rows / step) * step;
}

/** Numbers of a row besides its extra slots. */
const ROW_NUMBERS = 5;

/** Counts of extra slots and of kept rows that passes are padded to: powers of two from 4 on. */
export function paddedDepth(depth: number): number {
  return depth === 0 ? 0 : Math.max(4, 2 ** Math.ceil(Math.log2(depth)));
}

/**
 * Rows as one i32 array `[5 + depth, padded]`: five numbers of all rows, then `depth` extra slots of
 * each row, padded with -1. Padding rows see nothing and write nowhere.
 */
export function packRows(rows: readonly Row[], padded = paddedRows(rows.length)): HostTensor {
  const depth = paddedDepth(Math.max(0, ...rows.map(({ extra }) => extra?.length ?? 0)));
  const packed = new Int32Array((ROW_NUMBERS + depth) * padded);
  packed.fill(-1, 4 * padded);
  rows.forEach(({ token, position, slot, start, end, extra = [] }, i) => {
    packed[i] = token;
    packed[padded + i] = position;
    packed[2 * padded + i] = start;
    packed[3 * padded + i] = end;
    packed[4 * padded + i] = slot;
    packed.set(extra, ROW_NUMBERS * padded + i * depth);
  });
  return hostTensor(packed, [ROW_NUMBERS + depth, padded]);
}

function unpacked(packed: Tensor): LlamaRows {
  const [height, count] = packed.shape;
  const depth = height - ROW_NUMBERS;
  const row = (i: number) => reshape(sliceAxis(packed, 0, i, 1), [count]);
  const extra = depth === 0
    ? undefined
    : reshape(sliceAxis(packed, 0, ROW_NUMBERS, depth), [count, depth]);
  return { tokens: row(0), positions: row(1), start: row(2), end: row(3), slots: row(4), extra };
}

/** What a sequence keeps on the device. */
export interface LlamaMemory<Leaf> {
  /** Keys and values of every layer. */
  readonly layers: KvLayers<Leaf>;
  /** f32 `[slots, taps * width]`: `tappedFeatures` of every row, where a drafter reads them. */
  readonly features?: Leaf;
}

/** The passes; a cache that goes in is donated, and its successor comes out. */
export interface LlamaPasses {
  /**
   * Runs packed rows and gives the logits of those at the places `wanted`, i32 `[n]`, and of each the
   * {@link blockMaxima}, where the host can look at them and they are worth it.
   */
  readonly step: (
    parameters: LlamaParameters<DeviceArray>,
    cache: LlamaMemory<DeviceArray>,
    rows: DeviceArray,
    wanted: DeviceArray,
  ) => {
    readonly logits: DeviceArray;
    readonly maxima?: DeviceArray;
    readonly cache: LlamaMemory<DeviceArray>;
  };
  /**
   * The token with the largest logit of each row, i32 `[n]`, and the row's sum, f32 `[n]`, which is
   * finite where all its logits are.
   */
  readonly likeliest: (
    logits: DeviceArray,
  ) => { readonly tokens: DeviceArray; readonly sums: DeviceArray };
  /** What logits come to at the temperature of each row, f32 `[n, 1]`. */
  readonly statistics: (
    logits: DeviceArray,
    temperatures: DeviceArray,
  ) => LogitStatistics<DeviceArray>;
  /** `exp((logit - largest) / temperature)`, f32 `[n, vocabulary]`, of a temperature, f32 `[1, 1]`. */
  readonly weights: (logits: DeviceArray, temperature: DeviceArray) => DeviceArray;
  /** Runs packed rows for their keys and values alone. */
  readonly fill: (
    parameters: LlamaParameters<DeviceArray>,
    cache: LlamaMemory<DeviceArray>,
    rows: DeviceArray,
  ) => LlamaMemory<DeviceArray>;
  /** Moves rows of a cache from slots to slots, i32 `[2, n]`, -1 for none. */
  readonly move: (cache: LlamaMemory<DeviceArray>, slots: DeviceArray) => LlamaMemory<DeviceArray>;
  /** A copy of a cache with twice the slots. */
  readonly grow: (cache: LlamaMemory<DeviceArray>) => LlamaMemory<DeviceArray>;
  /** A cache of zeros. */
  readonly empty: (slots: number) => LlamaMemory<DeviceArray>;
}

/**
 * How keys and values are kept: f32, or binary16 in half the memory, which rounds them to 11 bits.
 * Beyond 65504 binary16 keeps 65536, and later rows do not see that a key or value was not a number.
 */
export type CacheType = "f32" | "f16";

/** Every cache type, for flags and messages. */
export const CACHE_TYPES: readonly CacheType[] = ["f32", "f16"];

function checkCacheType({ headWidth }: LlamaConfig, cacheType: CacheType): void {
  if (cacheType === "f32" || headWidth % HALF_BLOCK === 0) return;
  throw new OutriderError(
    `heads of a multiple of ${HALF_BLOCK} wide for an f16 cache`,
    `${headWidth}`,
    "use an f32 cache",
  );
}

function twice(table: Tensor): Tensor {
  const type = table.type === "i32" ? "i32" : "f32";
  return concat([table, full(table.shape, 0, type)], 0);
}

function emptyMemory(
  config: LlamaConfig,
  slots: number,
  { cacheType = "f32", taps }: PassOptions,
): LlamaMemory<Tensor> {
  const width = config.keyValueHeads * config.headWidth;
  const table = () =>
    cacheType === "f16" ? full([slots, width / 2], 0, "i32") : full([slots, width], 0);
  const layers = Array.from(
    { length: config.layers },
    () => ({ key: table(), value: table() }),
  );
  return taps === undefined
    ? { layers }
    : { layers, features: full([slots, taps.length * config.width], 0) };
}

/** The memory with what a pass gave written to the rows' slots. */
function remembered(
  output: LlamaOutput,
  { features }: LlamaMemory<Tensor>,
  { slots }: LlamaRows,
  taps: readonly number[] | undefined,
): LlamaMemory<Tensor> {
  const layers = output.cache;
  if (features === undefined || taps === undefined || slots === undefined) return { layers };
  return { layers, features: scatterSet(features, slots, tappedFeatures(output, taps)) };
}

/** What passes keep, and how. */
export interface PassOptions {
  /** How keys and values are kept; f32 if left out. */
  readonly cacheType?: CacheType;
  /** The target's features that are kept for a drafter; none if left out. */
  readonly taps?: readonly number[];
}

/**
 * Compiles the passes of a model; each shape is traced when it first occurs.
 *
 * @throws OutriderError where the model's heads do not suit the cache type
 */
export function compilePasses(
  device: Device,
  config: LlamaConfig,
  options: PassOptions = {},
): LlamaPasses {
  const { cacheType = "f32", taps } = options;
  checkCacheType(config, cacheType);
  const isSummedUp = device.backend.view !== undefined && hasStatistics(config.vocabulary);
  const pass = (
    parameters: LlamaParameters<Tensor>,
    cache: LlamaMemory<Tensor>,
    packed: Tensor,
  ): { readonly hidden: Tensor; readonly cache: LlamaMemory<Tensor> } => {
    const rows = unpacked(packed);
    const output = llama(config, parameters, rows, cache.layers);
    return { hidden: output.hidden, cache: remembered(output, cache, rows, taps) };
  };
  const step = (
    parameters: LlamaParameters<Tensor>,
    cache: LlamaMemory<Tensor>,
    rows: Tensor,
    wanted: Tensor,
  ) => {
    const output = pass(parameters, cache, rows);
    const logits = llamaLogits(parameters, gather(output.hidden, wanted));
    const maxima = isSummedUp ? { maxima: blockMaxima(logits) } : {};
    return { logits, ...maxima, cache: output.cache };
  };
  const likeliest = (logits: Tensor) => ({ tokens: argmax(logits), sums: sum(logits, [-1]) });
  const fill = (parameters: LlamaParameters<Tensor>, cache: LlamaMemory<Tensor>, rows: Tensor) =>
    pass(parameters, cache, rows).cache;
  const move = ({ layers, features }: LlamaMemory<Tensor>, slots: Tensor): LlamaMemory<Tensor> => {
    const side = (i: number) => reshape(sliceAxis(slots, 0, i, 1), [slots.shape[1]]);
    const moved = (table: Tensor) => scatterSet(table, side(1), gather(table, side(0)));
    const kept = layers.map(({ key, value }) => ({ key: moved(key), value: moved(value) }));
    return features === undefined ? { layers: kept } : { layers: kept, features: moved(features) };
  };
  const grow = ({ layers, features }: LlamaMemory<Tensor>): LlamaMemory<Tensor> => {
    const doubled = layers.map(({ key, value }) => ({ key: twice(key), value: twice(value) }));
    return features === undefined
      ? { layers: doubled }
      : { layers: doubled, features: twice(features) };
  };
  const empty = (slots: number) => emptyMemory(config, slots, options);
  return {
    step: compile(device, step, { name: "a forward pass", donate: [1] }),
    likeliest: compile(device, likeliest, { name: "the likeliest tokens" }),
    statistics: compile(device, logitStatistics, { name: "statistics of logits" }),
    weights: compile(device, weightsAt, { name: "weights of logits" }),
    fill: compile(device, fill, { name: "a prefill pass", donate: [1] }),
    move: compile(device, move, { name: "keeping a path", donate: [0] }),
    grow: compile(device, grow, { name: "cache growth" }),
    empty: compile(device, empty, { name: "a new cache" }),
  };
}
