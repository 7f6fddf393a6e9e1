/**
 * A target's features beside the shards of a distillation set, to be learnt from by drafters that read
 * hidden states.
 *
 * What the rows are is written first, to `features.json`; then the rows, in the order of the entries.
 * A file is only ever appended to, so a run that was killed at any instant leaves rows of whole entries
 * and a rest that the next run drops; a set that has grown since is gone on with.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { writeTextAtomically } from "../io/atomic_write.ts";
import type { DistillationEntry } from "./distillation_set.ts";
import {
  encodeFeatures,
  type FeatureLayout,
  featureRowBytes,
  featureRowsOf,
} from "./feature_rows.ts";
import { readingError } from "./file_lines.ts";
import { isThere, lockFile, openAt, writeAll } from "./set_files.ts";
import { readShards, type SetShard } from "./set_folder.ts";

const CURE = "write the features with deno task features";

function layoutPath(folder: string): string {
  return `${folder}/features.json`;
}

/** The path of the features that belong to a shard's entries. */
export function featurePath(shard: string): string {
  return shard.replace(/\.jsonl(\.gz)?$/, ".features");
}

function isLayout(value: unknown): value is FeatureLayout {
  if (typeof value !== "object" || value === null) return false;
  const { version, target, dtype, taps, width, mostRows }: Readonly<Record<string, unknown>> = {
    ...value,
  };
  return version === 1 && typeof target === "string" && typeof dtype === "string" &&
    Array.isArray(taps) && taps.every(Number.isSafeInteger) && Number.isSafeInteger(width) &&
    Number.isSafeInteger(mostRows);
}

/**
 * Whose features lie beside a set.
 *
 * @throws OutriderError where there are none
 * @example
 * ```ts
 * import { readFeatureLayout } from "@outrider/outrider/data";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => readFeatureLayout("no/such/set"), Error, "deno task features");
 * ```
 */
