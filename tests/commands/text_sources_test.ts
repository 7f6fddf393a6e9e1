import { assert, assertEquals } from "@std/assert";
import {
  commentText,
  glossOf,
  joinTexts,
  partText,
  TEXT_SOURCES,
} from "../../examples/common/text_sources.ts";
import { foldIn, type Key, keyOf, uniformInteger } from "../../src/core/random.ts";

const WORDS = ["a", "whale.", "Call me", "\n\n", "Ishmael. Some", "x".repeat(40), "\n"];

function drawnText(key: Key): string {
  const count = uniformInteger(foldIn(key, "count"), 200);
  const words = Array.from(
    { length: count },
    (_, i) => WORDS[uniformInteger(foldIn(key, i), WORDS.length)],
  );
  return words.join(" ").replaceAll(/\s{3,}/g, "\n\n");
}

const letters = (text: string): string => text.replaceAll(/\s/g, "");

Deno.test("a parted text loses nothing but spaces, and no part is too long", () => {
  for (let i = 0; i < 300; i++) {
    const text = drawnText(foldIn(keyOf(1), i));
    const longest = 10 + uniformInteger(foldIn(keyOf(2), i), 200);
    const parts = [...partText(text, longest)];
    assertEquals(letters(parts.join("")), letters(text));
    assert(parts.every((part) => part.length <= longest && part.length > 0));
    // Only the last part may be short.
    assert(parts.slice(0, -1).every((part) => part.length >= longest / 2 - 3));
  }
});

Deno.test("a text is parted at a paragraph's end, else a sentence's, else a word's", () => {
  assertEquals([...partText("One two. Three\n\nfour five six", 20)], [
    "One two. Three",
    "four five six",
  ]);
  assertEquals([...partText("One two three. Four five", 20)], ["One two three.", "Four five"]);
  assertEquals([...partText("onetwothreefour five six", 20)], ["onetwothreefour five", "six"]);
});

Deno.test("joined texts keep their order and part only where they would be too long", () => {
  const texts = Array.from({ length: 500 }, (_, i) => `${i}`.repeat(1 + i % 90));
  const joined = [...joinTexts(texts, "\n")];
  assertEquals(joined.join("\n"), texts.join("\n"));
  assert(joined.every((text) => text.length <= 4100));
  assert(joined.slice(0, -1).every((text) => text.length > 3600));
  assertEquals([...joinTexts([], "\n")], []);
});

Deno.test("WordNet's lines become words with their meanings, its licence lines nothing", () => {
  const line = "00002684 03 n 02 object 0 physical_object 0 001 @ 00001930 n 0000 | a thing; " +
    '"it was full of objects"  ';
  assertEquals(glossOf(line), 'object, physical object: a thing; "it was full of objects".');
  assertEquals(
    glossOf("00003553 00 a 01 galore(ip) 0 000 | in great numbers  "),
    "galore: in great numbers.",
  );
  assertEquals(glossOf("  1 This software and database is being provided"), undefined);
});

Deno.test("comments lose their stars and tags and nothing else", () => {
  const comment = "/**\n   * Reads a file.\n   *\n   * ```js\n   *   read();\n   * ```\n" +
    "   * @since v1\n   */";
  assertEquals(commentText(comment), "Reads a file.\n\n```js\n  read();\n```");
  assertEquals(commentText("/** Short. */"), "Short.");
});

Deno.test("every source is pinned to one version and one archive", () => {
  for (const { name, licence, package: one } of TEXT_SOURCES) {
    assert(/^\d+\.\d+\.\d+$/.test(one.version), name);
    assertEquals(Uint8Array.fromBase64(one.sha512).length, 64, name);
    assert(licence !== "");
  }
  assertEquals(new Set(TEXT_SOURCES.map(({ name }) => name)).size, TEXT_SOURCES.length);
});
