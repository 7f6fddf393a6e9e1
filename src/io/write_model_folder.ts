/**
 * Writing a model as a Hugging Face folder, with the tokenizer of another model.
 *
 * @module
 */
import type { LlamaConfig } from "../nn/llama_config.ts";
import { writeFileAtomically, writeTextAtomically } from "./atomic_write.ts";
import type { GgufMetadata } from "./gguf_types.ts";
import { asObject, type JsonObject, parseJson } from "./json_fields.ts";
import { pathInfo } from "./model_cache.ts";
import { checkConfig } from "./model_config.ts";
import { quantize } from "./quantization.ts";
import { reorderRopeRows } from "./rope_rows.ts";
import { writeSafetensors } from "./safetensors.ts";
import type { SafetensorsTensorData } from "./safetensors_types.ts";
import { huggingFaceNames, weightShapes } from "./tensor_names.ts";
import { tokenizerFiles } from "./tokenizer_files.ts";
import type { ModelContent } from "./write_model.ts";

/** A model to be written as a folder. */
export interface ModelFolderContent extends Pick<ModelContent, "config" | "readWeight"> {
  /**
   * Whose tokenizer the model shares: a folder, whose tokenizer files and remaining configuration are
   * taken over, or the metadata of a GGUF file, from which these files are made.
   */
  readonly like: string | GgufMetadata;
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

const TORCH_TYPES = { F32: "float32", F16: "float16", BF16: "bfloat16" } as const;

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

/** Copies the tokenizer files of a folder and gives what its config.json says. */
async function copyTokenizer(from: string, folder: string): Promise<JsonObject> {
  for (const name of TOKENIZER_FILES) {
    const path = `${from}/${name}`;
    if (await pathInfo(path) === undefined) continue;
    await writeFileAtomically(`${folder}/${name}`, [await Deno.readFile(path)]);
  }
  const text = await Deno.readTextFile(`${from}/config.json`);
  return asObject(parseJson(text, "config.json"), "config.json");
}

/** Writes the tokenizer files that GGUF metadata come to and gives what config.json is to say. */
async function makeTokenizer(metadata: GgufMetadata, folder: string): Promise<JsonObject> {
  const { files, config } = tokenizerFiles(metadata);
  for (const [name, content] of files) await writeJson(`${folder}/${name}`, content);
  return config;
}

function writeJson(path: string, content: JsonObject): Promise<void> {
  return writeTextAtomically(path, `${JSON.stringify(content, null, 2)}\n`);
}

/**
 * Writes config.json, model.safetensors and the tokenizer files of `like`, each in one atomic step,
 * config.json last: a folder with one is complete.
 *
 * @throws {OutriderError} when the configuration does not fit the weights, or the tokenizer of a GGUF
 * file is not byte-level
 */
export async function writeModelFolder(folder: string, content: ModelFolderContent): Promise<void> {
  const { config, like, format } = content;
  checkConfig(config);
  await Deno.mkdir(folder, { recursive: true });
  const shared = typeof like === "string"
    ? await copyTokenizer(like, folder)
    : await makeTokenizer(like, folder);
  await writeSafetensors(`${folder}/model.safetensors`, {
    metadata: new Map([["format", "pt"]]),
    tensors: await encodeWeights(content),
  });
  const own = { ...configFields(config), torch_dtype: TORCH_TYPES[format] };
  await writeJson(`${folder}/config.json`, { ...shared, ...own });
}
