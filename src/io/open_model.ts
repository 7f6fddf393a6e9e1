/**
 * Opens a model: a GGUF file, or a folder with config.json, tokenizer.json and safetensors.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { ByteSource } from "./bytes.ts";
import { ggufNumber } from "./gguf_fields.ts";
import { readGguf } from "./gguf_reader.ts";
import type { GgufTensor } from "./gguf_types.ts";
import { configFromGguf } from "./model_config.ts";
import { checkTokenizer, type ModelFile, modelTensors, type StoredTensor } from "./model_file.ts";
import { isUrl, openWith } from "./open_bytes.ts";
import { openModelFolder } from "./open_model_folder.ts";
import { pathInfo } from "./model_cache.ts";
import { tokenizerFromGguf } from "./tokenizer_gguf.ts";

/** Rows of the embedding, which `llama.vocab_size` must agree with where it is given. */
function vocabularyOf(tensors: readonly GgufTensor[], stated: number | undefined): number {
  const embedding = tensors.find(({ name }) => name === "token_embd.weight");
  const rows = embedding?.shape[0];
  if (rows !== undefined && (stated === undefined || stated === rows)) return rows;
  throw new OutriderError(
    `an embedding of ${stated ?? "all"} tokens`,
    rows === undefined ? "none" : `${rows} rows`,
    "the file is incomplete; get it again",
  );
}

/**
 * Opens a model from the bytes of a GGUF file, which may lie anywhere that can be read at random.
 * Closing the model closes the source.
 *
 * @throws {OutriderError} when the file is damaged or of an unsupported kind.
 */
export async function openGgufModel(source: ByteSource): Promise<ModelFile> {
  const { metadata, tensors } = await readGguf(source);
  const config = configFromGguf(metadata, {
    vocabulary: vocabularyOf(tensors, ggufNumber(metadata, "llama.vocab_size")),
    tiedEmbeddings: !tensors.some(({ name }) => name === "output.weight"),
  });
  const stored = tensors.map((tensor): StoredTensor => ({
    name: tensor.name,
    shape: tensor.shape,
    format: tensor.type,
    read: (offset, length, scratch) => source.read(tensor.offset + offset, length, scratch),
  }));
  const weights = modelTensors(config, "gguf", stored);
  const tokenizer = tokenizerFromGguf(metadata);
  checkTokenizer(config, tokenizer);
  return {
    path: source.name,
    source: "gguf",
    config,
    tokenizer,
    chatTemplate: tokenizer.chatTemplate,
    metadata,
    tensors: weights,
    close: () => source.close(),
  };
}

/**
 * Opens the model at a path (see `resolveModel` for names) or at the http(s) URL of a GGUF file.
 * Only headers are read; weights are read when asked for. The caller closes the model.
 *
 * @throws {OutriderError} when there is no model, or it is damaged or of an unsupported kind.
 * @example
 * ```ts
 * import { openModel } from "@outrider/outrider/io";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => openModel("no/such/model.gguf"), Error, "nothing there");
 * ```
 */
export async function openModel(path: string): Promise<ModelFile> {
  if (!isUrl(path) && (await pathInfo(path))?.isDirectory) return await openModelFolder(path);
  return await openWith(path, (source) => openGgufModel(source));
}
