/** Distillation sets: read as they were written, and whole after any kill. */
import { gzipSync } from "node:zlib";
import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import {
  distillationCorpus,
  type DistillationEntry,
  openDistillationSet,
  openSetWriter,
  parseDistillationEntry,
  readDistillationEntriesOf,
  type SetManifest,
  type TeacherRow,
} from "../../src/data/mod.ts";
import { readShards, teacherPath } from "../../src/data/set_folder.ts";
import { withFolder } from "../io/with_folder.ts";

const MANIFEST: SetManifest = {
  version: 1,
  target: "a model",
  dtype: "f32",
  tokenizerHash: "t",
  templateHash: "c",
  vocabulary: 100_000,
  prompts: "language",
  maximumPrompt: 64,
  maximumTokens: 12,
  temperatures: [0, 0.3, 0.7, 1],
  topP: 0.95,
  seed: 100,
  teacherTokens: 2,
  entriesPerShard: 3,
};

const entries: readonly DistillationEntry[] = [0, 0.3, 0.7, 1, 0].map((temperature, i) => ({
  prompt: [1, 2, 10 * i],
  response: i === 2 ? [] : [5 + i, 2],
  temperature,
  topP: 0.95,
  seed: 100,
}));

/** Rows whose numbers tell which they are; ids beyond 16 bits as well. */
function teacherOf({ response }: DistillationEntry, index: number): TeacherRow[] {
  return response.map((token, i) => ({
    tokens: Int32Array.of(token, 70_000 + 10 * index + i),
    logProbs: Float32Array.of(-0.5, -1 - index),
  }));
}

async function write(folder: string, from: number, to: number): Promise<number> {
  const writer = await openSetWriter(folder, MANIFEST);
  const before = writer.count();
  for (const [i, entry] of entries.slice(from, to).entries()) {
    await writer.append(entry, teacherOf(entry, from + i));
  }
  assertEquals(writer.tokens(), entries.slice(0, to).flatMap(({ response }) => response).length);
  await writer.close();
  return before;
}

async function contents(folder: string): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for await (const { name } of Deno.readDir(folder)) {
    found.set(name, await Deno.readFile(`${folder}/${name}`));
  }
  return found;
}

Deno.test("a set is read as it was written, in one go or several, over several shards", async () => {
  await withFolder(async (folder) => {
    assertEquals(await write(folder, 0, 1), 0);
    assertEquals(await write(folder, 1, 5), 1);
    const shards = await readShards(folder);
    assertEquals(shards.map((shard) => shard.entries.length), [3, 2]);
    assertEquals(shards.flatMap((shard) => shard.entries), [...entries]);
    const set = await openDistillationSet(folder);
    assertEquals(set.counts, { kept: 4, dropped: { empty: 1 } });
    assertEquals(set.tokens, 8);
    // The empty response is no document, and the rows behind it are still in place.
    const documents = [0, 1, 2, 3].map((index) => set.corpus.document(index));
    assertEquals(
      documents.map(({ teacher }) => teacher?.()),
      [0, 1, 3, 4].map((index) => teacherOf(entries[index], index)),
    );
    set.close();
    assertEquals(await write(folder, 5, 5), 5);
  });
});

Deno.test("killed at any byte of a shard, a set goes on after its last whole entry", async () => {
  await withFolder(async (whole) => {
    await write(whole, 0, 5);
    const expected = await contents(whole);
    const lines = expected.get("shard-00001.jsonl") ?? new Uint8Array();
    for (let length = 0; length <= lines.length; length++) {
      await withFolder(async (folder) => {
        for (const [name, bytes] of expected) await Deno.writeFile(`${folder}/${name}`, bytes);
        await Deno.writeFile(`${folder}/shard-00001.jsonl`, lines.slice(0, length));
        const complete = 3 + lines.slice(0, length).filter((byte) => byte === 0x0a).length;
        assertEquals(await write(folder, complete, 5), complete);
        assertEquals(await contents(folder), expected);
      });
    }
  });
});

Deno.test("packed shards are read as they were, and a set goes on behind them", async () => {
  await withFolder(async (folder) => {
    await write(folder, 0, 5);
    const expected = await readDistillationEntriesOf(folder);
    for (const name of ["shard-00000.jsonl", "shard-00001.jsonl"]) {
      await Deno.writeFile(
        `${folder}/${name}.gz`,
        gzipSync(await Deno.readFile(`${folder}/${name}`)),
      );
      await Deno.remove(`${folder}/${name}`);
    }
    assertEquals(await readDistillationEntriesOf(folder), expected);
    const set = await openDistillationSet(folder);
    assertEquals(set.corpus.document(3).teacher?.(), teacherOf(entries[4], 4));
    set.close();
    const writer = await openSetWriter(folder, MANIFEST);
    assertEquals(writer.count(), 5);
    await writer.append(entries[0], teacherOf(entries[0], 0));
    await writer.close();
    assertEquals(await readDistillationEntriesOf(folder), [...expected, entries[0]]);
    assertEquals((await readShards(folder)).map((shard) => shard.entries.length), [3, 2, 1]);
  });
});

