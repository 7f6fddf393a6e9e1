/**
 * SHA-256 of data of any size.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { OutriderError } from "../core/errors.ts";

/** The SHA-256 of data that arrive in chunks, in hexadecimal. */
export async function sha256OfChunks(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

/**
 * Passes chunks through and checks, at the end, that they were the expected ones. (The Web API
 * digests whole buffers only; Node's digests as the bytes pass.)
 *
 * @throws {OutriderError} after the last chunk when the SHA-256 is another.
 */
export async function* verifySha256(
  chunks: AsyncIterable<Uint8Array>,
  expected: string,
  name: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  const found = hash.digest("hex");
  if (found !== expected) {
    throw new OutriderError(`${name} with SHA-256 ${expected}`, found, "download it again");
  }
}
