/**
 * A model by its hub id: the files that are needed, into one folder of the cache.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { writeFileAtomically } from "./atomic_write.ts";
import type { OnProgress } from "./download_progress.ts";
import type { HubClient, HubFile } from "./hub_download.ts";
import { ensureDirectory, pathInfo } from "./model_cache.ts";

/** Files of a safetensors model that are fetched where they exist. */
const SIDE_FILES: ReadonlySet<string> = new Set([
  "tokenizer.json",
  "tokenizer_config.json",
  "chat_template.jinja",
  "generation_config.json",
]);

/** GGUF formats in the order preferred when a repository offers several. */
const GGUF_PREFERENCE: readonly string[] = ["Q8_0", "F16", "BF16", "Q4_1", "Q4_0", "Q4_K", "F32"];

/** True for `owner/name` as the hub allows it, which also makes it a safe folder name. */
export function isHubId(name: string): boolean {
  return /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(name);
}

/**
 * Which of a repository's files make up a model: `config.json` comes last, so that a folder that
 * has it is complete; without safetensors, the one GGUF file of the most preferred format.
 *
 * @throws {OutriderError} when there is neither.
 */
export function chooseHubFiles(repository: string, files: readonly HubFile[]): HubFile[] {
  const named = (name: string): HubFile[] => files.filter(({ path }) => path === name);
  const weights = files.filter(({ path }) => /^model(-\d+-of-\d+)?\.safetensors$/.test(path));
  if (weights.length > 0 && named("config.json").length > 0) {
    const side = files.filter(({ path }) => SIDE_FILES.has(path));
    const index = named("model.safetensors.index.json");
    return [...side, ...index, ...weights, ...named("config.json")];
  }
  const ggufs = files.filter(({ path }) => path.endsWith(".gguf") && !path.includes("/"));
  for (const format of GGUF_PREFERENCE) {
    const chosen = ggufs.find(({ path }) => path.toUpperCase().includes(format));
    if (chosen !== undefined) return [chosen];
  }
  throw new OutriderError(
    `safetensors with config.json, or a GGUF file, in ${repository}`,
    files.map(({ path }) => path).slice(0, 8).join(", ") || "no files",
    "name a repository of a Llama-family model",
  );
}

/** The model that an earlier download left complete in a folder, if any. */
async function completeModel(folder: string): Promise<string | undefined> {
  if (await pathInfo(`${folder}/config.json`)) return folder;
  if (await pathInfo(folder) === undefined) return undefined;
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".gguf")) return `${folder}/${name}`;
  }
}

/**
 * The local path of a hub model, a folder or a GGUF file, after fetching what is not there yet.
 *
 * @throws {OutriderError} when the hub does not answer or has no usable files.
 */
export async function fetchHubModel(
  repository: string,
  cacheDirectory: string,
  hub: HubClient,
  onProgress: OnProgress | undefined,
): Promise<string> {
  const folder = `${cacheDirectory}/hub/${repository.replace("/", "--")}`;
  const complete = await completeModel(folder);
  if (complete !== undefined) return complete;
  const files = chooseHubFiles(repository, await hub.list(repository));
  await ensureDirectory(folder);
  for (const file of files) {
    const path = `${folder}/${file.path}`;
    if ((await pathInfo(path))?.size === file.size) continue;
    await writeFileAtomically(path, hub.download(repository, file, onProgress));
  }
  return files.length === 1 ? `${folder}/${files[0].path}` : folder;
}