export async function readFeatureLayout(folder: string): Promise<FeatureLayout> {
  const path = layoutPath(folder);
  if (!await isThere(path)) {
    throw new OutriderError(`the target's features beside the set in ${folder}`, "none", CURE);
  }
  try {
    const value: unknown = JSON.parse(await Deno.readTextFile(path));
    if (isLayout(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw readingError(path, error);
  }
  const cure = "remove it, and write the features again";
  throw new OutriderError(`what features there are in ${path}`, "something else", cure);
}

function checkLayout(path: string, found: FeatureLayout, wanted: FeatureLayout): void {
  const names = ["target", "dtype", "taps", "width", "mostRows"] as const;
  const other = names.find((name) => `${found[name]}` !== `${wanted[name]}`);
  if (other === undefined) return;
  throw new OutriderError(
    `features begun with ${other} ${wanted[other]}`,
    `${found[other]} in ${path}`,
    "run with the options of the first run, or remove that file to write them anew",
  );
}

function bytesOf(entries: readonly DistillationEntry[], layout: FeatureLayout): number {
  const rows = entries.reduce((sum, entry) => sum + featureRowsOf(entry, layout), 0);
  return rows * featureRowBytes(layout);
}

async function sizeOf(path: string): Promise<number> {
  return await isThere(path) ? (await Deno.stat(path)).size : 0;
}

/** The path of a shard's features, which are all there. */
export async function wholeFeatures(
  { path: shard, entries }: SetShard,
  layout: FeatureLayout,
): Promise<string> {
  const path = featurePath(shard);
  const [expected, found] = [bytesOf(entries, layout), await sizeOf(path)];
  if (found >= expected && await isThere(path)) return path;
  throw new OutriderError(`${expected} bytes of features in ${path}`, `${found}`, CURE);
}

/** Appends features to those of a set. */
export interface FeatureWriter {
  /** The entries that had no features when the writer was opened, in order. */
  readonly pending: readonly DistillationEntry[];
  /** Bytes that they will take. */
  readonly pendingBytes: number;
  /** Entries that are done. */
  readonly count: () => number;
  /** Appends the rows, f32 `[rows * width]`, of the next entry; empty where it has none. */
  readonly append: (rows: Float32Array) => Promise<void>;
  /**
   * Appends the rows of an entry that is about to be appended to the set, to the shard at a path;
   * all before it have theirs. A run that is killed in between leaves rows that the next one drops.
   */
  readonly add: (shard: string, entry: DistillationEntry, rows: Float32Array) => Promise<void>;
  /** Flushes to the disk and closes the files. */
  readonly close: () => Promise<void>;
}

/** How many of a shard's entries have all their rows in a file of some bytes, and where these end. */
function wholeEntries(
  { entries }: SetShard,
  layout: FeatureLayout,
  size: number,
): { readonly entries: number; readonly bytes: number } {
  let [whole, bytes] = [0, 0];
  for (const entry of entries) {
    const next = bytes + bytesOf([entry], layout);
    if (next > size) break;
    [whole, bytes] = [whole + 1, next];
  }
  return { entries: whole, bytes };
}

/**
 * Opens the features of a set to append to them, dropping what a killed run left unfinished.
 *
 * @throws OutriderError where they were begun otherwise, or another process writes them
 * @example
 * ```ts
 * import { type FeatureLayout, openFeatureWriter } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const folder = await Deno.makeTempDir(); // a set without entries
 * const layout: FeatureLayout = {
 *   version: 1,
 *   target: "embedded",
 *   dtype: "keep",
 *   taps: [2, 5],
 *   width: 256,
 *   mostRows: 512,
 * };
 * const writer = await openFeatureWriter(folder, layout);
 * assertEquals(writer.pending.length, 0);
 * await writer.close();
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function openFeatureWriter(
  folder: string,
  layout: FeatureLayout,
  vocabulary = Infinity,
): Promise<FeatureWriter> {
  const path = layoutPath(folder);
  if (await isThere(path)) checkLayout(path, await readFeatureLayout(folder), layout);
  else await writeTextAtomically(path, `${JSON.stringify(layout, null, 2)}\n`);
  const lock = await lockFile(path);
  try {
    return await writerBehind(await readShards(folder, vocabulary), layout, lock);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Shards with an entry more, in the last of them or in a new one. */
function withEntry(
  shards: readonly SetShard[],
  path: string,
  entry: DistillationEntry,
): readonly SetShard[] {
  const last = shards.at(-1);
  if (last?.path !== path) return [...shards, { path, entries: [entry], bytes: 0 }];
  return [...shards.slice(0, -1), { ...last, entries: [...last.entries, entry] }];
}

/** The writer behind the rows that are there. */
async function writerBehind(
  found: readonly SetShard[],
  layout: FeatureLayout,
  lock: Deno.FsFile,
): Promise<FeatureWriter> {
  let shards = found;
  let [shard, done, inShard, bytes] = [0, 0, 0, 0];
  for (; shard < shards.length; shard++) {
    const path = featurePath(shards[shard].path);
    const whole = wholeEntries(shards[shard], layout, await sizeOf(path));
    [inShard, bytes, done] = [whole.entries, whole.bytes, done + whole.entries];
    const isWhole = inShard === shards[shard].entries.length && await isThere(path);
    if (!isWhole || shard === shards.length - 1) break;
  }
  const pending = shards.flatMap(({ entries }) => entries).slice(done);
  let file: Deno.FsFile | undefined;
  const finish = async (): Promise<void> => {
    await file?.sync();
    file?.close();
    file = undefined;
  };
  /**
   * To the shard of the next entry. Files of shards without entries are made, too: a reader wants
   * every one. The last shard stays open: it may grow.
   */
  const advance = async (): Promise<void> => {
    while (shard < shards.length) {
      file ??= await openAt(featurePath(shards[shard].path), bytes);
      if (inShard < shards[shard].entries.length || shard === shards.length - 1) return;
      await finish();
      [shard, inShard, bytes] = [shard + 1, 0, 0];
    }
  };
  await advance();
  const append = async (rows: Float32Array): Promise<void> => {
    const entry = shards[shard]?.entries[inShard];
    if (file === undefined || entry === undefined) {
      throw new OutriderError("an entry without features", "none", "stop after the last one");
    }
    checkRows(rows, featureRowsOf(entry, layout) * layout.width);
    await writeAll(file, encodeFeatures(rows));
    [done, inShard] = [done + 1, inShard + 1];
    await advance();
  };
  return {
    pending,
    pendingBytes: bytesOf(pending, layout),
    count: () => done,
    append,
    add: async (path, entry, rows) => {
      if (shards[shard]?.entries[inShard] !== undefined) {
        throw new OutriderError("features of all entries before", "some without", CURE);
      }
      shards = withEntry(shards, path, entry);
      await advance();
      await append(rows);
    },
    close: async () => {
      await finish();
      lock.close();
    },
  };
}

function checkRows(rows: Float32Array, expected: number): void {
  if (rows.length === expected) return;
  throw new OutriderError(
    `${expected} numbers of the next entry`,
    `${rows.length}`,
    "append the features of the pending entries in their order",
  );
}
