/** Features beside a set: read as they were written, whole after any kill, and grown with the set. */
import { gzipSync } from "node:zlib";
import { assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf, normals } from "../../src/core/random.ts";
import {
  batches,
  type DistillationEntry,
  encodeFeatures,
  type FeatureLayout,
  featurePath,
  featureRowsOf,
  openDistillationSet,
  openFeatureWriter,
  openSetWriter,
  readFeatureLayout,
  type SetManifest,
} from "../../src/data/mod.ts";
import { withFolder } from "../io/with_folder.ts";

const MANIFEST: SetManifest = {
  version: 1,
  target: "a model",
  dtype: "f32",
  tokenizerHash: "t",
  templateHash: "c",
  vocabulary: 100,
  prompts: "language",
  maximumPrompt: 64,
  maximumTokens: 12,
  temperatures: [0],
  topP: 1,
  seed: 1,
  teacherTokens: 0,
  entriesPerShard: 3,
};
const LAYOUT: FeatureLayout = {
  version: 1,
  target: "a model",
  dtype: "f32",
  taps: [1, 2],
  width: 6,
  mostRows: 8,
};
/** Two shards and a part; the third answer is empty, the fifth is too long. */
const ENTRIES: readonly DistillationEntry[] = [4, 1, 0, 3, 7, 2, 5].map((length, i) => ({
  prompt: [1, 2, 10 * i],
  response: Array.from({ length }, (_, k) => 3 + k),
  temperature: 0,
  topP: 1,
  seed: 1,
}));

async function writeSet(folder: string, from: number, to: number): Promise<void> {
  const writer = await openSetWriter(folder, MANIFEST);
  for (const entry of ENTRIES.slice(from, to)) await writer.append(entry);
  await writer.close();
}

/** Rows that tell which entry they are of. */
function rowsOf(index: number): Float32Array {
  const count = featureRowsOf(ENTRIES[index], LAYOUT);
  return normals(foldIn(keyOf(1), index), count * LAYOUT.width);
}

/** Writes the features of at most `count` entries; gives how many had been done. */
async function writeFeatures(folder: string, count = Infinity): Promise<number> {
  const writer = await openFeatureWriter(folder, LAYOUT);
  const done = writer.count();
  for (let i = 0; i < Math.min(count, writer.pending.length); i++) {
    await writer.append(rowsOf(done + i));
  }
  await writer.close();
  return done;
}

async function filesOf(folder: string): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for await (const { name } of Deno.readDir(folder)) {
    if (/features/.test(name)) found.set(name, await Deno.readFile(`${folder}/${name}`));
  }
  return new Map([...found].sort());
}

const wholeFiles = async (): Promise<Map<string, Uint8Array>> => {
  let files = new Map<string, Uint8Array>();
  await withFolder(async (folder) => {
    await writeSet(folder, 0, ENTRIES.length);
    assertEquals(await writeFeatures(folder), 0);
    files = await filesOf(folder);
  });
  return files;
};

Deno.test("every document of a set reads its own features, whole and in parts", () =>
  withFolder(async (folder) => {
    await writeSet(folder, 0, ENTRIES.length);
    await writeFeatures(folder);
    assertEquals(await readFeatureLayout(folder), LAYOUT);
    for (const packed of [false, true]) {
      if (packed) {
        const shard = `${folder}/shard-00000.jsonl`;
        await Deno.writeFile(`${shard}.gz`, gzipSync(await Deno.readFile(shard)));
        await Deno.remove(shard);
      }
      const set = await openDistillationSet(folder, () => undefined, LAYOUT);
      assertEquals(set.counts, { kept: 5, dropped: { "empty": 1, "without features": 1 } });
      [0, 1, 3, 5, 6].forEach((index, at) => {
        const rows = featureRowsOf(ENTRIES[index], LAYOUT);
        const expected = rowsOf(index);
        const read = set.corpus.document(at).features;
        const values = [...read?.(0, rows) ?? []].flatMap((row) => [...row]);
        assertEquals(values.length, expected.length);
        values.forEach((value, i) => assertAlmostEquals(value, expected[i], 2e-3));
        const last = read?.(rows - 1, 1) ?? [];
        assertEquals([...last[0]], values.slice(-LAYOUT.width));
      });
      set.close();
    }
  }));

Deno.test("packed rows have the features of their own tokens, also where a document is cut", () =>
  withFolder(async (folder) => {
    await writeSet(folder, 0, ENTRIES.length);
    await writeFeatures(folder);
    const set = await openDistillationSet(folder, () => undefined, LAYOUT);
    const packed = batches(set.corpus, { key: keyOf(3), rowsPerBatch: 11, sequenceLength: 4 });
    for (let step = 0; step < 6; step++) {
      const { features, tokens, starts } = packed.at(step);
      features.forEach((row, at) => {
        // A prompt's third token names the entry, its place is two behind the first.
        const isUnused = starts[at] === at && tokens[at] === 0 && row === undefined;
        assertEquals(row?.length, isUnused ? undefined : LAYOUT.width);
        const isNamed = tokens[at] % 10 === 0 && tokens[at] > 0;
        if (!isNamed || row === undefined) return;
        const expected = rowsOf(tokens[at] / 10).subarray(2 * LAYOUT.width, 3 * LAYOUT.width);
        row.forEach((value, i) => assertAlmostEquals(value, expected[i], 2e-3));
      });
    }
    set.close();
  }));

