/**
 * From a path or URL to its bytes.
 *
 * @module
 */
import { type ByteSource, fileSource, urlSource } from "./bytes.ts";

/** Whether a path is an http(s) URL. */
export const isUrl = (path: string): boolean => /^https?:\/\//.test(path);

/** A byte source over the file at a path, or over what lies at an http(s) URL. */
export function openBytes(path: string): Promise<ByteSource> {
  return isUrl(path) ? urlSource(path) : fileSource(path);
}
