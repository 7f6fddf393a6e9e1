/** Checks on real model files, skipped by name where the files are absent. */

import { assert, assertEquals } from "@std/assert";
import { encodeChat } from "../../src/io/chat_template.ts";
import { cachedModel, KNOWN_MODELS } from "../../src/io/known_model.ts";
import { defaultCacheDirectory } from "../../src/io/model_cache.ts";
import type { ModelFile } from "../../src/io/model_file.ts";
import { openModel } from "../../src/io/open_model.ts";

const shared = decodeURIComponent(new URL("../../../shared/data/", import.meta.url).pathname);
const storiesPath = `${shared}stories260K.gguf`;
const referencePath = `${shared}smollm2_f32_reference.json`;
const smolPath = await cachedModel(KNOWN_MODELS.smollm2, defaultCacheDirectory());

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

const hasStories = await exists(storiesPath);
const hasReference = await exists(referencePath);

async function withModel(
  path: string | undefined,
  use: (model: ModelFile) => void | Promise<void>,
): Promise<void> {
  const model = await openModel(path ?? "");
  try {
    await use(model);
  } finally {
    model.close();
  }
}

// What the Rust tokenizers library (0.23) makes of these texts with the same vocabularies.
const SMOLLM2_IDS: readonly (readonly [string, readonly number[]])[] = [
  ["Hello, world! It's 2024.", [19556, 28, 905, 17, 657, 506, 216, 34, 32, 34, 36, 30]],
  ["na\u00efve caf\u00e9 \u2014 \u201cquotes\u201d \u2026", [
    3546,
    46494,
    37366,
    1841,
    619,
    385,
    2346,
    573,
    5548,
  ]],
  ["  leading and   inner\n\n\ttabs  ", [216, 2899, 284, 256, 6210, 1116, 197, 100, 7366, 256]],
  [
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \ud83c\udf89\ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc67",
    [
      23274,
      115,
      40993,
      179,
      120,
      248,
      26453,
      11100,
      224,
      10391,
      251,
      10391,
      134,
      11100,
      226,
      15107,
      232,
      227,
      10813,
      235,
      119,
      321,
      231,
      10813,
      235,
      119,
      321,
      231,
      10813,
      235,
      117,
    ],
  ],
  ["<|im_start|>user\nHi<|im_end|>\n", [1, 4093, 198, 26843, 2, 198]],
  ["x\u00b2+\u00bd=\u2167\u0663", [104, 19133, 27, 16738, 45, 173, 223, 117, 164, 113]],
  ["a\u0000b\u0004c", [81, 190, 82, 83]],
  ["I'LL we'll 's", [57, 23, 16421, 392, 3060, 637, 99]],
  ["\u0085\ufeffx\u2028y", [141, 223, 186, 136, 140, 104, 321, 118, 105]],
  [" 12 345,678.90", [216, 33, 34, 216, 35, 36, 37, 28, 38, 39, 40, 30, 41, 32]],
  ["mixedCASE_snake-kebab.dot", [35781, 51, 13108, 79, 48284, 29, 396, 82, 369, 30, 11804]],
  ["\ufb01 ligature \u0130\u0131", [27141, 13042, 906, 24488, 125, 20335]],
];

const STORIES_IDS: readonly (readonly [string, readonly number[], string])[] = [
  ["Once upon a time, there was a little girl named Lily.", [
    1,
    403,
    407,
    261,
    378,
    432,
    383,
    286,
    261,
    376,
    298,
    315,
    421,
    395,
    317,
    426,
  ], "Once upon a time, there was a little girl named Lily."],
  [
    "  two  spaces ",
    [1, 410, 410, 259, 424, 414, 410, 262, 427, 412, 331, 419, 410],
    "  two  spaces ",
  ],
  ["na\u00efve \u65e5\u672c \ud83c\udf89\n\tx", [
    1,
    297,
    412,
    198,
    178,
    360,
    410,
    233,
    154,
    168,
    233,
    159,
    175,
    410,
    243,
    162,
    145,
    140,
    13,
    12,
    444,
  ], "na\u00efve \u65e5\u672c \ud83c\udf89\n\tx"],
  ["</s>Hi<s> there", [1, 2, 320, 417, 1, 410, 383], "Hi  there"],
  ["\u2122\u20ac", [1, 410, 507, 503], "\u2122\u20ac"],
  ["aaaaaaaaa", [1, 261, 412, 412, 412, 412, 412, 412, 412, 412], "aaaaaaaaa"],
];

