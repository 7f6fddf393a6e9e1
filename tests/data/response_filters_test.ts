import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, type Key, keyOf, uniformInteger } from "../../src/core/random.ts";
import {
  addCounts,
  countReason,
  countsLine,
  distinctShare,
  duplicateFilter,
  type FilterCounts,
  hashSet,
  hashText,
  lengthFilter,
  NO_COUNTS,
  normalizeText,
  responseFilter,
  tailRepetition,
  trainingConversations,
} from "../../src/data/mod.ts";

const drawn = (key: Key, length: number, vocabulary: number): number[] =>
  Array.from({ length }, (_, i) => uniformInteger(foldIn(key, i), vocabulary));

const P = 64;

/** What {@link tailRepetition} means, by its definition. */
function tailByDefinition(tokens: readonly number[], maximumPeriod: number) {
  let best = { period: 0, length: 0, rounds: 0 };
  for (let period = 1; period <= maximumPeriod; period++) {
    for (let length = 2 * period; length <= tokens.length; length++) {
      const tail = tokens.slice(tokens.length - length);
      const repeats = tail.every((token, i) => i < period || token === tail[i - period]);
      if (repeats && length > best.length) {
        best = { period, length, rounds: Math.floor(length / period) };
      }
    }
  }
  return best;
}

Deno.test("every period up to the largest is found, at every number of rounds, cut anywhere", () => {
  for (let period = 1; period <= P; period++) {
    const key = foldIn(keyOf(1), period);
    // Distinct tokens: no shorter period fits as well.
    const round = Array.from({ length: period }, (_, i) => 1000 + i);
    for (let rounds = 2; rounds <= 6; rounds++) {
      const before = drawn(foldIn(key, rounds), 50, 1000);
      const extra = uniformInteger(foldIn(key, `extra ${rounds}`), period);
      const loop = [...Array(rounds).fill(round).flat(), ...round.slice(0, extra)];
      const expected = { period, length: loop.length, rounds };
      assertEquals(tailRepetition([...before, ...loop], P), expected);
      if (period > 1) {
        assertNotEquals(tailRepetition([...before, ...loop], period - 1).period, period);
      }
    }
  }
});

Deno.test("the tail is the one of the definition, for all short texts over two tokens", () => {
  for (let length = 0; length <= 11; length++) {
    for (let bits = 0; bits < 2 ** length; bits++) {
      const tokens = Array.from({ length }, (_, i) => (bits >> i) & 1);
      assertEquals(tailRepetition(tokens, 4), tailByDefinition(tokens, 4));
    }
  }
});

Deno.test("a loop is dropped whatever its period and whatever stands before it", () => {
  const filter = responseFilter();
  for (let period = 1; period <= P; period++) {
    const key = foldIn(keyOf(2), period);
    const round = drawn(key, period, 500);
    const rounds = Math.max(4, Math.ceil(24 / period));
    const tokens = [
      ...drawn(foldIn(key, "before"), 300, 49_152),
      ...Array(rounds).fill(round).flat(),
    ];
    assertEquals(filter({ tokens, isFinished: false }), "loop", `period ${period}`);
  }
});

Deno.test("random texts pass, of any length and of small vocabularies too", () => {
  const filter = responseFilter();
  for (let i = 0; i < 300; i++) {
    const key = foldIn(keyOf(3), i);
    const vocabulary = [16, 300, 49_152][i % 3];
    const length = 1 + uniformInteger(foldIn(key, "length"), 400);
    const tokens = drawn(key, length, vocabulary);
    assertEquals(filter({ tokens, isFinished: i % 2 === 0 }), undefined, `text ${i}`);
  }
});

Deno.test("what people write passes", () => {
  const filter = responseFilter();
  for (const { messages } of trainingConversations(4).take(300)) {
    const tokens = Array.from(messages.at(-1)?.content ?? "", (letter) => letter.charCodeAt(0));
    assertEquals(filter({ tokens, isFinished: true }), undefined, messages.at(-1)?.content);
  }
});

Deno.test("the share of distinct n-grams is that of a set of texts", () => {
  for (let i = 0; i < 200; i++) {
    const key = foldIn(keyOf(5), i);
    const tokens = drawn(key, uniformInteger(foldIn(key, "length"), 60), 4);
    for (let n = 1; n <= 5; n++) {
      const grams = tokens.slice(n - 1).map((_, at) => tokens.slice(at, at + n).join(" "));
      const expected = grams.length === 0 ? 1 : new Set(grams).size / grams.length;
      assertEquals(distinctShare(tokens, n), expected);
    }
  }
  const largest = 2 ** 31 - 1;
  assertEquals(distinctShare([largest, largest - 1, largest, largest - 1], 2), 2 / 3);
});

