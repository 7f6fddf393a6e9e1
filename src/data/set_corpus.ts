/**
 * A distillation set as a corpus: filtered, with the teacher's distributions read when asked for.
 *
 * @module
 */
import { corpusOf } from "./corpus.ts";
import type { DistillationEntry } from "./distillation_set.ts";
import { responseDocument, type TokenDocument } from "./documents.ts";
import { countReason, type Filter, type FilterCounts, NO_COUNTS } from "./filter_counts.ts";
import { wholeFeatures } from "./feature_folder.ts";
import { type FeatureLayout, featureReader, featureRowsOf } from "./feature_rows.ts";
import type { Corpus } from "./packing.ts";
import { readShards, type SetShard, teacherLayout, teacherPath } from "./set_folder.ts";
import { readRowsSync } from "./set_files.ts";
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

/** The files that belong to a shard's entries, where they are there and asked for. */
interface ShardFiles {
  readonly teacher?: Deno.FsFile;
  readonly features?: Deno.FsFile;
}

/** How the rows in these files are laid out. */
interface RowLayouts {
  readonly manifest: SetManifest;
  readonly features?: FeatureLayout;
}

/** Reads the teacher's rows of one entry; `from` is its first row in the file. */
function teacherAt(
  file: Deno.FsFile,
  from: number,
  count: number,
  manifest: SetManifest,
): TeacherRow[] {
  const layout = teacherLayout(manifest);
  const size = teacherRowBytes(layout);
  return decodeTeacherRows(
    readRowsSync(file, { from, count, size, what: "the teacher" }),
    layout,
  );
}

/** The documents of a shard that a filter lets pass. */
function documentsOf(
  { entries }: SetShard,
  { teacher, features }: ShardFiles,
  layouts: RowLayouts,
  judge: (entry: DistillationEntry) => boolean,
): TokenDocument[] {
  const documents: TokenDocument[] = [];
  let [row, featureRow] = [0, 0];
  for (const entry of entries) {
    const { prompt, response } = entry;
    const [from, firstFeature] = [row, featureRow];
    row += response.length;
    if (layouts.features !== undefined) featureRow += featureRowsOf(entry, layouts.features);
    if (!judge(entry)) continue;
    documents.push({
      ...responseDocument(prompt, response),
      ...(teacher === undefined
        ? {}
        : { teacher: () => teacherAt(teacher, from, response.length, layouts.manifest) }),
      ...(features === undefined || layouts.features === undefined
        ? {}
        : { features: featureReader(features, firstFeature, layouts.features) }),
    });
  }
  return documents;
}

/**
 * Opens a set to learn from it. Where its manifest keeps teacher tokens, each document has a
 * `teacher`, which reads the rows of its response from the disk.
 *
 * @param folder the set's folder
 * @param filter what an entry is left out for; nothing if left out
 * @param features how the target's features beside it are laid out (`readFeatureLayout`): then each
 * document has `features`, too, and entries that are too long to have any are left out
 * @throws OutriderError where the set is damaged, or no entry passes
 */
export async function openDistillationSet(
  folder: string,
  filter: Filter<DistillationEntry> = () => undefined,
  features?: FeatureLayout,
): Promise<DistillationSet> {
  const manifest = await readManifest(`${folder}/manifest.json`);
  const shards = await readShards(folder, manifest.vocabulary);
  const files: Deno.FsFile[] = [];
  let [counts, tokens] = [NO_COUNTS, 0];
  const judge = (entry: DistillationEntry): boolean => {
    const isBare = features !== undefined && featureRowsOf(entry, features) === 0;
    const reason = entry.response.length === 0
      ? "empty"
      : isBare
      ? "without features"
      : filter(entry);
    counts = countReason(counts, reason);
    if (reason === undefined) tokens += entry.response.length;
    return reason === undefined;
  };
  const documents: TokenDocument[] = [];
  const close = (): void => files.forEach((file) => file.close());
  const open = async (path: string): Promise<Deno.FsFile> => {
    const file = await Deno.open(path, { read: true });
    files.push(file);
    return file;
  };
  try {
    for (const shard of shards) {
      const opened: ShardFiles = {
        ...(manifest.teacherTokens === 0 ? {} : { teacher: await open(teacherPath(shard.path)) }),
        ...(features === undefined
          ? {}
          : { features: await open(await wholeFeatures(shard, features)) }),
      };
      documents.push(...documentsOf(shard, opened, { manifest, features }, judge));
    }
    return { manifest, corpus: corpusOf(documents, folder), counts, tokens, close };
  } catch (error) {
    close();
    throw error;
  }
}
