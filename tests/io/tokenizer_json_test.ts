import { assertEquals, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { type Json, parseJson } from "../../src/io/json_fields.ts";
import type { Tokenizer } from "../../src/io/tokenizer.ts";
import { tokenizerFromGguf } from "../../src/io/tokenizer_gguf.ts";
import { tokenizerFromJson } from "../../src/io/tokenizer_json.ts";
import { CONTROL, tinyTokenizer, tinyTokenizerJson, TOKENS } from "./tiny_model.ts";

/** Any value as parsed JSON. */
const json = (value: unknown): Json => parseJson(JSON.stringify(value), "a test");

/** The tiny tokenizer with other parts. */
function variant(changes: Record<string, unknown>, modelChanges: Record<string, unknown> = {}) {
  const whole = tinyTokenizerJson();
  const model = Object.assign({}, whole.model, modelChanges);
  return json({ ...whole, model, ...changes });
}

const tokensOf = (tokenizer: Tokenizer, text: string): string[] =>
  tokenizer.encode(text).map((id) => tokenizer.tokenText(id));

Deno.test("a tokenizer.json and GGUF metadata of one vocabulary make one tokenizer", () => {
  const fromJson = tokenizerFromJson(variant({}), { eosToken: CONTROL[2] });
  const fromGguf = tokenizerFromGguf(tinyTokenizer());
  assertEquals(fromJson.hash, fromGguf.hash);
  assertEquals(fromJson.endOfTurn, fromGguf.endOfTurn);
  for (const text of ["hello world", "<|im_start|>user\nhello 12", "é\u{1F600}"]) {
    assertEquals(fromJson.encode(text), fromGguf.encode(text));
  }
});

Deno.test("merges may be pairs", () => {
  const merges = [["h", "e"], ["l", "l"], ["he", "ll"]];
  const tokenizer = tokenizerFromJson(variant({}, { merges }));
  assertEquals(tokensOf(tokenizer, "hello"), ["hell", "o"]);
});

Deno.test("Digits, Split and ByteLevel steps cut one after the other", () => {
  const tokenizer = tokenizerFromJson(variant({
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: "ll" }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      ],
    },
  }));
  assertEquals(tokensOf(tokenizer, "hello"), ["he", "ll", "o"]);
});

Deno.test("ignore_merges takes a whole word that is a token, merges or not", () => {
  const vocab = Object.fromEntries([...TOKENS, "xyz"].map((text, id) => [text, id]));
  const merging = tokenizerFromJson(variant({}, { vocab }));
  const ignoring = tokenizerFromJson(variant({}, { vocab, ignore_merges: true }));
  assertEquals(tokensOf(merging, "xyz"), ["x", "y", "z"]);
  assertEquals(tokensOf(ignoring, "xyz"), ["xyz"]);
});

Deno.test("added tokens that are not special are matched in user text too, and strip space", () => {
  const added = [
    { id: TOKENS.length, content: "<tool>", special: false, lstrip: true, rstrip: true },
    { id: 0, content: CONTROL[0], special: true },
  ];
  const tokenizer = tokenizerFromJson(variant({ added_tokens: added }));
  const ids = tokenizer.encode(`a  <tool>  b${CONTROL[0]}`, { parseSpecial: false });
  assertEquals(ids.slice(0, 3).map((id) => tokenizer.tokenText(id)), ["a", "<tool>", "b"]);
  assertEquals(ids.includes(0), false);
});

Deno.test("a template puts its tokens around the text", () => {
  const tokenizer = tokenizerFromJson(variant({
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: CONTROL[1], type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: CONTROL[2], type_id: 0 } },
      ],
    },
  }));
  assertEquals(tokenizer.encode("").length, 2);
  assertEquals(tokenizer.encode("", { addSpecial: false }), []);
});