Deno.test("repetition that is no loop at the end is dropped as repetitive", () => {
  const key = keyOf(6);
  const sentences = Array.from({ length: 4 }, (_, i) => drawn(foldIn(key, i), 12, 40_000));
  const order = drawn(foldIn(key, "order"), 30, 4);
  const tokens = order.flatMap((i) => sentences[i]).concat(drawn(foldIn(key, "end"), 20, 40_000));
  assertEquals(responseFilter()({ tokens, isFinished: true }), "repetitive");
  assertEquals(responseFilter({ distinctShare: 0 })({ tokens, isFinished: true }), undefined);
});

Deno.test("lengths, cut answers and empty ones give their own reasons", () => {
  const filter = responseFilter({ minimumTokens: 3, maximumTokens: 5, cut: "drop" });
  const reasonOf = (length: number, isFinished: boolean): string | undefined =>
    filter({ tokens: drawn(keyOf(7), length, 49_152), isFinished });
  assertEquals([0, 2, 3, 5, 6].map((length) => reasonOf(length, true)), [
    "empty",
    "too short",
    undefined,
    undefined,
    "too long",
  ]);
  assertEquals([0, 2, 4].map((length) => reasonOf(length, false)), ["empty", "cut", "cut"]);
  assertThrows(() => responseFilter({ minimumTokens: 4, maximumTokens: 3 }), OutriderError);
  assertEquals(lengthFilter({ maximum: 3 })(" abc\n"), undefined);
});

Deno.test("a duplicate is found after any number of other texts, a near one too", () => {
  const filter = duplicateFilter();
  const text = (i: number): string => `Instruction number ${i}: what is ${i} + ${i}?`;
  for (let i = 0; i < 20_000; i++) assertEquals(filter(text(i)), undefined);
  for (let i = 0; i < 20_000; i += 777) {
    assertEquals(filter(text(i)), "duplicate");
    assertEquals(filter(`  ${text(i).toUpperCase()} `), "near duplicate");
  }
});

Deno.test("normalising keeps words and numbers and nothing else", () => {
  assertEquals(normalizeText(" Ｎａｍｅ: 3.5 \t Colours?! "), "name 3 5 colours");
  assertEquals(normalizeText("é"), normalizeText("e\u0301"));
  assertNotEquals(normalizeText("what is 1"), normalizeText("what is 2"));
  assertNotEquals(normalizeText("?"), normalizeText("!"));
  assertNotEquals(normalizeText("a b"), normalizeText("ab"));
});

Deno.test("a hash set is a set, hash zero included, and hashes of texts spread over both words", () => {
  const [mine, theirs] = [hashSet(), new Set<string>()];
  for (let i = 0; i < 50_000; i++) {
    const key = foldIn(keyOf(9), i);
    // Few values in one word, so that many hashes meet in the table.
    const hash = [uniformInteger(key, 3000), uniformInteger(foldIn(key, "low"), 16)] as const;
    assertEquals(mine.add(hash), !theirs.has(hash.join()));
    theirs.add(hash.join());
    assertEquals(mine.size(), theirs.size);
  }
  const hashes = Array.from({ length: 200_000 }, (_, i) => hashText(`${i}`));
  for (const word of [0, 1]) {
    // A random function leaves about n^2 / 2^33 = 4.7 pairs of equal 32-bit words.
    assert(new Set(hashes.map((hash) => hash[word])).size > 200_000 - 25);
  }
});

Deno.test("counts never change, add up, and read as one line", () => {
  const reasons = Array.from(
    { length: 60 },
    (_, i) => [undefined, "loop", "cut"][uniformInteger(foldIn(keyOf(10), i), 3)],
  );
  const count = (part: readonly (string | undefined)[]): FilterCounts =>
    part.reduce<FilterCounts>(countReason, NO_COUNTS);
  const all = count(reasons);
  assertEquals(NO_COUNTS, { kept: 0, dropped: {} });
  for (let cut = 0; cut <= reasons.length; cut++) {
    assertEquals(addCounts(count(reasons.slice(0, cut)), count(reasons.slice(cut))), all);
  }
  assertEquals(countsLine(NO_COUNTS), "kept 0 of 0");
});
