/**
 * Files in and out: model names to paths, GGUF and safetensors, tokenizers, chat templates.
 *
 * @example
 * ```ts
 * import { memorySource, readGguf } from "@outrider/outrider/io";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => readGguf(memorySource(new Uint8Array(7))), Error, "24 bytes");
 * ```
 *
 * @module
 */

export type { LlamaConfig, RopePairing } from "../nn/llama_config.ts";
export { type ByteChunks, writeFileAtomically, writeTextAtomically } from "./atomic_write.ts";
export {
  type BlockDraftContent,
  type BlockDraftFile,
  openBlockDraftFile,
  readBlockDraftFile,
  writeBlockDraftFile,
} from "./block_draft_file.ts";
export * from "./bytes.ts";
export * from "./chat_template.ts";
export {
  type DraftContent,
  type DraftFile,
  openDraftFile,
  readDraftFile,
  writeDraftFile,
} from "./draft_file.ts";
export type { DraftFileKind, PlacesKind } from "./draft_metadata.ts";
export type { DraftFormat, ReadWeight } from "./draft_weights.ts";
export * from "./expand_draft.ts";
export type { DownloadProgress, OnProgress } from "./download_progress.ts";
export { readGguf, readTensorBytes } from "./gguf_reader.ts";
export * from "./gguf_types.ts";
export * from "./gguf_writer.ts";
export type { HubClient, HubFile } from "./hub_download.ts";
export type { Json, JsonObject } from "./json_fields.ts";
export { type KnownDraft, parseKnownDrafts } from "./known_draft_list.ts";
export * from "./known_drafts.ts";
export { defaultCacheDirectory } from "./model_cache.ts";
export * from "./model_config.ts";
export type { ModelFile, ModelTensor } from "./model_file.ts";
export { type NpmPackage, npmPackageFiles, type PackageDownload } from "./npm_package.ts";
export { type AnyDraftFile, openAnyDraftFor, openDraftFor } from "./open_draft.ts";
export * from "./open_model.ts";
export type { ModelPackage, WheelDownload } from "./package_download.ts";
export * from "./quantization.ts";
export * from "./resolve_model.ts";
export * from "./safetensors.ts";
export * from "./safetensors_types.ts";
export { type TarFile, unpackTar } from "./tar_reader.ts";
export { ggufNames, weightShapes } from "./tensor_names.ts";
export type { EncodeOptions, Tokenizer } from "./tokenizer.ts";
export * from "./tokenizer_metadata.ts";
export type { DecodeOptions, StreamDecoder } from "./tokenizer_decode.ts";
export { tokenizerFromGguf } from "./tokenizer_gguf.ts";
export { tokenizerFromJson, type TokenizerSettings } from "./tokenizer_json.ts";
export type { TokenId, TokenKind } from "./tokenizer_vocabulary.ts";
export * from "./write_model.ts";
export * from "./write_model_folder.ts";
export { type BlockDraftTarget, loadBlockDraft } from "./load_block_draft.ts";
export {
  loadDenseLlama,
  loadLlama,
  type PlaceTensor,
  type StoredWeights,
  WEIGHT_TYPES,
  type WeightType,
} from "./load_llama.ts";
