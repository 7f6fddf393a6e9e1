/**
 * Llamas of any size with random weights: speed does not depend on what the weights are.
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import {
  type HostTensor,
  hostTensor,
  normals,
  packedHostTensor,
  packMatrix,
} from "@outrider/outrider/core";
import { type CacheType, llamaModel } from "@outrider/outrider/decode";
import { buildLlama, type LlamaConfig, type NamedShape, tinyLlama } from "@outrider/outrider/nn";
import { type Device, upload } from "@outrider/outrider/runtime";
import type { OpenModel } from "./models.ts";

const SMOLLM = { headWidth: 64, contextLength: 8192, vocabulary: 49152, ropeBase: 100_000 };

/** Configurations by size; those of 135 M and above are of well-known chat models. */
export const SIZES: Readonly<Record<string, LlamaConfig>> = {
  "25 M": tinyLlama({
    ...{ layers: 12, width: 320, heads: 5, keyValueHeads: 5, headWidth: 64 },
    ...{ feedForwardWidth: 864, vocabulary: 32768, contextLength: 2048 },
  }),
  "135 M": tinyLlama({
    ...SMOLLM,
    ...{ layers: 30, width: 576, heads: 9, keyValueHeads: 3, feedForwardWidth: 1536 },
  }),
  "360 M": tinyLlama({
    ...SMOLLM,
    ...{ layers: 32, width: 960, heads: 15, keyValueHeads: 5, feedForwardWidth: 2560 },
  }),
  "1.1 B": tinyLlama({
    ...{ layers: 22, width: 2048, heads: 32, keyValueHeads: 4, headWidth: 64 },
    ...{ feedForwardWidth: 5632, vocabulary: 32000, contextLength: 2048, tiedEmbeddings: false },
  }),
};

/** Numbers that all matrices are cut from; drawing each anew would take minutes. */
const TABLE = 65_521;

function randomWeight({ shape }: NamedShape, table: Float32Array): HostTensor {
  if (shape.length === 1) return hostTensor(new Float32Array(shape[0]).fill(1), shape);
  const [rows, columns] = shape;
  const deviation = columns ** -0.5;
  const scaled = table.map((value) => value * deviation);
  const values = new Float32Array(rows * columns);
  for (let at = 0; at < values.length; at += TABLE) {
    values.set(scaled.subarray(0, Math.min(TABLE, values.length - at)), at);
  }
  return packedHostTensor("integer_q8_0", shape, packMatrix("integer_q8_0", rows, columns, values));
}

/** A model with random q8 weights on a device. */
export function randomModel(
  device: Device,
  config: LlamaConfig,
  cacheType: CacheType = "f32",
): Pick<OpenModel, "device" | "config" | "parameters" | "model"> & {
  readonly cacheType: CacheType;
} {
  const table = normals(keyOf(1), TABLE);
  const parameters = buildLlama(config, (named) => upload(device, randomWeight(named, table)));
  const model = llamaModel({ device, config, parameters, cacheType });
  return { device, config, parameters, model, cacheType };
}
