import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { keyOf } from "../../src/core/random.ts";
import { STREAM_START, type StreamedRecord, streamRecords } from "../../src/data/mod.ts";

const COUNTS = [17, 0, 5, 30];
const TOTAL = 52;

/** Files of numbered records: JSONL, an empty one, plain text, and gzip. */
async function withFiles(use: (paths: readonly string[]) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  let number = 0;
  const texts = COUNTS.map((count) => Array.from({ length: count }, () => `record ${number++}`));
  const json = texts.map((file) => file.map((text) => JSON.stringify({ text })).join("\n"));
  const gzip = new Blob([json[3]]).stream().pipeThrough(new CompressionStream("gzip"));
  const paths = ["a.jsonl", "b.jsonl", "c.txt", "d.jsonl.gz"].map((name) => `${folder}/${name}`);
  try {
    await Deno.writeTextFile(paths[0], json[0]);
    await Deno.writeTextFile(paths[1], json[1]);
    await Deno.writeTextFile(paths[2], texts[2].join("\n<|endoftext|>\n"));
    await Deno.writeFile(paths[3], gzip);
    await use(paths);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function take(
  stream: AsyncGenerator<StreamedRecord>,
  count: number,
): Promise<StreamedRecord[]> {
  const taken: StreamedRecord[] = [];
  for await (const one of stream) {
    taken.push(one);
    if (taken.length === count) break;
  }
  return taken;
}

const numbersOf = (records: readonly StreamedRecord[]): number[] =>
  records.map(({ record }) => record.kind === "text" ? Number(record.text.slice(7)) : NaN);

Deno.test("every record comes exactly once an epoch, within its window, in orders that differ", () =>
  withFiles(async (paths) => {
    for (const window of [1, 2, 7, 17, 51, 52, 53, 1000]) {
      const all = numbersOf(await take(streamRecords(paths, { key: keyOf(1), window }), 3 * TOTAL));
      const epochs = [0, 1, 2].map((epoch) => all.slice(epoch * TOTAL, (epoch + 1) * TOTAL));
      for (const epoch of epochs) {
        assertEquals(epoch.toSorted((a, b) => a - b), Array.from({ length: TOTAL }, (_, i) => i));
        epoch.forEach((number, at) => {
          assertEquals(Math.floor(number / window), Math.floor(at / window));
        });
      }
      if (window === 1) continue;
      assertNotEquals(epochs[0], epochs[1]);
      const other = await take(streamRecords(paths, { key: keyOf(2), window }), TOTAL);
      assertNotEquals(numbersOf(other), epochs[0]);
    }
  }));

Deno.test("from every position on, read anew from JSON, the same records follow", () =>
  withFiles(async (paths) => {
    for (const window of [1, 7, 20, 1000]) {
      const options = { key: keyOf(3), window };
      const all = await take(streamRecords(paths, options), 2 * TOTAL + 10);
      for (let at = 0; at < 2 * TOTAL; at++) {
        const position = JSON.parse(JSON.stringify(all[at].position));
        assertEquals(
          await take(streamRecords(paths, options, position), 10),
          all.slice(at + 1, at + 11),
        );
      }
      assertEquals(await take(streamRecords(paths, options, STREAM_START), 10), all.slice(0, 10));
      assert(all.every(({ position }) => JSON.stringify(position).length < 60));
    }
  }));

Deno.test("files without records, windows of none and foreign positions are one clear error", () =>
  withFiles(async (paths) => {
    const options = { key: keyOf(1), window: 4 };
    const first = (...given: Parameters<typeof streamRecords>) => () =>
      streamRecords(...given).next();
    await assertRejects(first([paths[1]], options), OutriderError, "b.jsonl");
    await assertRejects(first([], options), OutriderError);
    await assertRejects(first(paths, { ...options, window: 0 }), OutriderError);
    for (const change of [{ file: 4 }, { byte: -1 }, { epoch: 0.5 }, { taken: NaN }]) {
      await assertRejects(first(paths, options, { ...STREAM_START, ...change }), OutriderError);
    }
  }));
