/**
 * A distillation set of any size as a folder: a manifest, shards of entries, and beside each shard,
 * where the set has them, the teacher's distributions.
 *
 * A set is only ever appended to. The teacher's rows of an entry are written before its line, and a
 * line counts only with its end, so a run that was killed at any instant leaves whole entries and a
 * rest that the next run drops.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import {
  type DistillationEntry,
  distillationLine,
  readDistillationEntries,
} from "./distillation_set.ts";
import { readingError } from "./file_lines.ts";
import { isThere, lockFile, openAt, writeAll } from "./set_files.ts";
import { checkManifest, readManifest, type SetManifest, writeManifest } from "./set_manifest.ts";
import {
  encodeTeacherRows,
  type TeacherLayout,
  type TeacherRow,
  teacherRowBytes,
} from "./teacher_rows.ts";

/** Appends to a set. */
export interface SetWriter {
  /** How many entries the set holds: where to go on. */
  readonly count: () => number;
  /** How many response tokens it holds. */
  readonly tokens: () => number;
  /** The path of the shard that the next entry goes to. */
  readonly nextShard: () => string;
  /** Appends one entry and, where the manifest keeps teacher tokens, a row for each response token. */
  readonly append: (entry: DistillationEntry, teacher?: readonly TeacherRow[]) => Promise<void>;
  /** Flushes to the disk and closes the files. */
  readonly close: () => Promise<void>;
}

/** One shard: where its files are and what whole entries they hold. */
export interface SetShard {
  /** The path of its entries. */
  readonly path: string;
  /** Its entries, in order. */
  readonly entries: readonly DistillationEntry[];
  /** Bytes of its entries. */
  readonly bytes: number;
}

/** The path of a shard's entries. */
function shardPath(folder: string, shard: number): string {
  return `${folder}/shard-${`${shard}`.padStart(5, "0")}.jsonl`;
}

/** The path of the teacher's rows that belong to a shard's entries. */
export function teacherPath(shard: string): string {
  return shard.replace(/\.jsonl(\.gz)?$/, ".teacher");
}

/** How the teacher's rows of a set are laid out. */
export function teacherLayout({ teacherTokens, vocabulary }: SetManifest): TeacherLayout {
  return { kept: teacherTokens, vocabulary };
}

/** A shard's file as it is or, for sets that are kept or sent, packed by gzip; undefined if none. */
async function shardFile(folder: string, shard: number): Promise<string | undefined> {
  const path = shardPath(folder, shard);
  for (const file of [path, `${path}.gz`]) if (await isThere(file)) return file;
}

/** The shards of a set, in order; torn last lines are left out. */
export async function readShards(folder: string, vocabulary = Infinity): Promise<SetShard[]> {
  const shards: SetShard[] = [];
  for (let shard = 0;; shard++) {
    const path = await shardFile(folder, shard);
    if (path === undefined) return shards;
    const entries: DistillationEntry[] = [];
    let bytes = 0;
    for await (const { entry, next } of readDistillationEntries(path, vocabulary)) {
      entries.push(entry);
      bytes = next;
    }
    shards.push({ path, entries, bytes });
  }
}

/** All entries of a set, in order. */
export async function readDistillationEntriesOf(
  folder: string,
  vocabulary = Infinity,
): Promise<DistillationEntry[]> {
  return (await readShards(folder, vocabulary)).flatMap(({ entries }) => entries);
}

/** Response tokens of some entries. */
export function responseTokens(entries: readonly DistillationEntry[]): number {
  return entries.reduce((sum, { response }) => sum + response.length, 0);
}

/**
 * Opens a set to append to it, making the folder's files where there are none and dropping what a
 * killed run left unfinished.
 *
 * @throws OutriderError where the set was begun with another manifest, is damaged, or cannot be written
 */
