/**
 * A target's features of the texts of a distillation set: several texts in each pass, none of which
 * sees another.
 *
 * @module
 */
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import type { Tensor } from "../core/tensor.ts";
import type { DistillationEntry } from "../data/distillation_set.ts";
import { featureRowsOf } from "../data/feature_rows.ts";
import { llama } from "../nn/llama.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { tappedFeatures } from "../nn/tapped_features.ts";
import { compile } from "../runtime/compile.ts";
import { type Device, read, releaseTree, uploadTree } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";

/** How features are computed. */
export interface SetFeatureOptions {
  /** Where the target runs. */
  readonly device: Device;
  /** The target. */
  readonly target: {
    readonly config: LlamaConfig;
    readonly parameters: LlamaParameters<DeviceArray>;
  };
  /** Where features come from, as `tappedFeatures` counts. */
  readonly taps: readonly number[];
  /** Most rows of an entry: longer ones have none. */
  readonly mostRows: number;
  /** Rows of a pass, 512 if left out; an entry of more has a pass of its own. */
  readonly rowsPerPass?: number;
  /** Ends the run; features that were given stand. */
  readonly signal?: AbortSignal;
}

const ROWS_PER_PASS = 512;

/** A text and the row of a pass at which it begins. */
interface PlacedText {
  readonly tokens: readonly number[];
  readonly at: number;
}

/** The entries in groups that fit one pass, in order; each has its rows or none. */
function* passes(
  entries: Iterable<DistillationEntry>,
  mostRows: number,
  rowsPerPass: number,
): Generator<readonly PlacedText[]> {
  let [group, used]: [PlacedText[], number] = [[], 0];
  for (const entry of entries) {
    const rows = featureRowsOf(entry, { mostRows });
    if (used > 0 && used + rows > rowsPerPass) {
      yield group;
      [group, used] = [[], 0];
    }
    group.push({ tokens: [...entry.prompt, ...entry.response].slice(0, rows), at: used });
    used += rows;
  }
  if (group.length > 0) yield group;
}

interface PassRows<Leaf> {
  readonly tokens: Leaf;
  readonly positions: Leaf;
  readonly start: Leaf;
  readonly end: Leaf;
}

/** The rows of a pass; those behind the texts see themselves alone. */
function rowsOfPass(texts: readonly PlacedText[], count: number): PassRows<DenseHostTensor> {
  const [tokens, positions] = [new Int32Array(count), new Int32Array(count)];
  const start = Int32Array.from({ length: count }, (_, row) => row);
  for (const { tokens: text, at } of texts) {
    text.forEach((token, i) => {
      [tokens[at + i], positions[at + i], start[at + i]] = [token, i, at];
    });
  }
  const end = Int32Array.from({ length: count }, (_, row) => row + 1);
  const [a, b, c, d] = [tokens, positions, start, end].map((rows) => hostTensor(rows));
  return { tokens: a, positions: b, start: c, end: d };
}

/**
 * The features of every entry, f32 `[rows * taps * width]` of `featureRowsOf` its rows, in order.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { setFeatures } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 8 });
 * const target = { config, parameters: uploadTree(device, initLlama(keyOf(1), config)) };
 * const entry = { prompt: [1, 2], response: [3, 4], temperature: 0, topP: 1, seed: 0 };
 * const options = { device, target, taps: [0, 1], mostRows: 8, rowsPerPass: 4 };
 * const [features] = await Array.fromAsync(setFeatures([entry], options));
 * assertEquals(features.length, 3 * 2 * 8);
 * ```
 */
export async function* setFeatures(
  entries: Iterable<DistillationEntry>,
  options: SetFeatureOptions,
): AsyncGenerator<Float32Array> {
  const { device, target, taps, mostRows, rowsPerPass = ROWS_PER_PASS, signal } = options;
  const { config, parameters } = target;
  const compute = compile(
    device,
    (weights: LlamaParameters<Tensor>, rows: PassRows<Tensor>) =>
      tappedFeatures(llama(config, weights, rows), taps),
    { name: "features of a target" },
  );
  const width = taps.length * config.width;
  for (const texts of passes(entries, mostRows, rowsPerPass)) {
    signal?.throwIfAborted();
    const used = texts.reduce((most, { tokens, at }) => Math.max(most, at + tokens.length), 0);
    if (used === 0) {
      yield* texts.map(() => new Float32Array());
      continue;
    }
    const rows = uploadTree(
      device,
      rowsOfPass(texts, Math.ceil(used / rowsPerPass) * rowsPerPass),
    );
    const features = compute(parameters, rows);
    try {
      const values = await read(features);
      for (const { tokens, at } of texts) {
        yield Float32Array.from(values.subarray(at * width, (at + tokens.length) * width));
      }
    } finally {
      releaseTree([rows, features]);
    }
  }
}
