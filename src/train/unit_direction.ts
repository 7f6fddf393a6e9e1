/**
 * The direction in which a model's hidden states measure about 1: a bias for a head that has none.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type DenseHostTensor, hostTensor } from "../core/host_tensor.ts";
import { foldIn, keyOf, uniformInteger } from "../core/random.ts";
import type { Tensor } from "../core/tensor.ts";
import { generateBatch } from "../decode/generate_batch.ts";
import { temperature } from "../decode/warp.ts";
import { loadLlama, type StoredWeights } from "../io/load_llama.ts";
import { llama, type LlamaRows } from "../nn/llama.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { compile } from "../runtime/compile.ts";
import { type Device, read, releaseTree, uploadTree } from "../runtime/device.ts";
import { uploadsTo } from "../runtime/uploads.ts";
import type { DeviceArray } from "../runtime/device_array.ts";

/** Added to the diagonal, over its mean: directions that hardly vary say nothing. */
const RIDGE = 1e-4;

/**
 * The vector `v` of least squares `sum over rows (hidden . v - 1)^2`, f32 `[width]`, of hidden states
 * `[rows, width]`.
 *
 * @throws OutriderError where there are no rows, or all are 0
 * @example
 * ```ts
 * import { unitDirection } from "@outrider/outrider/train";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const v = unitDirection(Float32Array.of(2, 1, 2, -1), 2);
 * assertAlmostEquals(v[0], 0.5, 1e-3);
 * assertAlmostEquals(v[1], 0, 1e-3);
 * ```
 */
export function unitDirection(hidden: Float32Array, width: number): Float32Array<ArrayBuffer> {
  const rows = hidden.length / width;
  const products = new Float64Array(width * width);
  const sums = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    const values = hidden.subarray(row * width, (row + 1) * width);
    for (let i = 0; i < width; i++) {
      sums[i] += values[i];
      for (let j = 0; j <= i; j++) products[i * width + j] += values[i] * values[j];
    }
  }
  let trace = 0;
  for (let i = 0; i < width; i++) trace += products[i * (width + 1)];
  if (!(rows >= 1 && trace > 0)) {
    throw new OutriderError(
      "hidden states other than 0",
      `${rows} rows`,
      "let the model write more",
    );
  }
  for (let i = 0; i < width; i++) products[i * (width + 1)] += RIDGE * trace / width;
  return Float32Array.from(solved(products, sums, width));
}

/** Solves a positive definite system, of which the lower triangle is given, by Cholesky. */
function solved(matrix: Float64Array, right: Float64Array, width: number): Float64Array {
  const lower = Float64Array.from(matrix);
  for (let i = 0; i < width; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = lower[i * width + j];
      for (let k = 0; k < j; k++) sum -= lower[i * width + k] * lower[j * width + k];
      lower[i * width + j] = i === j ? Math.sqrt(sum) : sum / lower[j * (width + 1)];
    }
  }
  const x = Float64Array.from(right);
  for (let i = 0; i < width; i++) {
    for (let k = 0; k < i; k++) x[i] -= lower[i * width + k] * x[k];
    x[i] /= lower[i * (width + 1)];
  }
  for (let i = width - 1; i >= 0; i--) {
    for (let k = i + 1; k < width; k++) x[i] -= lower[k * width + i] * x[k];
    x[i] /= lower[i * (width + 1)];
  }
  return x;
}

/** A model that writes texts of its own. */
export interface OwnTexts {
  /** Where it runs. */
  readonly device: Device;
  /** Its sizes. */
  readonly config: LlamaConfig;
  /** Its weights. */
  readonly parameters: LlamaParameters<DeviceArray>;
  /** How many texts it writes, each after a random token. */
  readonly texts: number;
  /** Tokens of a text. */
  readonly length: number;
  /** Decides the texts. */
  readonly seed: number;
}

