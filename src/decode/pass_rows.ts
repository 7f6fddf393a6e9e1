/**
 * The rows of logits that a pass has left on the device, as the host sees them.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { hostTensor } from "../core/host_tensor.ts";
import { sizeOf } from "../core/shape.ts";
import { type Device, read, releaseTree, upload, view } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";
import { type Logits, logitsOf, type Pass, type TokenId } from "./language_model.ts";
import type { LlamaPasses } from "./llama_passes.ts";
import { likeliestToken } from "./row_statistics.ts";

/** Rows that stay on the device until they are released. */
export interface KeptRows extends Omit<Pass<unknown>, "cache"> {
  /** Gives their memory back. */
  release(): void;
}

/** Weights of rows at a temperature. */
interface Weights {
  readonly temperature: number;
  readonly array: DeviceArray;
  readonly rows: readonly Float32Array[];
}

/**
 * The first `wanted` rows of logits where they are, f32 `[wanted or more, vocabulary]`, whose memory
 * they take over; undefined where the host has to read them.
 */
export function keptRows(
  device: Device,
  passes: Pick<LlamaPasses, "weights">,
  logits: DeviceArray,
  maxima: DeviceArray | undefined,
  wanted: number,
): KeptRows | undefined {
  const values = viewLogits(logits);
  if (values === undefined) return undefined;
  const width = logits.shape[1];
  const rows = splitRows(values, width).slice(0, wanted);
  let known: Weights | undefined;
  const weights = (temperature: number): readonly Float32Array[] => {
    if (known?.temperature === temperature) return known.rows;
    known?.array.release();
    using asked = upload(device, hostTensor(Float32Array.of(temperature), [1, 1]));
    const array = passes.weights(logits, asked);
    const made = viewLogits(array) ?? new Float32Array();
    const split = rows.map((_, i) => made.subarray(i * width, (i + 1) * width));
    known = { temperature, array, rows: split };
    return split;
  };
  const release = (): void => {
    logits.release();
    known?.array.release();
  };
  return { logits: rows, likeliest: likeliestOf(rows, maxima), weights, release };
}

/**
 * Reads logits, into `room` where that is large enough; where reading fails, the cache that came
 * with them is released.
 */
export async function readLogits(
  logits: DeviceArray,
  cache: unknown,
  room: Float32Array = new Float32Array(),
): Promise<Float32Array> {
  try {
    const count = sizeOf(logits.shape);
    const values = await read(logits, 0, count, room.subarray(0, count));
    if (values instanceof Float32Array) return values;
    throw new OutriderError("f32 logits", logits.type, "compile the pass with f32 weights");
  } catch (error) {
    releaseTree(cache);
    throw error;
  }
}

/** Logits where they are, f32 `[rows, vocabulary]`; undefined where they have to be read. */
export function viewLogits(logits: DeviceArray): Float32Array | undefined {
  const values = view(logits);
  return values instanceof Float32Array ? values : undefined;
}

/** The likeliest token of each row, where the maxima of its blocks are known and all are numbers. */
export function likeliestOf(
  rows: readonly Logits[],
  maxima: DeviceArray | undefined,
): readonly TokenId[] | undefined {
  const values = maxima && viewLogits(maxima);
  if (maxima === undefined || values === undefined) return undefined;
  const blocks = maxima.shape[1];
  const tokens: TokenId[] = [];
  for (const [i, row] of rows.entries()) {
    const token = likeliestToken(row, values.subarray(i * blocks, (i + 1) * blocks));
    if (token === undefined) return undefined;
    tokens.push(token);
  }
  return tokens;
}

/** Values `[rows, width]` as one logits row each, without copying. */
export function splitRows(values: Float32Array, width: number): Logits[] {
  const count = values.length / width;
  return Array.from(
    { length: count },
    (_, i) => logitsOf(values.subarray(i * width, (i + 1) * width)),
  );
}
