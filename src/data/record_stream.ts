/**
 * Records of files in shuffled order without an end and without an index: for files that are read as
 * they are, larger than memory, and not worth a token file.
 *
 * Records are read in the order of the files and shuffled within a window, so that memory holds one
 * window; a token file (`writeTokenFile`) is shuffled as a whole, and is the better choice where
 * there is room for it.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, type Key, permutation } from "../core/random.ts";
import { type CorpusRecord, readRecords } from "./records.ts";

/** Where a stream goes on: a small JSON value for checkpoints. */
export interface StreamPosition {
  /** How many times the files have been gone through. */
  readonly epoch: number;
  /** The file in which the window begins. */
  readonly file: number;
  /** Where in that file: the `next` of a record that `readRecords` gives. */
  readonly byte: number;
  /** How many records of the window are done. */
  readonly taken: number;
}

/** How records are shuffled. */
export interface StreamOptions {
  /** What the order is drawn from. */
  readonly key: Key;
  /** Records that are shuffled together and held in memory. */
  readonly window: number;
}

/** A record, and the position behind it. */
export interface StreamedRecord {
  /** The record. */
  readonly record: CorpusRecord;
  /** Where to go on from. */
  readonly position: StreamPosition;
}

/** The position before the first record. */
export const STREAM_START: StreamPosition = { epoch: 0, file: 0, byte: 0, taken: 0 };

/** Up to `window` records from a position on, and where the next window begins. */
async function readWindow(
  paths: readonly string[],
  from: Pick<StreamPosition, "file" | "byte">,
  window: number,
): Promise<{ records: CorpusRecord[]; file: number; byte: number }> {
  const records: CorpusRecord[] = [];
  let { file, byte } = from;
  for (; file < paths.length; [file, byte] = [file + 1, 0]) {
    for await (const { record, next } of readRecords(paths[file], byte)) {
      records.push(record);
      byte = next;
      if (records.length === window) return { records, file, byte };
    }
  }
  return { records, file, byte };
}

function checkPosition({ epoch, file, byte, taken }: StreamPosition, files: number): void {
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if ([epoch, file, byte, taken].every(isCount) && file < files) return;
  throw new OutriderError(
    `a position in ${files} files`,
    JSON.stringify({ epoch, file, byte, taken }),
    "start again, or go on with the files of the first run",
  );
}

/**
 * The records of some files, epoch after epoch: each exactly once an epoch, in an order that depends
 * on the key, the epoch and the window only. From a record's position on, the same records follow.
 *
 * @example
 * ```ts
 * import { STREAM_START, streamRecords } from "@outrider/outrider/data";
 * import { keyOf } from "@outrider/outrider";
 * import { assertRejects } from "@std/assert";
 *
 * const stream = streamRecords(["no/such.jsonl"], { key: keyOf(1), window: 100 }, STREAM_START);
 * await assertRejects(() => stream.next(), Error, "no/such.jsonl");
 * ```
 *
 * @param paths text or JSONL files, plain or gzip (of which positions cost a second decompression)
 * @param options how records are shuffled
 * @param from where to go on
 * @throws OutriderError where a file cannot be read, or no file has records
 */
export async function* streamRecords(
  paths: readonly string[],
  { key, window }: StreamOptions,
  from: StreamPosition = STREAM_START,
): AsyncGenerator<StreamedRecord> {
  if (!Number.isSafeInteger(window) || window < 1) {
    throw new OutriderError("a window of 1 or more records", `${window}`, "raise it");
  }
  checkPosition(from, paths.length);
  let { epoch, file, byte, taken } = from;
  while (true) {
    const { records, ...next } = await readWindow(paths, { file, byte }, window);
    if (records.length === 0 && file === 0 && byte === 0) {
      throw new OutriderError(`records in ${paths.join(", ")}`, "none", "choose other files");
    }
    const orderKey = foldIn(foldIn(foldIn(key, epoch), file), byte);
    const order = permutation(orderKey, records.length);
    for (; taken < records.length; taken++) {
      const position = { epoch, file, byte, taken: taken + 1 };
      yield { record: records[order[taken]], position };
    }
    ({ file, byte } = next);
    taken = 0;
    if (file >= paths.length) [epoch, file, byte] = [epoch + 1, 0, 0];
  }
}
