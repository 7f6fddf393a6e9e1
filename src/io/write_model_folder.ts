/**
 * Writing a model as a Hugging Face folder, with the tokenizer of another one.
 *
 * @module
 */
import type { LlamaConfig } from "../nn/llama_config.ts";
import { writeFileAtomically, writeTextAtomically } from "./atomic_write.ts";
import { asObject, type JsonObject, parseJson } from "./json_fields.ts";
import { pathInfo } from "./model_cache.ts";
import { checkConfig } from "./model_config.ts";
import { quantize } from "./quantization.ts";
import { reorderRopeRows } from "./rope_rows.ts";
import { writeSafetensors } from "./safetensors.ts";
import type { SafetensorsTensorData } from "./safetensors_types.ts";
import { huggingFaceNames, weightShapes } from "./tensor_names.ts";
import type { ModelContent } from "./write_model.ts";

/** A model to be written as a folder. */
export interface ModelFolderContent extends Pick<ModelContent, "config" | "readWeight"> {
  /** The folder whose tokenizer files and remaining configuration the model shares. */
  readonly like: string;
  /** How matrices are stored; norms are always F32. */
  readonly format: "F32" | "F16" | "BF16";
}

/** Files that speak of the tokenizer; those that the other folder has are copied. */
const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "generation_config.json",
  "chat_template.jinja",
];

/** The keys of config.json that follow from the sizes. */
function configFields(config: LlamaConfig): JsonObject {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    num_hidden_layers: config.layers,
    hidden_size: config.width,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headWidth,
    intermediate_size: config.feedForwardWidth,
    vocab_size: config.vocabulary,
    max_position_embeddings: config.contextLength,
    rope_theta: config.ropeBase,
    rms_norm_eps: config.rmsNormEpsilon,
    tie_word_embeddings: config.tiedEmbeddings,
    hidden_act: "silu",
  };
}

async function encodeWeights(content: ModelFolderContent): Promise<SafetensorsTensorData[]> {
  const { config, readWeight, format } = content;
  const names = huggingFaceNames(config.layers);
  const tensors: SafetensorsTensorData[] = [];
  for (const [name, shape] of weightShapes(config)) {
    const values = await readWeight(name);
    const turned = /\.(query|key)$/.test(name) ? reorderRopeRows(values, config, "half") : values;
    const type = shape.length === 1 ? "F32" : format;
    tensors.push({ name: names.get(name) ?? name, shape, type, bytes: quantize(type, turned) });
  }
  return tensors;
}

/**
 * Writes config.json, model.safetensors and the tokenizer files of the folder `like`, each in one
 * atomic step, config.json last: a folder with one is complete.
 *
 * @throws {OutriderError} when the configuration does not fit the weights
 */
export async function writeModelFolder(folder: string, content: ModelFolderContent): Promise<void> {
  checkConfig(content.config);
  await Deno.mkdir(folder, { recursive: true });
  await writeSafetensors(`${folder}/model.safetensors`, { tensors: await encodeWeights(content) });
  for (const name of TOKENIZER_FILES) {
    const from = `${content.like}/${name}`;
    if (await pathInfo(from) === undefined) continue;
    await writeFileAtomically(`${folder}/${name}`, [await Deno.readFile(from)]);
  }
  const shared = asObject(
    parseJson(await Deno.readTextFile(`${content.like}/config.json`), "config.json"),
    "config.json",
  );
  const merged = { ...shared, ...configFields(content.config) };
  await writeTextAtomically(`${folder}/config.json`, `${JSON.stringify(merged, null, 2)}\n`);
}
