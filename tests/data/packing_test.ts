import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, type Key, keyOf, uniformInteger } from "../../src/core/random.ts";
import {
  batches,
  type BatchPosition,
  type Corpus,
  corpusOf,
  type PackedBatch,
  type TokenDocument,
} from "../../src/data/mod.ts";

/** Documents whose tokens say which document and place they come from: 1000 * document + place. */
function numberedCorpus(key: Key, count: number, longest: number): Corpus {
  return corpusOf(Array.from({ length: count }, (_, document): TokenDocument => {
    const length = 1 + uniformInteger(foldIn(key, document), longest);
    return {
      tokens: Int32Array.from({ length }, (_, place) => 1000 * (document + 1) + place),
      weights: Float32Array.from({ length }, (_, place) => place % 3 === 0 ? 0 : 1),
    };
  }));
}

interface Case {
  readonly corpus: Corpus;
  readonly options: { key: Key; rowsPerBatch: number; sequenceLength: number };
}

const cases: readonly Case[] = Array.from({ length: 40 }, (_, i) => {
  const key = foldIn(keyOf(8), i);
  const sequenceLength = 1 + uniformInteger(foldIn(key, "sequence"), 12);
  const rowsPerBatch = sequenceLength + uniformInteger(foldIn(key, "rows"), 40);
  const count = 1 + uniformInteger(foldIn(key, "count"), 12);
  const longest = 2 + uniformInteger(foldIn(key, "longest"), 30);
  const corpus = numberedCorpus(key, count, longest);
  const hasRows = Array.from({ length: count }, (_, d) => corpus.document(d).tokens.length > 1);
  return {
    corpus: hasRows.some(Boolean) ? corpus : numberedCorpus(keyOf(1), 9, 9),
    options: { key, rowsPerBatch, sequenceLength },
  };
});

function take(start: BatchPosition, count: number, { corpus, options }: Case): PackedBatch[] {
  const { step } = batches(corpus, options);
  let position = start;
  return Array.from({ length: count }, () => {
    const made = step(position);
    position = made.position;
    return made.batch;
  });
}

Deno.test("a row sees rows of its own document only, in order, and at most a sequence of them", () => {
  for (const each of cases) {
    for (const { tokens, starts, positions } of take({ epoch: 0, index: 0, offset: 0 }, 8, each)) {
      starts.forEach((start, row) => {
        if (tokens[row] === 0) return;
        assert(start <= row && row - start < each.options.sequenceLength);
        assertEquals(positions[row], row - start);
        for (let seen = start; seen <= row; seen++) {
          assertEquals(tokens[row] - tokens[seen], row - seen);
          assertEquals(starts[seen], start);
        }
      });
    }
  }
});

Deno.test("every row's target is the token that follows, or -1 exactly where its weight is 0", () => {
  for (const each of cases) {
    for (const { tokens, targets, lossMask } of take({ epoch: 0, index: 0, offset: 0 }, 8, each)) {
      tokens.forEach((token, row) => {
        const weight = token === 0 || (token + 1) % 1000 % 3 === 0 ? 0 : 1;
        assertEquals(lossMask[row], weight);
        assertEquals(targets[row], weight === 0 ? -1 : token + 1);
      });
    }
  }
});

Deno.test("an epoch holds every document's every row exactly once", () => {
  for (const { corpus, options } of cases) {
    const { init, step } = batches(corpus, options);
    const wanted: number[] = [];
    for (let d = 0; d < corpus.length; d++) wanted.push(...corpus.document(d).tokens.slice(0, -1));
    const rows: number[] = [];
    for (let position = init(); position.epoch < 1;) {
      const made = step(position);
      rows.push(...made.batch.tokens.filter((token) => token !== 0));
      position = made.position;
    }
    assertEquals(
      rows.slice(0, wanted.length).toSorted((a, b) => a - b),
      wanted.toSorted((a, b) => a - b),
    );
  }
});

Deno.test("a document that fits the sequence length is never cut", () => {
  for (const each of cases) {
    for (const { tokens, positions } of take({ epoch: 0, index: 0, offset: 0 }, 8, each)) {
      tokens.forEach((token, row) => {
        if (token === 0) return;
        const document = each.corpus.document(Math.floor(token / 1000) - 1);
        if (document.tokens.length - 1 <= each.options.sequenceLength) {
          assertEquals(positions[row], token % 1000);
        }
      });
    }
  }
});

Deno.test("a run that resumes from a saved position goes on to the same batches", () => {
  for (const each of cases) {
    const { init, step, at } = batches(each.corpus, each.options);
    const whole = take(init(), 9, each);
    let position = init();
    for (let i = 0; i < 4; i++) position = step(position).position;
    const saved: BatchPosition = JSON.parse(JSON.stringify(position));
    assertEquals(take(saved, 5, each), whole.slice(4));
    assertEquals([at(6), at(7), at(2)], [whole[6], whole[7], whole[2]]);
  }
});

Deno.test("epochs differ in order, and so do keys", () => {
  const corpus = numberedCorpus(keyOf(3), 50, 2);
  const options = { key: keyOf(1), rowsPerBatch: 30, sequenceLength: 30 };
  const first = (key: Key, epoch: number): number[] => [
    ...batches(corpus, { ...options, key }).step({ epoch, index: 0, offset: 0 }).batch.tokens,
  ];
  assertEquals(first(keyOf(1), 0), first(keyOf(1), 0));
  assertNotEquals(first(keyOf(1), 0), first(keyOf(1), 1));
  assertNotEquals(first(keyOf(1), 0), first(keyOf(2), 0));
});

Deno.test("impossible sizes, empty corpora and foreign positions are one clear error", () => {
  const corpus = numberedCorpus(keyOf(3), 5, 9);
  const options = { key: keyOf(1), rowsPerBatch: 30, sequenceLength: 10 };
  assertThrows(() => batches(corpus, { ...options, sequenceLength: 0 }), OutriderError);
  assertThrows(() => batches(corpus, { ...options, sequenceLength: 31 }), OutriderError);
  assertThrows(() => batches(corpus, { ...options, rowsPerBatch: NaN }), OutriderError);
  assertThrows(() => batches({ ...corpus, length: 0 }, options), OutriderError);
  assertThrows(() => corpusOf([]), OutriderError);
  const { step } = batches(corpus, options);
  for (const index of [-1, 5, 0.5, NaN]) {
    assertThrows(() => step({ epoch: 0, index, offset: 0 }), OutriderError);
  }
  const short: Corpus = {
    length: Infinity,
    document: () => ({ tokens: Int32Array.of(1), weights: Float32Array.of(1) }),
  };
  assertThrows(() => batches(short, options).at(0), OutriderError);
});
