/**
 * The real chat model in the precisions that are compared, the same weights for both sides.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { wasmBackend } from "@outrider/outrider/backends/wasm";
import { isPacked, leavesOf, packedBytes } from "@outrider/outrider/core";
import { type LanguageModel, type LlamaCache, llamaModel } from "@outrider/outrider/decode";
import {
  loadLlama,
  type ModelFile,
  openModel,
  resolveModel,
  type WeightType,
  type WritableFormat,
  writeGgufModel,
} from "@outrider/outrider/io";
import type { LlamaConfig, LlamaParameters } from "@outrider/outrider/nn";
import {
  type Backend,
  createDevice,
  type Device,
  type DeviceArray,
  isDeviceArray,
  uploadsTo,
} from "@outrider/outrider/runtime";
import { benchCache } from "./install.ts";

/** The path of SmolLM2-135M-Instruct as it ships: matrices in Q4_1, the embedding in Q8_0. */
export function smolLm2(): Promise<string> {
  return resolveModel("smollm2");
}

/** A copy of a model with all matrices in another format, written once into the cache folder. */
export async function copyIn(
  format: WritableFormat,
  path: string,
  log: (text: string) => void,
): Promise<string> {
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/(\.Q\w+)?\.gguf$/, "");
  const copy = `${benchCache()}/models/${name}.${format}.gguf`;
  if (await Deno.stat(copy).then(() => true, () => false)) return copy;
  log(`writing a ${format} copy of ${name}, once\n`);
  await Deno.mkdir(`${benchCache()}/models`, { recursive: true });
  const file = await openModel(path);
  try {
    await writeGgufModel(copy, {
      name,
      config: file.config,
      tokenizer: file.metadata,
      format,
      readWeight: async (weight) => {
        const tensor = file.tensors.get(weight);
        if (tensor === undefined) throw new OutriderError(`the weight ${weight}`, "none", "look");
        return await tensor.readFloat32();
      },
    });
  } finally {
    file.close();
  }
  return copy;
}

/** A model on a device of its own. */
export interface OpenModel {
  readonly file: ModelFile;
  readonly device: Device;
  readonly config: LlamaConfig;
  readonly parameters: LlamaParameters<DeviceArray>;
  readonly model: LanguageModel<LlamaCache>;
  readonly threads: number;
  /** Gives the memory back. */
  readonly close: () => void;
}

/** A device with the given number of threads; where fewer can be had, an error says so. */
export function deviceWith(
  threads: number,
  around: (backend: Backend) => Backend = (backend) => backend,
): Device {
  const cores = navigator.hardwareConcurrency;
  if (threads > cores) throw new OutriderError(`${threads} cores`, `${cores}`, "use fewer threads");
  const backend = wasmBackend({ threads });
  if (backend.threads === threads) return createDevice(around(backend));
  backend.close();
  throw new OutriderError(
    `${threads} threads`,
    `${backend.threads}`,
    "use an engine that has them",
  );
}

/** Loads a model; `around` may put something between the device and its backend. */
export async function openOn(
  threads: number,
  path: string,
  dtype: WeightType,
  around?: (backend: Backend) => Backend,
): Promise<OpenModel> {
  const device = deviceWith(threads, around);
  const file = await openModel(path);
  try {
    const parameters = await loadLlama(file, dtype, uploadsTo(device));
    const { config } = file;
    const model = llamaModel({ device, config, parameters });
    const close = (): void => {
      file.close();
      device.close();
    };
    return { file, device, config, parameters, model, threads, close };
  } catch (error) {
    file.close();
    device.close();
    throw error;
  }
}

/** Bytes of matrices that a pass reads: all but a lookup table that is not also the head. */
export function bytesPerPass(parameters: LlamaParameters<DeviceArray>): number {
  const { embedding, ...others } = parameters;
  const streamed = leavesOf(others, isDeviceArray);
  if (parameters.head === undefined) streamed.push(embedding);
  return streamed.reduce((sum, { type, shape }) => sum + bytesOf(type, shape), 0);
}

function bytesOf(type: DeviceArray["type"], shape: readonly number[]): number {
  if (isPacked(type)) return packedBytes(type, shape[0], shape[1]);
  return 4 * shape.reduce((product, size) => product * size, 1);
}
