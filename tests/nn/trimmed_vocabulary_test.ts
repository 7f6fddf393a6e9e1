/** A trimmed vocabulary keeps what is frequent, and every token has one class. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { foldIn, keyOf, uniformInteger } from "../../src/core/random.ts";
import { trimmedVocabulary, trimVocabulary } from "../../src/nn/mod.ts";

/** Seeded counts with many ties, a size, and tokens to keep. */
function drawn(seed: number): { counts: number[]; size: number; always: number[] } {
  const key = foldIn(keyOf(41), seed);
  const draw = (name: string, count: number) => uniformInteger(foldIn(key, name), count);
  const vocabulary = 1 + draw("vocabulary", 40);
  const counts = Array.from({ length: vocabulary }, (_, token) => draw(`count ${token}`, 5));
  const size = 1 + draw("size", vocabulary);
  const wanted = draw("always", size + 1);
  const always = Array.from({ length: wanted }, (_, i) => draw(`always ${i}`, vocabulary));
  return { counts, size, always };
}

Deno.test("no token outside is more frequent than one inside, nor as frequent with a lower id", () => {
  for (let seed = 0; seed < 200; seed++) {
    const { counts, size, always } = drawn(seed);
    const { tokenIds } = trimVocabulary(counts, size, always);
    assertEquals(tokenIds.length, size);
    const inside = new Set(tokenIds);
    for (const token of always) assert(inside.has(token));
    const chosen = [...tokenIds].filter((token) => !always.includes(token));
    for (let token = 0; token < counts.length; token++) {
      if (inside.has(token)) continue;
      for (const other of chosen) {
        assert(counts[other] > counts[token] || counts[other] === counts[token] && other < token);
      }
    }
  }
});

Deno.test("classes and tokens are each other's inverse, and all other tokens share the last class", () => {
  for (let seed = 0; seed < 200; seed++) {
    const { counts, size, always } = drawn(seed);
    const vocabulary = trimVocabulary(counts, size, always);
    const { tokenIds, classes, other, classOf, targetVocabulary } = vocabulary;
    assertEquals([classes, other, targetVocabulary], [size + 1, size, counts.length]);
    tokenIds.forEach((token, i) => assertEquals(classOf(token), i));
    const inside = new Set(tokenIds);
    for (let token = 0; token < counts.length + 3; token++) {
      if (!inside.has(token)) assertEquals(classOf(token), other);
    }
    assertEquals(trimmedVocabulary(tokenIds, counts.length).tokenIds, tokenIds);
  }
});

Deno.test("a vocabulary does not follow later changes of the ids that it was made from", () => {
  const ids = Int32Array.of(1, 4);
  const { tokenIds, classOf } = trimmedVocabulary(ids, 6);
  ids[0] = 2;
  assertEquals([...tokenIds], [1, 4]);
  assertEquals(classOf(2), 2);
});

Deno.test("ids that are none, repeated, unsorted or not of the target are refused in one line", () => {
  for (const ids of [[], [0, 0], [2, 1], [-1], [0.5], [NaN], [6], [1, 6]]) {
    const error = assertThrows(() => trimmedVocabulary(ids, 6), OutriderError);
    assert(!error.message.includes("\n"));
  }
});

Deno.test("sizes, counts and tokens to keep that make no sense are refused", () => {
  for (const size of [0, 4, 1.5, NaN, -1]) {
    assertThrows(() => trimVocabulary([1, 2, 3], size, []), OutriderError, "1 to 3 tokens");
  }
  assertThrows(() => trimVocabulary([1, 2, 3], 1, [0, 2]), OutriderError, "2 to 3 tokens");
  for (const token of [-1, 3, 0.5]) {
    assertThrows(() => trimVocabulary([1, 2, 3], 2, [token]), OutriderError, "below 3");
  }
  for (const count of [-1, NaN, Infinity]) {
    assertThrows(() => trimVocabulary([1, count], 1, []), OutriderError, "for token 1");
  }
});
