/**
 * What the operating system says about a file, as one clear line.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";

/** Turns whatever a file operation on `path` threw into an {@link OutriderError}. */
export function fileError(path: string, error: unknown): OutriderError {
  if (error instanceof OutriderError) return error;
  if (error instanceof Deno.errors.NotFound) {
    return new OutriderError(`a file at ${path}`, "nothing there", "check the path");
  }
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return new OutriderError(`permission to use ${path}`, "none", "check its rights and the flags");
  }
  const message = error instanceof Error ? error.message : String(error);
  return new OutriderError(`a usable file at ${path}`, message, "check the path and the disk");
}
