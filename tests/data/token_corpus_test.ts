import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, type Key, keyOf, uniformInteger } from "../../src/core/random.ts";
import { growingArray } from "../../src/data/growing_array.ts";
import {
  batches,
  type BatchPosition,
  type Corpus,
  corpusOf,
  type DocumentCodec,
  gatherDocuments,
  openCorpus,
  openTokenFile,
  type PackedBatch,
  renderChatMl,
  type TokenDocument,
  writeTokenFile,
} from "../../src/data/mod.ts";

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const below = (key: Key, name: string, bound: number): number =>
  uniformInteger(foldIn(key, name), bound);

/** Documents of all lengths with runs of all weights. */
function drawnDocuments(key: Key, count: number, vocabulary: number): TokenDocument[] {
  return Array.from({ length: count }, (_, i) => {
    const own = foldIn(key, i);
    const length = below(own, "kind", 10) === 0 ? below(own, "long", 3000) : below(own, "short", 9);
    let weight = 1;
    return {
      tokens: Int32Array.from(
        { length },
        (_, t) => uniformInteger(foldIn(own, t), vocabulary),
      ),
      weights: Float32Array.from({ length }, (_, t) => {
        if (below(foldIn(own, t), "turn", 3) === 0) {
          weight = [0, 1, 0.25][below(foldIn(own, t), "w", 3)];
        }
        return weight;
      }),
    };
  });
}

async function* yielded<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

const all = ({ length, document }: Corpus): TokenDocument[] =>
  Array.from({ length }, (_, i) => document(i));

Deno.test("an array that grows is an array, whatever its blocks", () => {
  for (const blockLength of [1, 2, 7, 1000]) {
    const mine = growingArray((length) => new Int32Array(length), blockLength);
    const theirs: number[] = [];
    for (let i = 0; i < 60; i++) {
      const key = foldIn(keyOf(1), i);
      const values = Array.from({ length: below(key, "n", 9) }, (_, j) => 100 * i + j);
      mine.append(values);
      theirs.push(...values);
      assertEquals(mine.length, theirs.length);
      const start = uniformInteger(key, theirs.length + 1);
      const target = new Int32Array(theirs.length - start);
      mine.copyTo(target, start);
      assertEquals([...target], theirs.slice(start));
    }
    assertEquals([...mine.parts()].flatMap((part) => [...part]), theirs);
    assertEquals([-1, 0, theirs.length - 1, theirs.length].map(mine.at), [
      undefined,
      theirs[0],
      theirs.at(-1),
      undefined,
    ]);
  }
});

Deno.test("documents come back as they were, from memory and from a file, for large ids too", () =>
  inFolder(async (folder) => {
    for (const vocabularySize of [2, 2 ** 16, 2 ** 16 + 1, undefined]) {
      const key = foldIn(keyOf(2), vocabularySize ?? 0);
      const documents = drawnDocuments(key, 200, vocabularySize ?? 2 ** 31 - 1);
      const tokens = documents.reduce((sum, document) => sum + document.tokens.length, 0);
      const path = `${folder}/a.tokens`;
      await writeTokenFile(path, yielded(documents), { vocabularySize });
      const bytes = (await Deno.stat(path)).size;
      const perToken = (vocabularySize ?? Infinity) <= 2 ** 16 ? 2 : 4;
      assert(bytes >= perToken * tokens && bytes < perToken * tokens + 100_000);
      for (
        const corpus of [await gatherDocuments(documents, { vocabularySize }), openTokenFile(path)]
      ) {
        assertEquals(corpus.tokens, tokens);
        assertEquals(all(corpus), documents);
        for (const index of [-1, corpus.length, 0.5, NaN]) {
          assertThrows(() => corpus.document(index), OutriderError);
        }
      }
    }
  }));

Deno.test("an epoch of a file holds every document once, and goes on from any position as in memory", () =>
  inFolder(async (folder) => {
    const documents = drawnDocuments(keyOf(3), 120, 50_000);
    await writeTokenFile(`${folder}/a.tokens`, yielded(documents), { vocabularySize: 50_000 });
    const options = { key: keyOf(4), rowsPerBatch: 300, sequenceLength: 128 };
    const memory = batches(corpusOf(documents), options);
    const made: { batch: PackedBatch; position: BatchPosition }[] = [];
    for (let position = memory.init(); position.epoch < 2;) {
      made.push(memory.step(position));
      position = made[made.length - 1].position;
    }
    let position = memory.init();
    for (const expected of made) {
      // As after a kill: everything but the position is opened anew.
      const reopened = batches(openTokenFile(`${folder}/a.tokens`), options);
      const step = reopened.step(JSON.parse(JSON.stringify(position)));
      assertEquals(step, expected);
      position = step.position;
    }
  }));

Deno.test("the document that reaches the limit is the last, and no more are asked for", () =>
  inFolder(async (folder) => {
    const documents = drawnDocuments(keyOf(5), 50, 9);
    for (const maximumTokens of [1, 100, 1000, Infinity]) {
      let asked = 0;
      const counted = async function* (): AsyncGenerator<TokenDocument> {
        for await (const document of yielded(documents)) {
          asked++;
          yield document;
        }
      };
      const ends = documents.map((_, i) =>
        documents.slice(0, i + 1).reduce((sum, { tokens }) => sum + tokens.length, 0)
      );
      const reached = ends.findIndex((end) => end >= maximumTokens) + 1;
      const count = reached === 0 ? documents.length : reached;
      assertEquals((await gatherDocuments(counted(), { maximumTokens })).length, count);
      assertEquals(asked, count);
      await writeTokenFile(`${folder}/a.tokens`, counted(), { maximumTokens });
      assertEquals(openTokenFile(`${folder}/a.tokens`).length, count);
      assertEquals(asked, 2 * count);
    }
  }));

