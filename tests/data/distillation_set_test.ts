import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import {
  distillationCorpus,
  type DistillationEntry,
  openDistillationWriter,
  parseDistillationEntry,
  readDistillationSet,
} from "../../src/data/mod.ts";

const entries: readonly DistillationEntry[] = [0, 0.3, 0.7, 1].map((temperature, i) => ({
  prompt: [1, 2, 10 * i],
  response: i === 2 ? [] : [5 + i, 2],
  temperature,
  topP: 0.95,
  seed: 100 + i,
}));

async function withPath(use: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(`${folder}/set.jsonl`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function write(path: string, given: readonly DistillationEntry[]): Promise<number> {
  const writer = await openDistillationWriter(path);
  const before = writer.count();
  for (const entry of given) await writer.append(entry);
  await writer.close();
  return before;
}

Deno.test("a set is read as it was written, in one go or several", async () => {
  await withPath(async (path) => {
    assertEquals(await write(path, entries.slice(0, 1)), 0);
    assertEquals(await write(path, entries.slice(1)), 1);
    assertEquals(await readDistillationSet(path), [...entries]);
    assertEquals(await write(path, []), 4);
  });
});

Deno.test("killed at any byte, a set goes on after its last whole entry", async () => {
  await withPath(async (path) => {
    await write(path, entries);
    const whole = await Deno.readFile(path);
    for (let length = 0; length <= whole.length; length++) {
      await Deno.writeFile(path, whole.slice(0, length));
      const complete = whole.slice(0, length).filter((byte) => byte === 0x0a).length;
      assertEquals((await readDistillationSet(path)).length, complete);
      assertEquals(await write(path, entries.slice(complete)), complete);
      assertEquals(await Deno.readFile(path), whole);
    }
  });
});

Deno.test("damaged lines, foreign ids and unwritable paths are one clear error", async () => {
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
  await withPath(async (path) => {
    await Deno.writeTextFile(path, `${good}\nbroken\n${good}\n`);
    await assertRejects(() => readDistillationSet(path), OutriderError, "line 2");
    await assertRejects(() => openDistillationWriter(path), OutriderError, "line 2");
    await Deno.writeTextFile(path, `${good}\n`);
    await assertRejects(() => readDistillationSet(path, 5), OutriderError, "below 5");
    assertEquals((await readDistillationSet(path, 6)).length, 1);
    await assertRejects(() => openDistillationWriter(`${path}/below`), OutriderError);
    await assertRejects(() => readDistillationSet(`${path}.missing`), OutriderError, "missing");
  });
});

Deno.test("as a corpus, a set counts responses only and leaves empty ones out", () => {
  const corpus = distillationCorpus(entries);
  assertEquals(corpus.length, 3);
  assertEquals([...corpus.document(0).tokens], [1, 2, 0, 5, 2]);
  assertEquals([...corpus.document(0).weights], [0, 0, 0, 1, 1]);
  assertThrows(() => distillationCorpus([]), OutriderError);
});