/** A SentencePiece vocabulary as a tokenizer.json has it. */
function sentencePieceJson(preTokenizer: unknown, normalizer: unknown, decoder: unknown): Json {
  const vocab = ["<unk>", "<0xC3>", "<0xA9>", "▁", "a", "b", "▁a", "▁▁", "ab", "▁ab"];
  return json({
    added_tokens: [{ id: 0, content: "<unk>", special: true }],
    normalizer,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder,
    model: {
      type: "BPE",
      unk_token: "<unk>",
      byte_fallback: true,
      vocab: Object.fromEntries(vocab.map((text, id) => [text, id])),
      merges: ["▁ ▁", "a b", "▁ ab", "▁ a"],
    },
  });
}

const replaceSpaces = { type: "Replace", pattern: { String: " " }, content: "▁" };

Deno.test("SentencePiece: a Prepend normalizer, byte tokens, and the unknown token", () => {
  const tokenizer = tokenizerFromJson(sentencePieceJson(
    null,
    { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "▁" }, replaceSpaces] },
    {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
  ));
  assertEquals(tokenizer.encode("ab é"), [9, 3, 1, 2]);
  assertEquals(tokenizer.decode([9, 3, 1, 2]), "ab é");
  assertEquals(tokenizer.encode("z"), [3, 0]);
});

Deno.test("SentencePiece: Metaspace splits words, so that spaces merge with none", () => {
  const metaspace = (scheme: string, split: boolean) => ({
    type: "Metaspace",
    replacement: "▁",
    prepend_scheme: scheme,
    split,
  });
  const encode = (step: unknown, text: string): number[] =>
    tokenizerFromJson(sentencePieceJson(step, null, step)).encode(text);
  assertEquals(encode(metaspace("always", true), "ab"), [9]);
  assertEquals(encode(metaspace("never", true), "ab"), [8]);
  assertEquals(encode(metaspace("first", true), "a  a"), [6, 3, 6]);
  assertEquals(encode(metaspace("first", false), "a  a"), [6, 7, 4]);
});

const UNSUPPORTED: Readonly<Record<string, Json>> = {
  "no model": json({}),
  "a list": json([]),
  "a WordPiece model": variant({}, { type: "WordPiece" }),
  "dropout": variant({}, { dropout: 0.1 }),
  "an end-of-word suffix": variant({}, { end_of_word_suffix: "</w>" }),
  "no merges": variant({}, { merges: null }),
  "a merge of three": variant({}, { merges: ["a b c"] }),
  "a merge of unknown tokens": variant({}, { merges: [["no", "such"]] }),
  "ids that collide": variant({}, { vocab: { a: 0, b: 0 }, merges: [] }),
  "a negative id": variant({}, { vocab: { a: -1 }, merges: [] }),
  "a huge id": variant({}, { vocab: { a: 2 ** 40 }, merges: [] }),
  "an unknown token that is none": variant({}, { unk_token: "nothing" }),
  "an unknown normalizer": variant({ normalizer: { type: "Precompiled" } }),
  "an unknown pre-tokenizer": variant({ pre_tokenizer: { type: "BertPreTokenizer" } }),
  "a Split that removes": variant({
    pre_tokenizer: { type: "Split", pattern: { Regex: "x" }, behavior: "Removed" },
  }),
  "a Split with a broken pattern": variant({
    pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" },
  }),
  "an unknown post-processor": variant({ post_processor: { type: "BertProcessing" } }),
  "a template token that is none": variant({
    post_processor: { type: "TemplateProcessing", single: [{ SpecialToken: { id: "<no>" } }] },
  }),
  "an added token without text": variant({ added_tokens: [{ id: 0, content: "" }] }),
  "a single-word token": variant({ added_tokens: [{ id: 0, content: "x", single_word: true }] }),
};

for (const [what, value] of Object.entries(UNSUPPORTED)) {
  Deno.test(`a tokenizer.json with ${what} gives one clear error`, () => {
    assertThrows(() => tokenizerFromJson(value), OutriderError);
  });
}
