/** Writes the tiny model as a folder of the Hugging Face layout. */

import { writeTextAtomically } from "../../src/io/atomic_write.ts";
import { quantize } from "../../src/io/quantization.ts";
import { writeSafetensors } from "../../src/io/safetensors.ts";
import { weightShapes } from "../../src/io/tensor_names.ts";
import type { LlamaConfig } from "../../src/nn/llama_config.ts";
import {
  CHAT_TEMPLATE,
  CONTROL,
  tinyConfigJson,
  tinyTokenizerJson,
  tinyWeights,
} from "./tiny_model.ts";

const OUTER: Readonly<Record<string, string>> = {
  embedding: "model.embed_tokens.weight",
  finalNorm: "model.norm.weight",
  head: "lm_head.weight",
};

const LAYER: Readonly<Record<string, string>> = {
  attentionNorm: "input_layernorm",
  query: "self_attn.q_proj",
  key: "self_attn.k_proj",
  value: "self_attn.v_proj",
  output: "self_attn.o_proj",
  feedForwardNorm: "post_attention_layernorm",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
};

/** The Hugging Face name of a canonical name. */
export function huggingFaceName(name: string): string {
  const [, layer, weight] = name.split(".");
  return OUTER[name] ?? `model.layers.${layer}.${LAYER[weight]}.weight`;
}

/** Writes config, tokenizer and weights in `shards` files; returns nothing. */
export async function writeModelFolder(
  folder: string,
  config: LlamaConfig,
  format: "F32" | "F16" | "BF16",
  shards: number,
): Promise<void> {
  const weights = tinyWeights(config);
  const tensors = Array.from(weightShapes(config), ([name, shape]) => ({
    name: huggingFaceName(name),
    shape,
    type: format,
    bytes: quantize(format, weights.get(name) ?? new Float32Array(0)),
  }));
  const fileOf = (index: number): string =>
    shards === 1 ? "model.safetensors" : `model-${index % shards}-of-${shards}.safetensors`;
  for (let shard = 0; shard < shards; shard++) {
    const own = tensors.filter((_, index) => index % shards === shard);
    await writeSafetensors(`${folder}/${fileOf(shard)}`, { tensors: own });
  }
  const files: Record<string, unknown> = {
    "config.json": tinyConfigJson(config),
    "tokenizer.json": tinyTokenizerJson(),
    "tokenizer_config.json": {
      bos_token: CONTROL[0],
      eos_token: { content: CONTROL[2] },
      chat_template: CHAT_TEMPLATE,
    },
  };
  if (shards > 1) {
    const weightMap = Object.fromEntries(tensors.map(({ name }, index) => [name, fileOf(index)]));
    files["model.safetensors.index.json"] = { weight_map: weightMap };
  }
  for (const [name, value] of Object.entries(files)) {
    await writeTextAtomically(`${folder}/${name}`, JSON.stringify(value));
  }
}
