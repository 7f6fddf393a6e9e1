/**
 * Opens a model folder as Hugging Face lays it out.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { type ByteSource, fileSource } from "./bytes.ts";
import { fileError } from "./file_errors.ts";
import {
  asArray,
  asCount,
  asObject,
  asString,
  field,
  isObject,
  type Json,
  type JsonObject,
  parseJson,
} from "./json_fields.ts";
import { pathInfo } from "./model_cache.ts";
import { configFromHuggingFace } from "./model_config.ts";
import { checkTokenizer, type ModelFile, modelTensors, type StoredTensor } from "./model_file.ts";
import { quote } from "./quote.ts";
import { readSafetensors } from "./safetensors.ts";
import type { SafetensorsType } from "./safetensors_types.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { tokenizerFromJson } from "./tokenizer_json.ts";

const INDEX = "model.safetensors.index.json";
const SINGLE = "model.safetensors";

async function readJson(path: string): Promise<Json> {
  const text = await Deno.readTextFile(path).catch((error) => {
    throw fileError(path, error);
  });
  return parseJson(text, path);
}

async function readOptionalJson(path: string): Promise<JsonObject> {
  return await pathInfo(path) === undefined ? {} : asObject(await readJson(path), path);
}

/** A token that a settings file names by its text or by an object with `content`. */
function tokenText(settings: JsonObject, key: string): string | undefined {
  const value = field(settings, key);
  if (value === undefined) return undefined;
  const what = `${key} in tokenizer_config.json`;
  return asString(isObject(value) ? field(value, "content") : value, what);
}

/** The chat template: a string, or the one called "default" of a list. */
function templateText(settings: JsonObject): string | undefined {
  const value = field(settings, "chat_template");
  if (value === undefined) return undefined;
  const what = "chat_template in tokenizer_config.json";
  if (!Array.isArray(value)) return asString(value, what);
  const named = asArray(value, what).map((entry) => asObject(entry, what));
  const chosen = named.find((entry) => field(entry, "name") === "default") ?? named[0];
  return chosen === undefined ? undefined : asString(field(chosen, "template"), what);
}

/** Ids that end an answer, which generation_config.json or config.json give as one or a list. */
function endIds(config: JsonObject): number[] {
  const value = field(config, "eos_token_id");
  if (value === undefined) return [];
  const list = Array.isArray(value) ? asArray(value, "eos_token_id") : [value];
  return list.map((id) => asCount(id, "eos_token_id"));
}

async function readTokenizer(folder: string, config: JsonObject): Promise<Tokenizer> {
  const settings = await readOptionalJson(`${folder}/tokenizer_config.json`);
  const generation = await readOptionalJson(`${folder}/generation_config.json`);
  const templatePath = `${folder}/chat_template.jinja`;
  const template = await pathInfo(templatePath) === undefined
    ? templateText(settings)
    : await Deno.readTextFile(templatePath);
  return tokenizerFromJson(await readJson(`${folder}/tokenizer.json`), {
    bosToken: tokenText(settings, "bos_token"),
    eosToken: tokenText(settings, "eos_token"),
    eosIds: [...endIds(config), ...endIds(generation)],
    chatTemplate: template,
  });
}

/** The safetensors files of a folder: one, or those that the index names. */
async function weightFiles(folder: string): Promise<string[]> {
  if (await pathInfo(`${folder}/${INDEX}`) === undefined) return [SINGLE];
  const index = asObject(await readJson(`${folder}/${INDEX}`), INDEX);
  const map = asObject(field(index, "weight_map"), `weight_map in ${INDEX}`);
  const names = new Set(Object.values(map).map((name) => asString(name, `a file in ${INDEX}`)));
  const bad = [...names].find((name) => !/^[\w-][\w.-]*\.safetensors$/.test(name));
  if (names.size > 0 && bad === undefined) return [...names].sort();
  throw new OutriderError(
    `names of safetensors files in ${INDEX}`,
    quote(bad ?? ""),
    "the index is damaged; get it again",
  );
}

function weightFormat(name: string, type: SafetensorsType): "F32" | "F16" | "BF16" {
  if (type !== "I32" && type !== "U8") return type;
  throw new OutriderError(
    `floating-point weights in ${quote(name)}`,
    type,
    "use an unquantised model",
  );
}

async function listTensors(source: ByteSource): Promise<StoredTensor[]> {
  const { tensors } = await readSafetensors(source);
  return tensors.map((tensor) => ({
    name: tensor.name,
    shape: tensor.shape,
    format: weightFormat(tensor.name, tensor.type),
    read: (offset, length, scratch) => source.read(tensor.offset + offset, length, scratch),
  }));
}

/** Opens files one after the other; when one fails, those before it are closed. */
async function openAll(paths: readonly string[]): Promise<ByteSource[]> {
  const sources: ByteSource[] = [];
  try {
    for (const path of paths) sources.push(await fileSource(path));
    return sources;
  } catch (error) {
    for (const source of sources) source.close();
    throw error;
  }
}

/** Opens a folder with config.json, tokenizer.json and one or more safetensors files. */
export async function openModelFolder(folder: string): Promise<ModelFile> {
  const json = asObject(await readJson(`${folder}/config.json`), "config.json");
  const config = configFromHuggingFace(json);
  const tokenizer = await readTokenizer(folder, json);
  checkTokenizer(config, tokenizer);
  const files = await weightFiles(folder);
  const sources = await openAll(files.map((name) => `${folder}/${name}`));
  const close = (): void => sources.forEach((source) => source.close());
  try {
    const stored: StoredTensor[] = [];
    for (const source of sources) stored.push(...await listTensors(source));
    return {
      path: folder,
      source: "safetensors",
      config,
      tokenizer,
      chatTemplate: tokenizer.chatTemplate,
      metadata: new Map(),
      tensors: modelTensors(config, "huggingFace", stored),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
