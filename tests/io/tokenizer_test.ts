import { assert, assertEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import type { GgufMetadata, GgufValue } from "../../src/io/gguf_types.ts";
import { tokenizerFromGguf } from "../../src/io/tokenizer_gguf.ts";
import { mergesFromPairs, mergeSymbols, type MergeTable } from "../../src/io/tokenizer_merges.ts";
import { chooser } from "./random_bytes.ts";
import { CONTROL, tinyTokenizer, TOKENS } from "./tiny_model.ts";

const byteLevel = tokenizerFromGguf(tinyTokenizer());

/** A SentencePiece vocabulary: special tokens, all bytes, characters, merged pieces by score. */
const PIECES = ["▁", "h", "e", "l", "o", "ll", "he", "▁he", "▁hello", "llo", "hello", "▁▁"];

function sentencePieceMetadata(changes: Record<string, GgufValue> = {}): GgufMetadata {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
  );
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...PIECES];
  const kinds = tokens.map((_, id) => id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1);
  return new Map<string, GgufValue>(Object.entries({
    "tokenizer.ggml.model": { type: "string", value: "llama" },
    "tokenizer.ggml.tokens": { type: "array", elementType: "string", value: tokens },
    "tokenizer.ggml.token_type": {
      type: "array",
      elementType: "int32",
      value: Int32Array.from(kinds),
    },
    "tokenizer.ggml.scores": {
      type: "array",
      elementType: "float32",
      value: Float32Array.from(tokens, (_, id) => id < 259 ? 0 : 258 - id),
    },
    "tokenizer.ggml.bos_token_id": { type: "uint32", value: 1 },
    "tokenizer.ggml.eos_token_id": { type: "uint32", value: 2 },
    "tokenizer.ggml.unknown_token_id": { type: "uint32", value: 0 },
    "tokenizer.ggml.padding_token_id": { type: "uint32", value: 0xffffffff },
    ...changes,
  }));
}

const sentencePiece = tokenizerFromGguf(sentencePieceMetadata());

/** Random text with what trips tokenizers up: surrogates, marks, white space of all kinds. */
function randomText(seed: number): string {
  const choose = chooser(seed);
  const parts = [
    "hello",
    " world",
    "  ",
    "\n",
    "\ud800",
    "\udc00",
    "日本",
    "\u{1F469}\u200d\u{1F467}",
    "\u0085",
    "\ufeff",
    "12",
    "'s",
    "▁",
    "é",
    "\u0000",
    ...CONTROL,
  ];
  return Array.from({ length: choose.below(12) }, () => choose.pick(parts)).join("");
}

for (const [name, tokenizer] of Object.entries({ byteLevel, sentencePiece })) {
  Deno.test(`${name}: decoding what was encoded gives any text back, as well-formed Unicode`, () => {
    for (let seed = 0; seed < 500; seed++) {
      const text = randomText(seed);
      const ids = tokenizer.encode(text, { addSpecial: false });
      const expected = name === "sentencePiece"
        ? text.replaceAll("▁", " ") // its visible space is a space
        : text;
      assertEquals(tokenizer.decode(ids, { controlTokens: "keep" }), expected.toWellFormed());
    }
  });

  Deno.test(`${name}: a stream gives the same text in whole characters`, () => {
    for (let seed = 0; seed < 300; seed++) {
      const text = randomText(seed).toWellFormed();
      const ids = tokenizer.encode(text);
      const stream = tokenizer.streamDecoder();
      const pieces = [...ids.map((id) => stream.push(id)), stream.flush()];
      assertEquals(pieces.join(""), tokenizer.decode(ids));
      const inText = [...text].filter((character) => character === "\ufffd").length;
      const streamed = [...pieces.join("")].filter((character) => character === "\ufffd").length;
      assertEquals(streamed, inText);
    }
  });

  Deno.test(`${name}: user text cannot make control tokens`, () => {
    const text = `x${CONTROL.join("")}</s><s>y`;
    const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
    assertEquals(tokenizer.decode(ids, { controlTokens: "omit" }), text);
  });

  Deno.test(`${name}: 100,000 characters without a break take well under a second`, () => {
    for (const unit of ["a", "hello", " ", "日"]) {
      const text = unit.repeat(100_000 / unit.length);
      const start = performance.now();
      const ids = tokenizer.encode(text, { addSpecial: false });
      assert(performance.now() - start < 1000);
      assertEquals(tokenizer.decode(ids), text);
    }
  });
}

