import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { OutriderError } from "../../src/core/errors.ts";
import { writeTextAtomically } from "../../src/io/atomic_write.ts";
import { memorySource } from "../../src/io/bytes.ts";
import { encodeGguf, ggufTensor } from "../../src/io/gguf_writer.ts";
import { checkConfig, configFromGguf, configFromHuggingFace } from "../../src/io/model_config.ts";
import type { ModelFile } from "../../src/io/model_file.ts";
import { openGgufModel, openModel } from "../../src/io/open_model.ts";
import { quantize } from "../../src/io/quantization.ts";
import { writeGgufModel } from "../../src/io/write_model.ts";
import type { LlamaConfig } from "../../src/nn/llama_config.ts";
import { writeModelFolder } from "./model_folder.ts";
import { concat } from "./random_bytes.ts";
import {
  TINY_CONFIG,
  tinyConfigJson,
  tinyTokenizer,
  tinyWeights,
  writeTiny,
} from "./tiny_model.ts";
import { parseJson } from "../../src/io/json_fields.ts";
import { withFolder } from "./with_folder.ts";

const interleaved: LlamaConfig = { ...TINY_CONFIG, ropePairing: "interleaved" };

async function withModel(path: string, use: (model: ModelFile) => Promise<void>): Promise<void> {
  const model = await openModel(path);
  try {
    await use(model);
  } finally {
    model.close();
  }
}

Deno.test("a model written as GGUF opens with the same sizes, weights and tokenizer", () =>
  withFolder(async (folder) => {
    for (const tiedEmbeddings of [true, false]) {
      const config = { ...interleaved, tiedEmbeddings };
      await writeTiny(`${folder}/m.gguf`, config, "F32");
      await withModel(`${folder}/m.gguf`, async (model) => {
        assertEquals(model.source, "gguf");
        assertEquals(model.config, config);
        assertEquals(model.tokenizer.decode(model.tokenizer.encode("hello")), "hello");
        assert(model.chatTemplate?.includes("im_start"));
        const weights = tinyWeights(config);
        assertEquals([...model.tensors.keys()].sort(), [...weights.keys()].sort());
        for (const [name, tensor] of model.tensors) {
          assertEquals(await tensor.readFloat32(), weights.get(name));
        }
      });
    }
  }));

Deno.test("quantised exports hold the quantised matrices, and norms stay F32", () =>
  withFolder(async (folder) => {
    for (const format of ["F16", "Q8_0", "Q4_0", "Q4_1"] as const) {
      await writeTiny(`${folder}/m.gguf`, interleaved, format);
      await withModel(`${folder}/m.gguf`, async ({ tensors }) => {
        const up = tensors.get("layers.1.up");
        const values = tinyWeights(interleaved).get("layers.1.up") ?? new Float32Array(0);
        assertEquals(up?.format, format);
        assertEquals(await up?.readBytes(), quantize(format, values));
        assertEquals(tensors.get("layers.1.attentionNorm")?.format, "F32");
      });
    }
  }));

Deno.test("a model with half pairing is written interleaved: rows i and i + half become neighbours", () =>
  withFolder(async (folder) => {
    await writeTiny(`${folder}/m.gguf`, TINY_CONFIG, "F32");
    await withModel(`${folder}/m.gguf`, async ({ config, tensors }) => {
      assertEquals(config.ropePairing, "interleaved");
      const before = tinyWeights(TINY_CONFIG).get("layers.0.query") ?? new Float32Array(0);
      const after = await tensors.get("layers.0.query")?.readFloat32() ?? new Float32Array(0);
      const row = (values: Float32Array, index: number) =>
        values.slice(index * 32, index * 32 + 32);
      for (let head = 0; head < 4; head++) {
        for (let i = 0; i < 4; i++) {
          assertEquals(row(after, head * 8 + 2 * i), row(before, head * 8 + i));
          assertEquals(row(after, head * 8 + 2 * i + 1), row(before, head * 8 + i + 4));
        }
      }
    });
  }));

Deno.test("a folder of safetensors opens, single and sharded, in F32, F16 and BF16", () =>
  withFolder(async (folder) => {
    for (const [index, format] of (["F32", "F16", "BF16"] as const).entries()) {
      const path = `${folder}/${format}`;
      await Deno.mkdir(path);
      await writeModelFolder(path, TINY_CONFIG, format, index + 1);
      await withModel(path, async (model) => {
        assertEquals([model.source, model.config], ["safetensors", TINY_CONFIG]);
        assertEquals(model.tokenizer.endOfTurn, new Set([0, 2]));
        assert(model.chatTemplate?.includes("im_start"));
        const weights = tinyWeights(TINY_CONFIG);
        assertEquals(model.tensors.size, weights.size);
        for (const [name, tensor] of model.tensors) {
          const written = weights.get(name) ?? new Float32Array(0);
          assertEquals(await tensor.readBytes(), quantize(format, written));
        }
      });
    }
  }));

