/**
 * A distillation set as a corpus: filtered, with the teacher's distributions read when asked for.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { corpusOf } from "./corpus.ts";
import type { DistillationEntry } from "./distillation_set.ts";
import { responseDocument, type TokenDocument } from "./documents.ts";
import { countReason, type Filter, type FilterCounts, NO_COUNTS } from "./filter_counts.ts";
import type { Corpus } from "./packing.ts";
import { readShards, type SetShard, teacherLayout, teacherPath } from "./set_folder.ts";
import { readManifest, type SetManifest } from "./set_manifest.ts";
import { decodeTeacherRows, type TeacherRow, teacherRowBytes } from "./teacher_rows.ts";

/** A set that has been opened to be learnt from. */
export interface DistillationSet {
  /** What the set says of itself. */
  readonly manifest: SetManifest;
  /** The entries that passed, in which only responses count. */
  readonly corpus: Corpus;
  /** How many entries passed, and why others did not. */
  readonly counts: FilterCounts;
  /** Response tokens of the entries that passed. */
  readonly tokens: number;
  /** Gives the files back; distributions cannot be read afterwards. */
  readonly close: () => void;
}

/** Reads the rows of one entry; `from` is its first row in the file. */
function rowsAt(
  file: Deno.FsFile,
  from: number,
  count: number,
  manifest: SetManifest,
): TeacherRow[] {
  const layout = teacherLayout(manifest);
  const size = teacherRowBytes(layout);
  const bytes = new Uint8Array(count * size);
  file.seekSync(from * size, Deno.SeekMode.Start);
  for (let at = 0; at < bytes.length;) {
    const read = file.readSync(bytes.subarray(at));
    if (read === null) {
      throw new OutriderError(
        `${count} rows of the teacher from row ${from} on`,
        "the file's end",
        "write the set again",
      );
    }
    at += read;
  }
  return decodeTeacherRows(bytes, layout);
}

/** The documents of a shard that a filter lets pass. */
function documentsOf(
  { entries }: SetShard,
  file: Deno.FsFile | undefined,
  manifest: SetManifest,
  judge: (entry: DistillationEntry) => boolean,
): TokenDocument[] {
  const documents: TokenDocument[] = [];
  let row = 0;
  for (const entry of entries) {
    const { prompt, response } = entry;
    const from = row;
    row += response.length;
    if (!judge(entry)) continue;
    const document = responseDocument(prompt, response);
    documents.push(
      file === undefined
        ? document
        : { ...document, teacher: () => rowsAt(file, from, response.length, manifest) },
    );
  }
  return documents;
}

/**
 * Opens a set to learn from it. Where its manifest keeps teacher tokens, each document has a
 * `teacher`, which reads the rows of its response from the disk.
 *
 * @param folder the set's folder
 * @param filter what an entry is left out for; nothing if left out
 * @throws OutriderError where the set is damaged, or no entry passes
 */
export async function openDistillationSet(
  folder: string,
  filter: Filter<DistillationEntry> = () => undefined,
): Promise<DistillationSet> {
  const manifest = await readManifest(`${folder}/manifest.json`);
  const shards = await readShards(folder, manifest.vocabulary);
  const files: Deno.FsFile[] = [];
  let [counts, tokens] = [NO_COUNTS, 0];
  const judge = (entry: DistillationEntry): boolean => {
    const reason = entry.response.length === 0 ? "empty" : filter(entry);
    counts = countReason(counts, reason);
    if (reason === undefined) tokens += entry.response.length;
    return reason === undefined;
  };
  const documents: TokenDocument[] = [];
  const close = (): void => files.forEach((file) => file.close());
  try {
    for (const shard of shards) {
      const file = manifest.teacherTokens === 0
        ? undefined
        : await Deno.open(teacherPath(shard.path), { read: true });
      if (file !== undefined) files.push(file);
      documents.push(...documentsOf(shard, file, manifest, judge));
    }
    return { manifest, corpus: corpusOf(documents, folder), counts, tokens, close };
  } catch (error) {
    close();
    throw error;
  }
}
