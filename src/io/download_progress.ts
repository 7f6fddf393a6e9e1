/**
 * Progress and deadlines of downloads.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";

/** How far a download has come; a progress bar is drawn from it. */
export interface DownloadProgress {
  /** What is being fetched, in words. */
  readonly what: string;
  /** Bytes that have arrived. */
  readonly done: number;
  /** Bytes in all; absent while unknown. */
  readonly total?: number;
}

/** Is called now and then while bytes arrive. */
export type OnProgress = (progress: DownloadProgress) => void;

/** Passes chunks through and reports how many bytes have passed. */
export async function* reportProgress(
  chunks: AsyncIterable<Uint8Array>,
  progress: { what: string; total: number },
  onProgress: OnProgress | undefined,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of chunks) {
    done += chunk.length;
    yield chunk;
    onProgress?.({ ...progress, done });
  }
}

/** Rejects when a promise takes longer than `milliseconds`. */
export async function withDeadline<T>(
  promise: Promise<T>,
  milliseconds: number,
  what: string,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new OutriderError(what, `nothing in ${milliseconds} ms`, "check the network")),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