Deno.test("what a folder lacks or has too much of gives one clear error", async () => {
  const damages: readonly ((folder: string) => Promise<unknown>)[] = [
    (folder) => Deno.remove(`${folder}/config.json`),
    (folder) => Deno.remove(`${folder}/tokenizer.json`),
    (folder) => Deno.remove(`${folder}/model-1-of-2.safetensors`),
    (folder) => Deno.remove(`${folder}/model.safetensors.index.json`),
    (folder) => writeTextAtomically(`${folder}/config.json`, "{"),
    (folder) => writeTextAtomically(`${folder}/tokenizer_config.json`, `{"eos_token":3}`),
    (folder) =>
      writeTextAtomically(
        `${folder}/model.safetensors.index.json`,
        `{"weight_map":{"a":"../a.safetensors"}}`,
      ),
    (folder) =>
      writeTextAtomically(
        `${folder}/config.json`,
        JSON.stringify(tinyConfigJson({ ...TINY_CONFIG, layers: 1 })),
      ),
    (folder) =>
      writeTextAtomically(
        `${folder}/config.json`,
        JSON.stringify(tinyConfigJson({ ...TINY_CONFIG, layers: 3 })),
      ),
    (folder) =>
      writeTextAtomically(
        `${folder}/config.json`,
        JSON.stringify(tinyConfigJson({ ...TINY_CONFIG, feedForwardWidth: 32 })),
      ),
    (folder) =>
      writeTextAtomically(
        `${folder}/config.json`,
        JSON.stringify(tinyConfigJson({ ...TINY_CONFIG, vocabulary: 8 })),
      ),
  ];
  for (const damage of damages) {
    await withFolder(async (folder) => {
      await writeModelFolder(folder, TINY_CONFIG, "F16", 2);
      await damage(folder);
      await assertRejects(() => openModel(folder), OutriderError);
    });
  }
});

Deno.test("NaN and infinity in weights are found when they are read", () =>
  withFolder(async (folder) => {
    for (const bad of [NaN, Infinity, -Infinity]) {
      const weights = tinyWeights(interleaved);
      weights.get("layers.0.gate")?.fill(bad, 5, 6);
      await writeGgufModel(`${folder}/m.gguf`, {
        name: "tiny",
        config: interleaved,
        tokenizer: tinyTokenizer(),
        readWeight: (name) => weights.get(name) ?? new Float32Array(0),
        format: "F32",
      });
      await withModel(`${folder}/m.gguf`, async ({ tensors }) => {
        const gate = tensors.get("layers.0.gate");
        await assertRejects(async () => await gate?.readFloat32(), OutriderError, "layers.0.gate");
        await assertRejects(async () => await gate?.readBytes(), OutriderError, "layers.0.gate");
        await tensors.get("layers.0.up")?.readFloat32();
      });
    }
  }));

Deno.test("a GGUF file with tensors but without a model gives one clear error", async () => {
  const tensors = [ggufTensor("token_embd.weight", [2, 32], "F32", new Float32Array(64))];
  const bytes = concat(encodeGguf({ metadata: tinyTokenizer(), tensors }));
  await assertRejects(() => openGgufModel(memorySource(bytes)), OutriderError, "architecture");
});

const parsed = (changes: Record<string, unknown>) =>
  parseJson(JSON.stringify({ ...tinyConfigJson(TINY_CONFIG), ...changes }), "a test");

Deno.test("config.json: what changes the computation is refused, what is absent has its default", () => {
  assertEquals(configFromHuggingFace(parsed({})), TINY_CONFIG);
  assertEquals(configFromHuggingFace(parsed({ num_key_value_heads: null })).keyValueHeads, 4);
  assertEquals(configFromHuggingFace(parsed({ rope_theta: undefined })).ropeBase, 10_000);
  assertEquals(configFromHuggingFace(parsed({ rope_scaling: null, head_dim: 8 })), TINY_CONFIG);
  const newer = {
    rope_theta: undefined,
    rope_parameters: { rope_type: "default", rope_theta: 500 },
  };
  assertEquals(configFromHuggingFace(parsed(newer)).ropeBase, 500);
  const refused: Record<string, unknown>[] = [
    { model_type: "gemma" },
    { model_type: undefined },
    { hidden_act: "gelu" },
    { attention_bias: true },
    { rope_scaling: { rope_type: "llama3", factor: 8 } },
    { rope_scaling: { type: "linear", factor: 2 } },
    { rope_parameters: { rope_type: "yarn" } },
    { hidden_size: undefined },
    { hidden_size: "32" },
    { num_attention_heads: 5 },
    { num_key_value_heads: 3 },
    { num_hidden_layers: 0 },
    { num_hidden_layers: 1e300 },
    { rms_norm_eps: 0 },
    { rope_theta: -1 },
    { head_dim: 7 },
  ];
  for (const changes of refused) {
    assertThrows(() => configFromHuggingFace(parsed(changes)), OutriderError);
  }
});

Deno.test("GGUF metadata: what changes the computation is refused", () => {
  const base: Record<string, unknown> = {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "llama.context_length": 128,
    "llama.embedding_length": 32,
    "llama.feed_forward_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "llama.attention.layer_norm_rms_epsilon": 2 ** -17,
  };
  const read = (changes: Record<string, unknown>): LlamaConfig =>
    configFromGguf(
      new Map(
        Object.entries({ ...base, ...changes }).map(([key, value]) => [
          key,
          typeof value === "number"
            ? { type: "float64", value } as const
            : { type: "string", value: String(value) } as const,
        ]),
      ),
      { vocabulary: TINY_CONFIG.vocabulary, tiedEmbeddings: false },
    );
  assertEquals(read({}), interleaved);
  const refused: Record<string, unknown>[] = [
    { "general.architecture": "qwen2" },
    { "llama.rope.scaling.type": "yarn" },
    { "llama.rope.dimension_count": 4 },
    { "llama.attention.value_length": 4 },
    { "llama.expert_count": 8 },
    { "llama.block_count": 1.5 },
    { "llama.block_count": "two" },
    { "llama.attention.head_count": 0 },
  ];
  for (const changes of refused) assertThrows(() => read(changes), OutriderError);
});

Deno.test("a configuration is checked as a whole", () => {
  assertEquals(checkConfig(TINY_CONFIG), TINY_CONFIG);
  for (const changes of [{ layers: -1 }, { headWidth: 3 }, { rmsNormEpsilon: NaN }, { heads: 3 }]) {
    assertThrows(() => checkConfig({ ...TINY_CONFIG, ...changes }), OutriderError);
  }
});
