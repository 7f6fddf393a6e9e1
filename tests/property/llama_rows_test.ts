/**
 * P8 through a whole model: however a sequence is split into steps, and whatever else runs in them,
 * its logits and its cache have the same bits.
 */
import { assertEquals } from "@std/assert";
import * as core from "../../src/core/mod.ts";
import type { HostTensor, PackedType, Tensor } from "../../src/core/mod.ts";
import type { CacheType } from "../../src/decode/mod.ts";
import {
  buildLlama,
  type KvLayers,
  llama,
  llamaLogits,
  type LlamaParameters,
  tinyLlama,
} from "../../src/nn/mod.ts";
import {
  compile,
  createDevice,
  type Device,
  type DeviceArray,
  read,
  releaseTree,
  upload,
  uploadTree,
} from "../../src/runtime/mod.ts";
import { BACKENDS, casesFor, testOn } from "../conformance/backends.ts";
import { PACKED_TYPES } from "../conformance/cases_product.ts";
import { dice } from "./random_graph.ts";

const config = tinyLlama({
  layers: 2,
  width: 64,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 16,
  feedForwardWidth: 96,
  vocabulary: 50,
});
const SLOTS = 64;
const LENGTH = 23;
/** The second sequence of a batch has slots of its own. */
const SECOND = 32;

/** Seeded weights, the matrices in the given storage type. */
function weights(type: "f32" | PackedType): LlamaParameters<HostTensor> {
  return buildLlama(config, ({ name, shape }): HostTensor => {
    const values = core.normals(core.foldIn(core.keyOf(1), name), core.sizeOf(shape));
    const spread = values.map((x) => shape.length === 1 ? 1 + 0.2 * x : 0.15 * x);
    if (type === "f32" || shape.length === 1) return core.hostTensor(spread, shape);
    const [rows, columns] = shape;
    return core.packedHostTensor(type, shape, core.packMatrix(type, rows, columns, spread));
  });
}

/** One row of a step: a token of a sequence that begins at slot `base`. */
interface Row {
  readonly base: number;
  readonly position: number;
  readonly token: number;
}

const tokenAt = (base: number, position: number): number => (7 * position * position + base) % 50;

const rowAt = (base: number, position: number): Row => ({
  base,
  position,
  token: tokenAt(base, position),
});

/** A model with its cache on a device. */
interface CachedModel {
  /** The logits of the rows, one array of `vocabulary` per row. */
  step(rows: readonly Row[]): Promise<Int32Array[]>;
  /** The bits of all keys and values of a slot range. */
  cacheBits(from: number, to: number): Promise<Int32Array[]>;
  close(): void;
}

const bits = (values: core.HostArray): Int32Array =>
  new Int32Array(values.buffer, values.byteOffset, values.length);

function open(
  device: Device,
  parameters: LlamaParameters<DeviceArray>,
  cacheType: CacheType,
): CachedModel {
  const width = config.keyValueHeads * config.headWidth / (cacheType === "f16" ? 2 : 1);
  const Elements = cacheType === "f16" ? Int32Array : Float32Array;
  const empty = () => core.hostTensor(new Elements(SLOTS * width), [SLOTS, width]);
  let cache: KvLayers<DeviceArray> = uploadTree(
    device,
    Array.from({ length: config.layers }, () => ({ key: empty(), value: empty() })),
  );
  const forward = compile(
    device,
    (
      p: LlamaParameters<Tensor>,
      rows: Record<"tokens" | "positions" | "start" | "end" | "slots", Tensor>,
      kv: KvLayers<Tensor>,
    ) => {
      const output = llama(config, p, rows, kv);
      return { logits: llamaLogits(p, output.hidden), cache: output.cache };
    },
    { name: "forward", donate: [2] },
  );
  return {
    async step(rows) {
      const column = (pick: (row: Row) => number) =>
        upload(device, core.hostTensor(Int32Array.from(rows, pick)));
      const given = {
        tokens: column(({ token }) => token),
        positions: column(({ position }) => position),
        start: column(({ base }) => base),
        end: column(({ base, position }) => base + position + 1),
        slots: column(({ base, position }) => base + position),
      };
      const result = forward(parameters, given, cache);
      cache = result.cache;
      const logits = bits(await read(result.logits));
      releaseTree([given, result.logits]);
      return rows.map((_, r) =>
        logits.subarray(r * config.vocabulary, (r + 1) * config.vocabulary)
      );
    },
    async cacheBits(from, to) {
      const found: Int32Array[] = [];
      for (const { key, value } of cache) {
        for (const array of [key, value]) {
          found.push(bits(await read(array, from * width, (to - from) * width)));
        }
      }
      return found;
    },
    close: () => releaseTree(cache),
  };
}

