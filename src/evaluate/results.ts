/**
 * Results of an evaluation, in memory or in a file that is only ever appended to.
 *
 * The first line of the file is the {@link EvaluationHead}, every other one a record. A run that was
 * killed in the middle of a line leaves a torn last line, which is dropped when the file is opened
 * again.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { readingError, readLines } from "../data/file_lines.ts";
import {
  type EvaluationHead,
  type EvaluationRecord,
  parseEvaluationHead,
  parseEvaluationRecord,
} from "./record.ts";

/** Where records go to, and those that are there. */
export interface EvaluationResults {
  /** What all records share. */
  readonly head: EvaluationHead;
  /** All records so far, in order. */
  readonly records: () => readonly EvaluationRecord[];
  /** Adds a record; once it resolves, a killed process keeps it. */
  readonly append: (record: EvaluationRecord) => Promise<void>;
  /** Flushes to the disk and closes the file. */
  readonly close: () => Promise<void>;
}

/**
 * Results that end with the process.
 *
 * @example
 * ```ts
 * import { resultsInMemory } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const head = { target: "m", tokenizer: "", dtype: "f32", cache: "f32", maxTokens: 8, seed: 1 };
 * assertEquals(resultsInMemory(head).records(), []);
 * ```
 */
export function resultsInMemory(head: EvaluationHead): EvaluationResults {
  const records: EvaluationRecord[] = [];
  return {
    head,
    records: () => records,
    append: (record) => Promise.resolve(void records.push(record)),
    close: () => Promise.resolve(),
  };
}

/**
 * Opens a file of results to go on with them, making it where there is none and dropping a torn
 * last line.
 *
 * @throws OutriderError where the file cannot be written, a complete line is damaged, or the
 * records are of another head
 */
export async function openResults(path: string, head: EvaluationHead): Promise<EvaluationResults> {
  try {
    const file = await Deno.open(path, { write: true, create: true });
    try {
      const { found, records, end } = await readResults(path);
      if (found !== undefined) checkHead(found, head);
      await file.truncate(end);
      await file.seek(end, Deno.SeekMode.Start);
      if (found === undefined) await writeLine(file, path, head);
      return resultsOn(file, path, head, [...records]);
    } catch (error) {
      file.close();
      throw error;
    }
  } catch (error) {
    throw readingError(path, error);
  }
}

/** The complete lines of a file of results, and where they end. */
async function readResults(path: string): Promise<{
  readonly found: EvaluationHead | undefined;
  readonly records: readonly EvaluationRecord[];
  readonly end: number;
}> {
  let found: EvaluationHead | undefined;
  const records: EvaluationRecord[] = [];
  let [number, end] = [0, 0];
  for await (const { text, next, isComplete } of readLines(path)) {
    if (!isComplete) break;
    const where = `${path}, line ${++number}`;
    if (found === undefined) found = parseEvaluationHead(text, where);
    else records.push(parseEvaluationRecord(text, where));
    end = next;
  }
  return { found, records, end };
}

function checkHead(found: EvaluationHead, wanted: EvaluationHead): void {
  const given = new Map<string, unknown>(Object.entries(found));
  for (const [name, value] of Object.entries(wanted)) {
    if (given.get(name) === value) continue;
    throw new OutriderError(
      `results with ${name} ${value}`,
      `some with ${name} ${given.get(name)}`,
      "run with the options of the first run, or name another folder by --out",
    );
  }
}

async function writeLine(file: Deno.FsFile, path: string, value: object): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  try {
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  } catch (error) {
    throw readingError(path, error);
  }
}

function resultsOn(
  file: Deno.FsFile,
  path: string,
  head: EvaluationHead,
  records: EvaluationRecord[],
): EvaluationResults {
  return {
    head,
    records: () => records,
    append: async (record) => {
      await writeLine(file, path, record);
      records.push(record);
    },
    close: async () => {
      await file.sync();
      file.close();
    },
  };
}