Deno.test("a text's ids do not depend on the texts encoded before it, however many those were", () => {
  const fresh = tokenizerFromGguf(tinyTokenizer());
  const choose = chooser(4);
  const word = (): string => choose.pick(["hello", "日本", "x", "é"]) + choose.below(2 ** 30);
  const texts = Array.from({ length: 100 }, () => Array.from({ length: 20 }, word).join(" x"));
  const expected = texts.map((text) => fresh.encode(text));
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 150_000; i++) byteLevel.encode(`word${String.fromCodePoint(0x4e00 + i)}`);
    assertEquals(texts.map((text) => byteLevel.encode(text)), expected);
  }
});

Deno.test("a stream that ends inside a character flushes one replacement character", () => {
  const [first] = byteLevel.encode("é");
  const stream = byteLevel.streamDecoder();
  assertEquals([stream.push(first), stream.flush()], ["", "\ufffd"]);
});

Deno.test("a byte-order mark in the middle of a text is kept", () => {
  assertEquals(byteLevel.decode(byteLevel.encode("\ufeffa\ufeff")), "\ufeffa\ufeff");
});

Deno.test("SentencePiece: bos and a leading space are added, and taken away again", () => {
  const ids = sentencePiece.encode("hello");
  assertEquals(ids, [1, 259 + PIECES.indexOf("▁hello")]);
  assertEquals(sentencePiece.decode(ids), "hello");
});

Deno.test("SentencePiece: after a prompt, a stream keeps the space before the first word", () => {
  const hello = 259 + PIECES.indexOf("▁hello");
  assertEquals(sentencePiece.streamDecoder().push(hello), "hello");
  assertEquals(sentencePiece.streamDecoder([1, hello]).push(hello), " hello");
});

Deno.test("SentencePiece: without add_space_prefix nothing is added or taken away", () => {
  const tokenizer = tokenizerFromGguf(sentencePieceMetadata({
    "tokenizer.ggml.add_space_prefix": { type: "bool", value: false },
    "tokenizer.ggml.add_bos_token": { type: "bool", value: false },
  }));
  assertEquals(tokenizer.encode("hello"), [259 + PIECES.indexOf("hello")]);
  assertEquals(tokenizer.decode(tokenizer.encode(" hello")), " hello");
});

Deno.test("SentencePiece: a character outside of the vocabulary becomes its bytes", () => {
  const ids = sentencePiece.encode("é", { addSpecial: false });
  assertEquals(ids, [259, 3 + 0xc3, 3 + 0xa9]);
});

Deno.test("an id beyond the vocabulary, such as 2^32 - 1, means that there is no such token", () => {
  const tokenizer = tokenizerFromGguf(sentencePieceMetadata({
    "tokenizer.ggml.bos_token_id": { type: "uint32", value: 0xffffffff },
  }));
  assertEquals(tokenizer.bos, undefined);
  assertEquals(tokenizer.encode("hello").length, 1);
});

Deno.test("equal vocabularies have equal hashes, others do not", () => {
  assertEquals(tokenizerFromGguf(tinyTokenizer()).hash, byteLevel.hash);
  assert(byteLevel.hash !== sentencePiece.hash);
});

Deno.test("the end of a turn is known by role and by name", () => {
  assertEquals(byteLevel.endOfTurn, new Set([2, 0]));
  assertEquals(sentencePiece.endOfTurn, new Set([2]));
});