/**
 * The last hidden states of a model along texts that it samples itself at temperature 1, f32
 * `[texts * length, width]`.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { referenceBackend } from "@outrider/outrider/backends/reference";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice, uploadTree } from "@outrider/outrider/runtime";
 * import { ownHiddenStates } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const device = createDevice(referenceBackend());
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 32 });
 * const parameters = uploadTree(device, initLlama(keyOf(1), config));
 * const own = { device, config, parameters, texts: 2, length: 4, seed: 1 };
 * assertEquals((await ownHiddenStates(own)).length, 2 * 4 * 8);
 * ```
 */
export async function ownHiddenStates(
  { device, config, parameters, texts, length, seed }: OwnTexts,
): Promise<Float32Array<ArrayBuffer>> {
  const { width } = config;
  const hidden = new Float32Array(texts * length * width);
  const run = compile(
    device,
    (weights: LlamaParameters<Tensor>, rows: LlamaRows) => llama(config, weights, rows).hidden,
  );
  let done = 0;
  for await (const tokens of ownTexts({ device, config, parameters, texts, length, seed })) {
    const rows = uploadTree(device, textRows(tokens));
    const states = run(parameters, rows);
    hidden.set(Float32Array.from(await read(states)), done++ * length * width);
    releaseTree([states, rows]);
  }
  return hidden;
}

async function* ownTexts(
  { device, config, parameters, texts, length, seed }: OwnTexts,
): AsyncGenerator<readonly number[]> {
  const key = foldIn(keyOf(seed), "own texts");
  const requests = Array.from({ length: texts }, (_, text) => ({
    prompt: [uniformInteger(foldIn(foldIn(key, text), "first"), config.vocabulary)],
    warp: temperature(1),
    key: foldIn(key, text),
    maximumTokens: length - 1,
  }));
  const sequences = Math.min(texts, 16);
  const batch = { device, config, parameters, sequences, length, stopTokens: new Set<number>() };
  for await (const { request, tokens } of generateBatch(batch, requests)) {
    yield [...request.prompt, ...tokens];
  }
}

function textRows(tokens: readonly number[]): {
  readonly tokens: DenseHostTensor;
  readonly positions: DenseHostTensor;
  readonly start: DenseHostTensor;
  readonly end: DenseHostTensor;
} {
  const integers = (value: (row: number) => number) =>
    hostTensor(Int32Array.from(tokens, (_, row) => value(row)), [tokens.length]);
  return {
    tokens: integers((row) => tokens[row]),
    positions: integers((row) => row),
    start: integers(() => 0),
    end: integers((row) => row + 1),
  };
}

/** What is written to find a direction: some thousand rows, for some hundred columns. */
const OWN_TEXTS = { texts: 64, length: 96, seed: 1 };

/**
 * The direction in which the hidden states of a stored draft measure about 1, f32 `[width]`, found
 * on texts that it writes: what `expandDraft` needs to share a probability evenly.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { wasmBackend } from "@outrider/outrider/backends/wasm";
 * import { openDraftFile, writeDraftFile } from "@outrider/outrider/io";
 * import { initLlama, tinyLlama } from "@outrider/outrider/nn";
 * import { createDevice } from "@outrider/outrider/runtime";
 * import { ownUnitDirection, weightReader } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile({ suffix: ".safetensors" });
 * const config = tinyLlama({ width: 8, vocabulary: 16, contextLength: 32 });
 * const readWeight = weightReader(initLlama(keyOf(1), config));
 * const written = { name: "tiny", config, readWeight, tokenizerHash: "hash" };
 * await writeDraftFile(path, { ...written, format: "F16" });
 * const draft = await openDraftFile(path);
 * const device = createDevice(wasmBackend({ threads: 1 }));
 * assertEquals((await ownUnitDirection(device, draft)).length, 8);
 * device.close();
 * draft.close();
 * await Deno.remove(path);
 * ```
 */
export async function ownUnitDirection(
  device: Device,
  draft: StoredWeights,
): Promise<Float32Array<ArrayBuffer>> {
  const { config } = draft;
  const parameters = await loadLlama(draft, "f32", uploadsTo(device));
  const length = Math.min(OWN_TEXTS.length, config.contextLength);
  try {
    const own = { ...OWN_TEXTS, device, config, parameters, length };
    return unitDirection(await ownHiddenStates(own), config.width);
  } finally {
    releaseTree(parameters);
  }
}