export async function openSetWriter(folder: string, manifest: SetManifest): Promise<SetWriter> {
  const path = `${folder}/manifest.json`;
  if (await isThere(path)) checkManifest(path, await readManifest(path), manifest);
  else await writeManifest(path, manifest);
  const lock = await lockFile(path);
  try {
    return await writerAfter(folder, manifest, lock);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** The writer behind what the set holds. */
async function writerAfter(
  folder: string,
  manifest: SetManifest,
  lock: Deno.FsFile,
): Promise<SetWriter> {
  const shards = await readShards(folder, manifest.vocabulary);
  const all = shards.flatMap(({ entries }) => entries);
  // A packed shard is never written to.
  const isOpen = shards.at(-1)?.path.endsWith(".jsonl") === true;
  const last = isOpen ? shards.at(-1) : undefined;
  const shard = isOpen ? shards.length - 1 : shards.length;
  const open = await openShard(shardPath(folder, shard), manifest, last);
  return writerOn(folder, manifest, { open, lock }, {
    shard,
    count: all.length,
    inShard: last?.entries.length ?? 0,
    tokens: responseTokens(all),
  });
}

/** The files of the shard that is being written. */
interface OpenShard {
  readonly path: string;
  readonly entries: Deno.FsFile;
  readonly teacher: Deno.FsFile | undefined;
}

async function openShard(
  path: string,
  manifest: SetManifest,
  kept: Pick<SetShard, "entries" | "bytes"> = { entries: [], bytes: 0 },
): Promise<OpenShard> {
  const entries = await openAt(path, kept.bytes);
  if (manifest.teacherTokens === 0) return { path, entries, teacher: undefined };
  const rows = responseTokens(kept.entries) * teacherRowBytes(teacherLayout(manifest));
  try {
    return { path, entries, teacher: await openAt(teacherPath(path), rows) };
  } catch (error) {
    entries.close();
    throw error;
  }
}

async function closeShard({ entries, teacher }: OpenShard): Promise<void> {
  for (const file of [teacher, entries]) {
    await file?.sync();
    file?.close();
  }
}

/** How far a set is. */
interface SetProgress {
  readonly shard: number;
  readonly count: number;
  readonly inShard: number;
  readonly tokens: number;
}

function writerOn(
  folder: string,
  manifest: SetManifest,
  { open: first, lock }: { readonly open: OpenShard; readonly lock: Deno.FsFile },
  reached: SetProgress,
): SetWriter {
  let [open, progress] = [first, reached];
  const layout = teacherLayout(manifest);
  const isFull = (): boolean => progress.inShard >= manifest.entriesPerShard;
  const roll = async (): Promise<void> => {
    await closeShard(open);
    const shard = progress.shard + 1;
    open = await openShard(shardPath(folder, shard), manifest);
    progress = { ...progress, shard, inShard: 0 };
  };
  return {
    count: () => progress.count,
    tokens: () => progress.tokens,
    nextShard: () => isFull() ? shardPath(folder, progress.shard + 1) : open.path,
    append: async (entry, teacher = []) => {
      checkRows(entry, teacher, open);
      if (isFull()) await roll();
      try {
        if (open.teacher !== undefined) {
          await writeAll(open.teacher, encodeTeacherRows(teacher, layout));
        }
        await writeAll(open.entries, new TextEncoder().encode(distillationLine(entry)));
      } catch (error) {
        throw readingError(open.path, error);
      }
      progress = {
        ...progress,
        count: progress.count + 1,
        inShard: progress.inShard + 1,
        tokens: progress.tokens + entry.response.length,
      };
    },
    close: async () => {
      await closeShard(open);
      lock.close();
    },
  };
}

function checkRows(
  { response }: DistillationEntry,
  teacher: readonly TeacherRow[],
  open: OpenShard,
): void {
  const wanted = open.teacher === undefined ? 0 : response.length;
  if (teacher.length === wanted) return;
  throw new OutriderError(
    `${wanted} rows of the teacher`,
    `${teacher.length}`,
    "observe each token's logits, or keep no teacher tokens",
  );
}