/** All rows of the first sequence, in steps of the given lengths; the last one takes the rest. */
async function inSteps(model: CachedModel, lengths: readonly number[]): Promise<Int32Array[]> {
  const logits: Int32Array[] = [];
  for (const length of [...lengths, LENGTH]) {
    const count = Math.min(length, LENGTH - logits.length);
    if (count === 0) break;
    const first = logits.length;
    logits.push(
      ...await model.step(Array.from({ length: count }, (_, i) => rowAt(0, first + i))),
    );
  }
  return logits;
}

/** The first sequence with a second one mixed into its steps, in a random order of rows. */
async function mixed(model: CachedModel, seed: number): Promise<Int32Array[]> {
  const roll = dice(core.keyOf(seed));
  const logits: Int32Array[] = [];
  let other = 0;
  while (logits.length < LENGTH) {
    const count = Math.min(1 + roll.below(6), LENGTH - logits.length);
    const rows = [
      ...Array.from({ length: count }, (_, i) => rowAt(0, logits.length + i)),
      ...Array.from({ length: roll.below(4) }, (_, i) => rowAt(SECOND, other + i)),
    ];
    other += rows.length - count;
    const order = core.permutation(core.foldIn(core.keyOf(seed), logits.length), rows.length);
    const found = await model.step([...order].map((at) => rows[at]));
    const placed = rows.map((_, at) => found[order.indexOf(at)]);
    logits.push(...placed.slice(0, count));
  }
  return logits;
}

/** Decoding with wrong guesses: rows are written ahead, then the sequence goes back over them. */
async function withRollbacks(model: CachedModel, seed: number): Promise<Int32Array[]> {
  const roll = dice(core.keyOf(seed));
  const logits: Int32Array[] = [];
  while (logits.length < LENGTH) {
    const first = logits.length;
    const right = Math.min(1 + roll.below(3), LENGTH - first);
    const rows = Array.from({ length: right + roll.below(4) }, (_, i) => {
      const row = rowAt(0, first + i);
      return i < right ? row : { ...row, token: (row.token + 1 + roll.below(40)) % 50 };
    });
    logits.push(...(await model.step(rows)).slice(0, right));
  }
  return logits;
}

const TYPES: readonly (readonly ["f32" | PackedType, CacheType])[] = [
  ...(["f32", ...PACKED_TYPES] as const).map((type) => [type, "f32"] as const),
  ["f32", "f16"],
  ["integer_q8_0", "f16"],
];

const WAYS: { readonly [way: string]: (model: CachedModel) => Promise<Int32Array[]> } = {
  "one row at a time": (model) => inSteps(model, new Array<number>(LENGTH).fill(1)),
  "a prompt and then rows": (model) => inSteps(model, [17, 1, 1, 3]),
  "uneven steps": (model) => inSteps(model, [2, 5, 1, 8, 4]),
  "another sequence between its rows": (model) => mixed(model, 5),
  "wrong guesses that are taken back": (model) => withRollbacks(model, 6),
};

for (const backend of BACKENDS) {
  for (const [type, cacheType] of casesFor(backend, TYPES, 4).taken) {
    const promise =
      `a ${type} Llama with an ${cacheType} cache gives the same bits in any split of its rows`;
    testOn(backend, promise, async (opened) => {
      const device = createDevice(opened);
      const parameters = uploadTree(device, weights(type));
      const whole = open(device, parameters, cacheType);
      const logits = await inSteps(whole, []);
      const cache = await whole.cacheBits(0, LENGTH);
      whole.close();
      for (const [way, run] of Object.entries(WAYS)) {
        const model = open(device, parameters, cacheType);
        assertEquals(await run(model), logits, `logits of ${way}`);
        assertEquals(await model.cacheBits(0, LENGTH), cache, `cache of ${way}`);
        model.close();
      }
      releaseTree(parameters);
      assertEquals(device.counters().liveSlots, 0);
      device.close();
    });
  }
}
