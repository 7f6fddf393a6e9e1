/** Where real models lie, if they are there; nothing is ever downloaded for a test. */
import { cachedModel, KNOWN_MODELS } from "../../src/io/known_model.ts";
import { defaultCacheDirectory } from "../../src/io/model_cache.ts";
import { loadLlama, type ModelFile, openModel, type WeightType } from "../../src/io/mod.ts";
import type { LlamaParameters } from "../../src/nn/mod.ts";
import { type Device, type DeviceArray, releaseTree, uploadsTo } from "../../src/runtime/mod.ts";

/** The path of a file, or undefined where there is none. */
function present(url: URL): string | undefined {
  try {
    return Deno.statSync(url).isFile ? url.pathname : undefined;
  } catch {
    return undefined;
  }
}

/** The path of a file of the shared data, or undefined where it is absent. */
export function sharedFile(name: string): string | undefined {
  return present(new URL(`../../../shared/data/${name}`, import.meta.url));
}

/** A Llama of 260 thousand parameters that tells stories. */
export const STORIES: string | undefined = sharedFile("stories260K.gguf");
/** SmolLM2-135M-Instruct in the model cache. */
export const SMOLLM2: string | undefined = await cachedModel(
  KNOWN_MODELS.smollm2,
  defaultCacheDirectory(),
);
/** The chat model that comes with the package. */
export const EMBEDDED: string | undefined = present(
  new URL("../../src/data/embedded/embedded.gguf", import.meta.url),
);

/** An opened model with its weights on a device. */
export interface Loaded {
  readonly file: ModelFile;
  readonly parameters: LlamaParameters<DeviceArray>;
}

/** Opens a model, uploads its weights, and gives both back after use. */
export async function withWeights<Result>(
  device: Device,
  path: string | undefined,
  type: WeightType,
  use: (loaded: Loaded) => Promise<Result>,
): Promise<Result> {
  const file = await openModel(path ?? "");
  try {
    const parameters = await loadLlama(file, type, uploadsTo(device));
    try {
      return await use({ file, parameters });
    } finally {
      releaseTree(parameters);
    }
  } finally {
    file.close();
  }
}