Deno.test("ids outside of the vocabulary are refused", () => {
  for (const id of [-1, TOKENS.length, 0.5, NaN]) {
    assertThrows(() => byteLevel.decode([id]), OutriderError);
    assertThrows(() => byteLevel.tokenText(id), OutriderError);
  }
});

/** Merging by its definition: again and again the leftmost pair of lowest rank. */
function mergeNaively(
  symbols: readonly number[],
  { pairs, vocabulary, rank, product }: MergeTable,
) {
  const ids = [...symbols];
  while (true) {
    let best = -1;
    let bestRank = Infinity;
    for (let i = 0; i + 1 < ids.length; i++) {
      const merge = pairs.get(ids[i] * vocabulary + ids[i + 1]);
      if (merge === undefined || rank[merge] >= bestRank) continue;
      best = i;
      bestRank = rank[merge];
    }
    if (best < 0) return ids;
    const merge = pairs.get(ids[best] * vocabulary + ids[best + 1]) ?? 0;
    ids.splice(best, 2, product[merge]);
  }
}

Deno.test("the merge engine agrees with the definition of byte-pair merging", () => {
  for (let seed = 0; seed < 200; seed++) {
    const choose = chooser(seed);
    const tokens = ["a", "b", "c"];
    const merges: [string, string][] = [];
    for (let i = 0; i < 12; i++) {
      const pair: [string, string] = [choose.pick(tokens), choose.pick(tokens)];
      if (tokens.includes(pair.join(""))) continue;
      tokens.push(pair.join(""));
      merges.push(pair);
    }
    const ids = new Map(tokens.map((text, id) => [text, id]));
    const table = mergesFromPairs(ids, tokens.length, merges);
    const symbols = Array.from({ length: choose.below(40) }, () => choose.below(3));
    assertEquals(mergeSymbols(symbols, table), mergeNaively(symbols, table));
  }
});

const without = (key: string): GgufMetadata =>
  new Map([...sentencePieceMetadata()].filter(([name]) => name !== `tokenizer.ggml.${key}`));

const DAMAGED: Readonly<Record<string, GgufMetadata>> = {
  "no tokens": without("tokens"),
  "no scores": without("scores"),
  "no model": without("model"),
  "an unknown model": sentencePieceMetadata({
    "tokenizer.ggml.model": { type: "string", value: "bert" },
  }),
  "too few scores": sentencePieceMetadata({
    "tokenizer.ggml.scores": { type: "array", elementType: "float32", value: new Float32Array(3) },
  }),
  "too few token types": sentencePieceMetadata({
    "tokenizer.ggml.token_type": { type: "array", elementType: "int32", value: new Int32Array(3) },
  }),
  "a token type of 7": sentencePieceMetadata({
    "tokenizer.ggml.token_type": {
      type: "array",
      elementType: "int32",
      value: new Int32Array(259 + PIECES.length).fill(7),
    },
  }),
  "tokens of another type": sentencePieceMetadata({
    "tokenizer.ggml.tokens": { type: "string", value: "a" },
  }),
  "an unknown pre-tokenizer": new Map<string, GgufValue>([
    ...tinyTokenizer(),
    ["tokenizer.ggml.pre", { type: "string", value: "__proto__" }],
  ]),
  "a merge of unknown tokens": new Map<string, GgufValue>([
    ...tinyTokenizer(),
    ["tokenizer.ggml.merges", { type: "array", elementType: "string", value: ["no such"] }],
  ]),
  "a merge without a space": new Map<string, GgufValue>([
    ...tinyTokenizer(),
    ["tokenizer.ggml.merges", { type: "array", elementType: "string", value: ["ab"] }],
  ]),
};

for (const [what, metadata] of Object.entries(DAMAGED)) {
  Deno.test(`a tokenizer with ${what} gives one clear error`, () => {
    assertThrows(() => tokenizerFromGguf(metadata), OutriderError);
  });
}
