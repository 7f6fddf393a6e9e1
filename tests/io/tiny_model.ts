/** A tiny but complete model, as files of every kind that can be opened. */

import { keyOf, normals } from "../../src/core/random.ts";
import { BYTE_CHARACTERS } from "../../src/io/tokenizer_vocabulary.ts";
import { byteLevelMetadata } from "../../src/io/tokenizer_metadata.ts";
import type { GgufMetadata } from "../../src/io/gguf_types.ts";
import type { WritableFormat } from "../../src/io/quantization.ts";
import { weightShapes } from "../../src/io/tensor_names.ts";
import { writeGgufModel } from "../../src/io/write_model.ts";
import type { LlamaConfig } from "../../src/nn/llama_config.ts";

/** Control tokens of the tiny tokenizer, ids 0 to 2. */
export const CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/** Merges of the tiny tokenizer. */
export const MERGES = ["h e", "l l", "he ll", "hell o", "Ġ w", "Ġw o", "r l", "rl d", "Ġwo rld"];

/** A ChatML template. */
export const CHAT_TEMPLATE = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + " +
  "m['content'] + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** All token texts: control tokens, bytes, merged tokens. */
export const TOKENS = [
  ...CONTROL,
  ...BYTE_CHARACTERS,
  ...MERGES.map((merge) => merge.replace(" ", "")),
];

/** The tiny tokenizer as GGUF metadata. */
export function tinyTokenizer(): GgufMetadata {
  return byteLevelMetadata({
    tokens: TOKENS,
    merges: MERGES,
    control: [0, 1, 2],
    preTokenizer: "gpt-2",
    bos: 0,
    eos: 2,
    chatTemplate: CHAT_TEMPLATE,
  });
}

/** The tiny tokenizer as the content of a tokenizer.json. */
export function tinyTokenizerJson(): Record<string, unknown> {
  return {
    added_tokens: CONTROL.map((content, id) => ({ id, content, special: true })),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(TOKENS.map((text, id) => [text, id])),
      merges: MERGES,
    },
  };
}

/** The sizes of the tiny model. */
export const TINY_CONFIG: LlamaConfig = {
  layers: 2,
  width: 32,
  heads: 4,
  keyValueHeads: 2,
  headWidth: 8,
  feedForwardWidth: 64,
  vocabulary: TOKENS.length,
  contextLength: 128,
  ropeBase: 10_000,
  ropePairing: "half",
  rmsNormEpsilon: 2 ** -17,
  tiedEmbeddings: false,
};

/** Seeded weights for a configuration, by canonical name. */
export function tinyWeights(config: LlamaConfig): ReadonlyMap<string, Float32Array> {
  let seed = 0;
  return new Map(Array.from(weightShapes(config), ([name, shape]) => {
    return [name, normals(keyOf(seed++), shape.reduce((a, b) => a * b, 1))];
  }));
}

/** The configuration as the content of a config.json. */
export function tinyConfigJson(config: LlamaConfig): Record<string, unknown> {
  return {
    model_type: "llama",
    num_hidden_layers: config.layers,
    hidden_size: config.width,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    intermediate_size: config.feedForwardWidth,
    vocab_size: config.vocabulary,
    max_position_embeddings: config.contextLength,
    rope_theta: config.ropeBase,
    rms_norm_eps: config.rmsNormEpsilon,
    tie_word_embeddings: config.tiedEmbeddings,
    eos_token_id: 2,
  };
}

/** Writes the tiny model as GGUF. */
export async function writeTiny(
  path: string,
  config: LlamaConfig,
  format: WritableFormat,
): Promise<void> {
  const weights = tinyWeights(config);
  await writeGgufModel(path, {
    name: "tiny",
    config,
    tokenizer: tinyTokenizer(),
    readWeight: (name) => weights.get(name) ?? new Float32Array(0),
    format,
  });
}
