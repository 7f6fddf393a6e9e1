/** Our SHA-256 of text is the one that everybody computes, whatever the length of the text. */
import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { sha256OfText } from "../../src/io/sha256.ts";

const expected = (text: string): string => createHash("sha256").update(text).digest("hex");

Deno.test("texts of every length around the borders of blocks have their SHA-256", () => {
  for (let length = 0; length <= 200; length++) {
    const text = "abcdefghij".repeat(20).slice(0, length);
    assertEquals(sha256OfText(text), expected(text), `${length} characters`);
  }
});

Deno.test("text counts as UTF-8, a lone surrogate as U+FFFD", () => {
  for (const text of ["é", "漢字かな", "😀".repeat(99), "\ud83d", "\0\uffff"]) {
    assertEquals(sha256OfText(text), expected(text), JSON.stringify(text));
  }
});

Deno.test("a long text has its SHA-256", () => {
  const text = "all work and no play ".repeat(20_000);
  assertEquals(sha256OfText(text), expected(text));
});
