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

/** What is read of the bytes at a path, which stay open; they are given back where reading fails. */
export async function openWith<Opened>(
  path: string,
  read: (source: ByteSource) => Promise<Opened>,
): Promise<Opened> {
  const source = await openBytes(path);
  try {
    return await read(source);
  } catch (error) {
    source.close();
    throw error;
  }
}
