/**
 * The compiled passes of a block drafter: the target's features of new rows in, logits of a block out.
 *
 * The block's keys and values lie in the slots behind the context, where the rows of the text that
 * come to stand there write over them.
 *
 * @module
 */
import { add, full, maximum } from "../core/elementwise_ops.ts";
import { dense, gather, linear, scatterSet } from "../core/linear_ops.ts";
import { concat, iota, sliceAxis } from "../core/movement_ops.ts";
import type { Tensor } from "../core/tensor.ts";
import { blockContext, blockDrafter, contextKeyValues } from "../nn/block_drafter.ts";
import type { BlockDrafterConfig, BlockWeights } from "../nn/block_drafter_parameters.ts";
import type { KvLayers } from "../nn/llama.ts";
import { compile } from "../runtime/compile.ts";
import type { Device } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";

/** The passes; a cache that goes in is donated, and its successor comes out. */
export interface BlockPasses {
  /** A cache of zeros. */
  readonly empty: (slots: number) => KvLayers<DeviceArray>;
  /** A copy of a cache with twice the slots. */
  readonly grow: (cache: KvLayers<DeviceArray>) => KvLayers<DeviceArray>;
  /** Reads context rows at slots, i32 `[n]`, -1 for none, out of the target's features. */
  readonly read: (
    weights: BlockWeights<DeviceArray>,
    cache: KvLayers<DeviceArray>,
    features: DeviceArray,
    slots: DeviceArray,
  ) => KvLayers<DeviceArray>;
  /** Reads the last context rows and gives the logits of a block's first rows. */
  readonly draft: (
    weights: BlockWeights<DeviceArray>,
    cache: KvLayers<DeviceArray>,
    features: DeviceArray,
    request: DeviceArray,
    size: { readonly drafted: number },
  ) => { readonly logits: DeviceArray; readonly cache: KvLayers<DeviceArray> };
}

/** Scalars in front of the slots in a request. */
const HEAD = { token: 0, position: 1, last: 2, length: 3 } as const;

/**
 * A request as one i32 array: the token that the block begins with, its position, the place of the
 * last context row among `slots`, and the slots of the context rows to read, padded with -1.
 */
export function packRequest(
  token: number,
  position: number,
  slots: readonly number[],
  padded: number,
): Int32Array {
  const packed = new Int32Array(HEAD.length + padded).fill(-1);
  packed[HEAD.token] = token;
  packed[HEAD.position] = position;
  packed[HEAD.last] = slots.length - 1;
  packed.set(slots, HEAD.length);
  return packed;
}

interface Read {
  readonly context: Tensor;
  readonly cache: KvLayers<Tensor>;
}

function readContext(
  config: BlockDrafterConfig,
  { drafter }: BlockWeights<Tensor>,
  cache: KvLayers<Tensor>,
  features: Tensor,
  slots: Tensor,
): Read {
  const context = blockContext(config, drafter, gather(features, slots));
  const made = contextKeyValues(config, drafter, context, maximum(slots, 0));
  return {
    context,
    cache: cache.map(({ key, value }, layer) => ({
      key: scatterSet(key, slots, made[layer].key),
      value: scatterSet(value, slots, made[layer].value),
    })),
  };
}

/** Compiles the passes of a block drafter; each shape is traced when it first occurs. */
export function compileBlockPasses(device: Device, config: BlockDrafterConfig): BlockPasses {
  const { block, layers, keyValueHeads, headWidth } = config;
  const draft = (
    weights: BlockWeights<Tensor>,
    cache: KvLayers<Tensor>,
    features: Tensor,
    request: Tensor,
    { drafted }: { readonly drafted: number },
  ) => {
    const scalar = (place: number) => sliceAxis(request, 0, place, 1);
    const slots = sliceAxis(request, 0, HEAD.length, request.shape[0] - HEAD.length);
    const read = readContext(config, weights, cache, features, slots);
    const places = iota([block], 0);
    const repeated = (place: number) => add(full([block], 0, "i32"), scalar(place));
    const position = scalar(HEAD.position);
    const positions = add(places, position);
    const next = [...read.cache];
    const rows = {
      embedded: gather(dense(weights.embedding), repeated(HEAD.token)),
      places,
      positions,
      last: gather(read.context, repeated(HEAD.last)),
      start: full([block], 0, "i32"),
      end: add(full([block], block, "i32"), position),
    };
    const hidden = blockDrafter(config, weights.drafter, rows, (made, layer) => {
      const { key, value } = read.cache[layer];
      next[layer] = {
        key: scatterSet(key, positions, made.key),
        value: scatterSet(value, positions, made.value),
      };
      return next[layer];
    });
    return { logits: linear(sliceAxis(hidden, 0, 0, drafted), weights.head), cache: next };
  };
  const width = keyValueHeads * headWidth;
  const table = (slots: number) => full([slots, width], 0);
  const empty = (slots: number): KvLayers<Tensor> =>
    Array.from({ length: layers }, () => ({ key: table(slots), value: table(slots) }));
  const twice = (t: Tensor) => concat([t, full(t.shape, 0)], 0);
  const grow = (cache: KvLayers<Tensor>): KvLayers<Tensor> =>
    cache.map(({ key, value }) => ({ key: twice(key), value: twice(value) }));
  const read = (
    weights: BlockWeights<Tensor>,
    cache: KvLayers<Tensor>,
    features: Tensor,
    slots: Tensor,
  ) => readContext(config, weights, cache, features, slots).cache;
  return {
    empty: compile(device, empty, { name: "a block drafter's cache" }),
    grow: compile(device, grow, { name: "growth of a block drafter's cache" }),
    read: compile(device, read, { name: "a block drafter's reading", donate: [1] }),
    draft: compile(device, draft, { name: "a block draft", donate: [1] }),
  };
}