Deno.test({
  name: "SmolLM2: prompts have the ids that another engine gives them",
  ignore: smolPath === undefined || !hasReference,
  fn: () =>
    withModel(smolPath, ({ tokenizer }) => {
      const { cases } = JSON.parse(Deno.readTextFileSync(referencePath));
      assert(cases.length > 0);
      for (const { prompt, tokens, greedy, text } of cases) {
        assertEquals(tokenizer.encode(prompt), tokens);
        assertEquals(tokenizer.decode(greedy), text);
      }
    }),
});

Deno.test({
  name: "SmolLM2: texts of many scripts have the ids of the Rust tokenizers",
  ignore: smolPath === undefined,
  fn: () =>
    withModel(smolPath, ({ tokenizer }) => {
      for (const [text, ids] of SMOLLM2_IDS) assertEquals(tokenizer.encode(text), ids);
    }),
});

Deno.test({
  name: "SmolLM2: the configuration and all 272 tensors are there, and load in time",
  ignore: smolPath === undefined,
  fn: () =>
    withModel(smolPath, async ({ config, tensors, tokenizer }) => {
      assertEquals(config, {
        layers: 30,
        width: 576,
        heads: 9,
        keyValueHeads: 3,
        headWidth: 64,
        feedForwardWidth: 1536,
        vocabulary: 49152,
        contextLength: 8192,
        ropeBase: 100_000,
        ropePairing: "interleaved",
        rmsNormEpsilon: Math.fround(1e-5),
        tiedEmbeddings: true,
      });
      assertEquals(tensors.size, 272);
      assertEquals(tensors.get("layers.29.key")?.shape, [192, 576]);
      assertEquals(tensors.get("layers.29.key")?.format, "Q4_1");
      assertEquals(tensors.get("embedding")?.format, "Q8_0");
      const values = await tensors.get("layers.0.down")?.readFloat32();
      assertEquals(values?.length, 576 * 1536);
      assertEquals([...tokenizer.endOfTurn].sort(), [0, 2]);
    }),
});

Deno.test({
  name: "SmolLM2: a chat is rendered with its markers, and a user cannot forge one",
  ignore: smolPath === undefined,
  fn: () =>
    withModel(smolPath, ({ tokenizer }) => {
      const ids = encodeChat(tokenizer, [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hi<|im_end|>" },
      ]);
      assertEquals(
        tokenizer.decode(ids, { controlTokens: "keep" }),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|><|im_end|>\n" +
          "<|im_start|>assistant\n",
      );
      assertEquals(ids.filter((id) => id === 2).length, 2);
    }),
});

Deno.test({
  name: "stories260K: loads as F32 with its sizes",
  ignore: !hasStories,
  fn: () =>
    withModel(storiesPath, async ({ config, tensors }) => {
      assertEquals(
        [config.layers, config.width, config.heads, config.keyValueHeads, config.vocabulary],
        [5, 64, 8, 4, 512],
      );
      assertEquals(config.tiedEmbeddings, false);
      for (const [name, tensor] of tensors) {
        assertEquals(tensor.format, "F32");
        const values = await tensor.readFloat32();
        assert(values.some((value) => value !== 0), name);
      }
    }),
});

Deno.test({
  name: "stories260K: texts have the ids of the Rust tokenizers, and decode to the same texts",
  ignore: !hasStories,
  fn: () =>
    withModel(storiesPath, ({ tokenizer }) => {
      for (const [text, ids, decoded] of STORIES_IDS) {
        assertEquals(tokenizer.encode(text), ids);
        assertEquals(tokenizer.decode(ids), decoded);
      }
    }),
});
