/**
 * Files from the Hugging Face hub, by its own client.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { type OnProgress, reportProgress, withDeadline } from "./download_progress.ts";

/** A file that a hub repository lists. */
export interface HubFile {
  /** Path within the repository. */
  readonly path: string;
  /** Size in bytes. */
  readonly size: number;
}

/** Reads one hub repository. */
export interface HubClient {
  /** The plain files of the repository's top folder. */
  list(repository: string): Promise<HubFile[]>;
  /** The bytes of one file, chunk by chunk. */
  download(
    repository: string,
    file: HubFile,
    onProgress: OnProgress | undefined,
  ): AsyncIterable<Uint8Array>;
}

const ANSWER_MILLISECONDS = 6_000;
const STALL_MILLISECONDS = 60_000;

/** A fetch that gives up when the answer does not begin in time; being offline is normal. */
const impatientFetch: typeof fetch = async (input, init) => {
  const controller = new AbortController();
  const giveUp = (): void =>
    controller.abort(new Error(`no answer within ${ANSWER_MILLISECONDS / 1000} s`));
  const timer = setTimeout(giveUp, ANSWER_MILLISECONDS);
  try {
    return await fetch(input, { ...init, signal: controller.signal });
  } finally {
    clearTimeout(timer);
  }
};

function hubError(repository: string, error: unknown): OutriderError {
  if (error instanceof OutriderError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new OutriderError(
    `an answer from the Hugging Face hub about ${repository}`,
    message,
    "check the name and the network, or pass the path of a local model",
  );
}

/** Chunks of a blob, failing when none arrives for a while. */
async function* blobChunks(blob: Blob, what: string): AsyncGenerator<Uint8Array> {
  const reader = blob.stream().getReader();
  try {
    while (true) {
      const { done, value } = await withDeadline(reader.read(), STALL_MILLISECONDS, what);
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * A client of the hub; it gives up after a few seconds without an answer.
 *
 * @param hubUrl another server with the hub's interface; the public hub if absent
 */
export function hubClient(hubUrl?: string): HubClient {
  const server = { hubUrl, fetch: impatientFetch };
  return {
    async list(repository) {
      const { listFiles } = await import("@huggingface/hub");
      const files: HubFile[] = [];
      try {
        for await (const { type, path, size } of listFiles({ repo: repository, ...server })) {
          if (type === "file") files.push({ path, size });
        }
      } catch (error) {
        throw hubError(repository, error);
      }
      return files;
    },
    async *download(repository, file, onProgress) {
      const { downloadFile } = await import("@huggingface/hub");
      const what = `${file.path} of ${repository}`;
      try {
        const blob = await downloadFile({ repo: repository, path: file.path, ...server });
        if (blob === null) throw new OutriderError(what, "no such file", "check the name");
        yield* reportProgress(blobChunks(blob, what), { what, total: blob.size }, onProgress);
      } catch (error) {
        throw hubError(repository, error);
      }
    },
  };
}