Deno.test("a set goes on with the options that it was begun with, and no others", async () => {
  await withFolder(async (folder) => {
    await write(folder, 0, 2);
    const others: Partial<SetManifest>[] = [
      { seed: 7 },
      { temperatures: [0] },
      { target: "another" },
      { teacherTokens: 0 },
    ];
    for (const other of others) {
      const [name] = Object.keys(other);
      const opening = () => openSetWriter(folder, { ...MANIFEST, ...other });
      await assertRejects(opening, OutriderError, `begun with ${name}`);
    }
    const writer = await openSetWriter(folder, MANIFEST);
    await assertRejects(() => writer.append(entries[0]), OutriderError, "2 rows of the teacher");
    await writer.close();
    const second = "import { openSetWriter } from '" +
      import.meta.resolve("../../src/data/mod.ts") +
      `'; await openSetWriter('${folder}', ${JSON.stringify(MANIFEST)})`;
    const held = await openSetWriter(folder, MANIFEST);
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", second],
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(code, 1, "a second process is refused");
    assertMatch(new TextDecoder().decode(stderr), /a set that nobody else writes to/);
    await held.close();
    await Deno.truncate(teacherPath(`${folder}/shard-00000.jsonl`), 5);
    await assertRejects(() => openSetWriter(folder, MANIFEST), OutriderError, "48 bytes");
    await Deno.writeTextFile(`${folder}/manifest.json`, "{}");
    await assertRejects(() => openDistillationSet(folder), OutriderError, "manifest");
    await assertRejects(
      () => openDistillationSet(`${folder}/none`),
      OutriderError,
      "nothing there",
    );
  });
});

Deno.test("what a filter refuses is counted by reason", async () => {
  await withFolder(async (folder) => {
    await write(folder, 0, 5);
    const set = await openDistillationSet(
      folder,
      ({ temperature }) => temperature === 0 ? "greedy" : undefined,
    );
    assertEquals(set.counts, { kept: 2, dropped: { greedy: 2, empty: 1 } });
    assertEquals([set.corpus.length, set.tokens], [2, 4]);
    assertEquals(set.corpus.document(1).teacher?.(), teacherOf(entries[3], 3));
    set.close();
    await assertRejects(() => openDistillationSet(folder, () => "all"), OutriderError, "documents");
  });
});

Deno.test("damaged lines, foreign ids and unreadable paths are one clear error", async () => {
  const good = JSON.stringify(entries[0]);
  const bad = [
    "",
    "{",
    "[]",
    '{"prompt":[1]}',
    good.replace("[1,2,0]", "[1,-2,0]"),
    good.replace("[1,2,0]", "[1,2.5,0]"),
    good.replace("[1,2,0]", '"1"'),
    good.replace("0.95", "null"),
    good.replace("[1,2,0]", "[1,4294967296]"),
  ];
  for (const line of bad) {
    assertThrows(() => parseDistillationEntry(line, "line 9"), OutriderError, "line 9");
  }
  await withFolder(async (folder) => {
    const path = `${folder}/shard-00000.jsonl`;
    await Deno.writeTextFile(path, `${good}\nbroken\n${good}\n`);
    await assertRejects(() => readDistillationEntriesOf(folder), OutriderError, "line 2");
    await Deno.writeTextFile(path, `${good}\n`);
    await assertRejects(() => readDistillationEntriesOf(folder, 5), OutriderError, "below 5");
    assertEquals((await readDistillationEntriesOf(folder, 6)).length, 1);
    await assertRejects(() => openSetWriter(`${path}/below`, MANIFEST), OutriderError);
  });
});

Deno.test("as a corpus, a set counts responses only and leaves empty ones out", () => {
  const corpus = distillationCorpus(entries);
  assertEquals(corpus.length, 4);
  assertEquals([...corpus.document(0).tokens], [1, 2, 0, 5, 2]);
  assertEquals([...corpus.document(0).weights], [0, 0, 0, 1, 1]);
  assertThrows(() => distillationCorpus([]), OutriderError);
});