Deno.test("a token file that is cut anywhere, or no token file, gives one clear error", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.tokens`;
    await writeTokenFile(path, yielded(drawnDocuments(keyOf(6), 20, 300)), { vocabularySize: 300 });
    const whole = await Deno.readFile(path);
    for (let length = 0; length < whole.length; length += 1 + Math.floor(length / 50)) {
      await Deno.writeFile(path, whole.subarray(0, length));
      assertThrows(() => openTokenFile(path), OutriderError, "a.tokens");
      await Deno.writeFile(path, whole.subarray(whole.length - length));
      assertThrows(() => openTokenFile(path), OutriderError, "a.tokens");
    }
    assertThrows(() => openTokenFile(`${folder}/none`), OutriderError, "none");
  }));

/** A codec that counts how often it is asked. */
function countingCodec(): { codec: DocumentCodec; calls: () => number } {
  let calls = 0;
  const encode = (text: string): number[] => {
    calls++;
    return Array.from(text, (letter) => letter.charCodeAt(0));
  };
  return {
    codec: { encode, renderChat: renderChatMl, endOfText: 0, vocabularySize: 2 ** 16 },
    calls: () => calls,
  };
}

const LINES = Array.from({ length: 60 }, (_, i) =>
  JSON.stringify(
    i % 3 === 0 ? { instruction: `do ${i}`, output: `done ${i}` } : { text: `text number ${i}` },
  ));

Deno.test("a second run takes tokens from the cache; other content or another codec does not", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.jsonl`;
    const cache = { folder: `${folder}/tokens`, codec: "letters" };
    await Deno.writeTextFile(path, LINES.join("\n"));
    const { codec, calls } = countingCodec();
    const expected = all(await openCorpus(path, codec, { promptWeight: 0.5 }));
    const open = async (options = {}): Promise<readonly [TokenDocument[], number]> => {
      const before = calls();
      const corpus = await openCorpus(path, codec, { promptWeight: 0.5, cache, ...options });
      return [all(corpus), calls() - before];
    };
    const [documents, first] = await open();
    assertEquals(documents, expected);
    assert(first > 0);
    assertEquals(await open(), [expected, 0]);
    assert((await open({ promptWeight: 1 }))[1] > 0);
    assert((await open({ cache: { ...cache, codec: "others" } }))[1] > 0);
    assert((await open({ maximumTokens: 100 }))[1] > 0);
    assertEquals(await open(), [expected, 0]);
    await Deno.writeTextFile(path, LINES.slice(1).join("\n"));
    const [changed, again] = await open();
    assertEquals(changed, expected.slice(1));
    assert(again > 0);
  }));

Deno.test("a damaged cache is made again", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.jsonl`;
    const cache = { folder: `${folder}/tokens`, codec: "letters" };
    await Deno.writeTextFile(path, LINES.join("\n"));
    const { codec, calls } = countingCodec();
    const expected = all(await openCorpus(path, codec, { cache }));
    const [{ name }] = await Array.fromAsync(Deno.readDir(cache.folder));
    await Deno.truncate(`${cache.folder}/${name}`, 100);
    const before = calls();
    assertEquals(all(await openCorpus(path, codec, { cache })), expected);
    assert(calls() > before);
  }));

Deno.test("tokenising that is cut short leaves no file behind", () =>
  inFolder(async (folder) => {
    const path = `${folder}/a.jsonl`;
    const cache = { folder: `${folder}/tokens`, codec: "letters" };
    await Deno.writeTextFile(path, [...LINES, "not JSON"].join("\n"));
    const { codec } = countingCodec();
    await assertRejects(() => openCorpus(path, codec, { cache }), OutriderError, "JSON");
    assertEquals(await Array.fromAsync(Deno.readDir(cache.folder)), []);
  }));

Deno.test("several files, plain and gzip, make one corpus from the cache as in memory", () =>
  inFolder(async (folder) => {
    const stream = new Blob([LINES.slice(20).join("\n")]).stream()
      .pipeThrough(new CompressionStream("gzip"));
    await Deno.writeTextFile(`${folder}/a.jsonl`, LINES.slice(0, 20).join("\n"));
    await Deno.writeFile(`${folder}/b.jsonl.gz`, stream);
    await Deno.writeTextFile(`${folder}/empty.txt`, "");
    const name = ["a.jsonl", "empty.txt", "b.jsonl.gz"].map((file) => `${folder}/${file}`).join();
    const { codec } = countingCodec();
    const cache = { folder: `${folder}/tokens`, codec: "letters" };
    for (const maximumTokens of [undefined, 10, 500]) {
      const memory = await openCorpus(name, codec, { maximumTokens });
      const cached = await openCorpus(name, codec, { maximumTokens, cache });
      assertEquals(all(cached), all(memory));
    }
    await assertRejects(
      () => openCorpus(`${folder}/empty.txt`, codec, { cache }),
      OutriderError,
      "empty.txt",
    );
  }));
