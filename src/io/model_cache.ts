/**
 * Where downloaded models are kept.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { fileError } from "./file_errors.ts";

/**
 * The folder for downloaded models: `OUTRIDER_CACHE`, else `outrider` in `XDG_CACHE_HOME`, else
 * `.cache/outrider` in the home folder.
 *
 * @throws {OutriderError} when none of these is set.
 * @example
 * ```ts
 * import { defaultCacheDirectory } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const variables = new Map([["HOME", "/home/someone"]]);
 * const folder = defaultCacheDirectory((name) => variables.get(name));
 * assertEquals(folder, "/home/someone/.cache/outrider");
 * ```
 */
export function defaultCacheDirectory(
  environment: (name: string) => string | undefined = Deno.env.get,
): string {
  const own = environment("OUTRIDER_CACHE");
  if (own) return own;
  const shared = environment("XDG_CACHE_HOME");
  if (shared) return `${shared}/outrider`;
  const home = environment("HOME") ?? environment("USERPROFILE");
  if (home) return `${home}/.cache/outrider`;
  throw new OutriderError(
    "a home folder for the model cache",
    "none",
    "set OUTRIDER_CACHE to a folder",
  );
}

/** Creates a folder and its parents. */
export async function ensureDirectory(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true }).catch((error) => {
    throw fileError(path, error);
  });
}

/** Runs `use` with a fresh folder in `parent` and removes the folder afterwards. */
export async function withTemporaryDirectory<T>(
  parent: string,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  await ensureDirectory(parent);
  const folder = await Deno.makeTempDir({ dir: parent, prefix: "download-" }).catch((error) => {
    throw fileError(parent, error);
  });
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
}

/** What lies at a path: its size if a file; undefined if nothing. */
export async function pathInfo(path: string): Promise<Deno.FileInfo | undefined> {
  return await Deno.stat(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return undefined;
    }
    throw fileError(path, error);
  });
}