Deno.test("a writer that was killed at any byte goes on to the same files", async () => {
  const whole = await wholeFiles();
  const shards = [...whole.keys()].filter((name) => name.startsWith("shard-"));
  assertEquals(shards.length, 3);
  for (const [killed, shard] of shards.entries()) {
    const size = whole.get(shard)?.length ?? 0;
    for (let bytes = 0; bytes <= size; bytes += 11) {
      await withFolder(async (folder) => {
        await writeSet(folder, 0, ENTRIES.length);
        await Deno.writeTextFile(`${folder}/features.json`, JSON.stringify(LAYOUT, null, 2) + "\n");
        for (const [at, name] of shards.slice(0, killed + 1).entries()) {
          const file = whole.get(name) ?? new Uint8Array();
          await Deno.writeFile(`${folder}/${name}`, at < killed ? file : file.slice(0, bytes));
        }
        await writeFeatures(folder);
        assertEquals(await filesOf(folder), whole, `${shard} cut at ${bytes}`);
      });
    }
  }
});

Deno.test("features are written in as many runs as one likes, and go on when the set has grown", async () => {
  const whole = await wholeFiles();
  await withFolder(async (folder) => {
    await writeSet(folder, 0, 2);
    assertEquals(await writeFeatures(folder, 1), 0);
    assertEquals(await writeFeatures(folder), 1);
    await writeSet(folder, 2, 5);
    await assertRejects(
      () => openDistillationSet(folder, () => undefined, LAYOUT),
      OutriderError,
      "write the features with deno task features",
    );
    // An empty answer needs no rows, so it is done as soon as the ones before it are.
    assertEquals(await writeFeatures(folder, 1), 3);
    await writeSet(folder, 5, ENTRIES.length);
    await writeFeatures(folder);
    assertEquals(await filesOf(folder), whole);
  });
});

/** Appends entries and their features together, from what the set has on. */
async function writeBoth(folder: string, to = ENTRIES.length): Promise<void> {
  const set = await openSetWriter(folder, MANIFEST);
  const features = await openFeatureWriter(folder, LAYOUT);
  const done = features.count();
  for (let i = 0; i < features.pending.length; i++) await features.append(rowsOf(done + i));
  for (let at = set.count(); at < to; at++) {
    await features.add(set.nextShard(), ENTRIES[at], rowsOf(at));
    await set.append(ENTRIES[at]);
  }
  assertEquals(features.count(), set.count());
  await features.close();
  await set.close();
}

/** A run of {@link writeBoth} that was killed with `entries` lines and some of the next features. */
async function killedBoth(
  folder: string,
  { entries, bytes, whole }: {
    readonly entries: number;
    readonly bytes: number;
    readonly whole: ReadonlyMap<string, Uint8Array>;
  },
): Promise<void> {
  await writeBoth(folder, entries);
  const shard = `shard-0000${Math.floor(entries / MANIFEST.entriesPerShard)}.features`;
  const path = `${folder}/${shard}`;
  const size = await Deno.stat(path).then(({ size }) => size, () => 0);
  const rest = whole.get(shard)?.slice(size, size + bytes) ?? new Uint8Array();
  await Deno.writeFile(path, rest, { append: true });
}

Deno.test("features that are written with the answers are whole after any kill between the two", async () => {
  const whole = await wholeFiles();
  for (let entries = 0; entries < ENTRIES.length; entries++) {
    for (const bytes of [0, 5, 12, 24, 31, Infinity]) {
      await withFolder(async (folder) => {
        await killedBoth(folder, { entries, bytes, whole });
        // Whoever reads a set that is being written finds the features of every line.
        if (entries > 0) (await openDistillationSet(folder, () => undefined, LAYOUT)).close();
        await writeBoth(folder);
        assertEquals(await filesOf(folder), whole, `${entries} entries and ${bytes} bytes`);
      });
    }
  }
});

Deno.test("features that lag behind a set are caught up with before it grows", async () => {
  const whole = await wholeFiles();
  for (const [entries, features] of [[2, 0], [3, 0], [5, 1], [6, 3], [7, 7]]) {
    await withFolder(async (folder) => {
      await writeSet(folder, 0, entries);
      await writeFeatures(folder, features);
      const writer = await openFeatureWriter(folder, LAYOUT);
      if (writer.pending.length > 0) {
        const add = () => writer.add(`${folder}/shard-00002.jsonl`, ENTRIES[0], rowsOf(0));
        await assertRejects(add, OutriderError, "features of all entries before");
      }
      await writer.close();
      await writeBoth(folder);
      assertEquals(await filesOf(folder), whole, `${features} of ${entries}`);
    });
  }
});

Deno.test("features of other options, of two writers and of other sizes are refused", () =>
  withFolder(async (folder) => {
    await writeSet(folder, 0, ENTRIES.length);
    const writer = await openFeatureWriter(folder, LAYOUT);
    await assertRejects(
      () => openFeatureWriter(folder, LAYOUT),
      OutriderError,
      "another process holds",
    );
    await assertRejects(() => writer.append(new Float32Array(7)), OutriderError, "36 numbers");
    await writer.close();
    const other = { ...LAYOUT, taps: [0, 2] };
    await assertRejects(() => openFeatureWriter(folder, other), OutriderError, "begun with taps");
    assertThrows(() => encodeFeatures(Float32Array.of(1, 1e6)), OutriderError, "16-bit floats");
    assertEquals(featurePath(`${folder}/shard-00000.jsonl.gz`), `${folder}/shard-00000.features`);
    await Deno.writeTextFile(`${folder}/features.json`, "{}");
    await assertRejects(() => readFeatureLayout(folder), OutriderError, "something else");
  }));
