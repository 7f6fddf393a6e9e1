/**
 * Writing a Llama-family model as one GGUF file that this library and other engines load.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { DenseHostTensor } from "../core/host_tensor.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import { leavesWithPaths } from "../core/tree.ts";
import { ggufTensor, type GgufTensorData, writeGguf } from "./gguf_writer.ts";
import type { GgufMetadata, GgufValue } from "./gguf_types.ts";
import { ggufNames } from "./tensor_names.ts";

/** How the matrices of a written model are stored; norms are F32. */
export type ExportFormat = "F32" | "F16" | "Q8_0";

/** A model to write. */
export interface LlamaExport {
  /** `general.name` of the file. */
  readonly name: string;
  readonly config: LlamaConfig;
  /** Plain f32 arrays. */
  readonly parameters: LlamaParameters<DenseHostTensor>;
  /** The `tokenizer.*` metadata of the target, see {@link tokenizerMetadata}. */
  readonly tokenizer: GgufMetadata;
  readonly format: ExportFormat;
  /** Further metadata, such as where the model comes from. */
  readonly notes?: GgufMetadata;
}

const text = (value: string): GgufValue => ({ type: "string", value });
const count = (value: number): GgufValue => ({ type: "uint32", value });
const real = (value: number): GgufValue => ({ type: "float32", value });

function configMetadata(name: string, config: LlamaConfig): [string, GgufValue][] {
  return [
    ["general.architecture", text("llama")],
    ["general.name", text(name)],
    ["llama.block_count", count(config.layers)],
    ["llama.context_length", count(config.contextLength)],
    ["llama.embedding_length", count(config.width)],
    ["llama.feed_forward_length", count(config.feedForwardWidth)],
    ["llama.attention.head_count", count(config.heads)],
    ["llama.attention.head_count_kv", count(config.keyValueHeads)],
    ["llama.attention.key_length", count(config.headWidth)],
    ["llama.attention.value_length", count(config.headWidth)],
    ["llama.attention.layer_norm_rms_epsilon", real(config.rmsNormEpsilon)],
    ["llama.rope.freq_base", real(config.ropeBase)],
    ["llama.rope.dimension_count", count(config.headWidth)],
    ["llama.vocab_size", count(config.vocabulary)],
  ];
}

/** The tokenizer part of a GGUF file's metadata. */
export function tokenizerMetadata(metadata: GgufMetadata): GgufMetadata {
  return new Map([...metadata].filter(([key]) => key.startsWith("tokenizer.")));
}

/** A byte-level byte-pair tokenizer whose special tokens come first. */
export interface BytePairVocabulary {
  readonly vocabulary: readonly string[];
  readonly merges: readonly string[];
  readonly specialCount: number;
}

/** GGUF metadata of a byte-level byte-pair tokenizer whose special tokens come first. */
export function bytePairMetadata(
  tokenizer: BytePairVocabulary,
  chatTemplate: string,
  ids: { readonly bos: number; readonly eos: number },
): GgufMetadata {
  const strings = (value: readonly string[]): GgufValue => ({
    type: "array",
    elementType: "string",
    value,
  });
  const [normal, control] = [1, 3];
  const kinds = tokenizer.vocabulary.map((_, id) => id < tokenizer.specialCount ? control : normal);
  return new Map<string, GgufValue>([
    ["tokenizer.ggml.model", text("gpt2")],
    ["tokenizer.ggml.pre", text("smollm")],
    ["tokenizer.ggml.tokens", strings(tokenizer.vocabulary)],
    [
      "tokenizer.ggml.token_type",
      { type: "array", elementType: "int32", value: Int32Array.from(kinds) },
    ],
    ["tokenizer.ggml.merges", strings(tokenizer.merges)],
    ["tokenizer.ggml.bos_token_id", count(ids.bos)],
    ["tokenizer.ggml.eos_token_id", count(ids.eos)],
    ["tokenizer.chat_template", text(chatTemplate)],
  ]);
}

/**
 * Query and key rows as GGUF wants them: pair i of a head in rows 2 i and 2 i + 1. Reordering rows
 * together leaves every dot product of a query and a key the same up to its order of summation.
 */
function interleaved(values: Float32Array, config: LlamaConfig): Float32Array {
  if (config.ropePairing === "interleaved") return values;
  const { headWidth, width } = config;
  const half = headWidth / 2;
  const out = new Float32Array(values.length);
  for (let row = 0; row < values.length / width; row++) {
    const [head, within] = [Math.floor(row / headWidth), row % headWidth];
    const to = head * headWidth + 2 * (within % half) + Math.floor(within / half);
    out.set(values.subarray(row * width, (row + 1) * width), to * width);
  }
  return out;
}

function tensorOf(
  { config, format }: LlamaExport,
  name: string,
  fileName: string,
  { shape, data }: DenseHostTensor,
): GgufTensorData {
  if (!(data instanceof Float32Array)) {
    throw new OutriderError(`f32 values of ${name}`, "i32", "pass a model's parameters");
  }
  const turned = /\.(query|key)$/.test(name) ? interleaved(data, config) : data;
  const blocked = format === "Q8_0" && shape[shape.length - 1] % 32 !== 0;
  const type = shape.length === 1 ? "F32" : blocked ? "F16" : format;
  return ggufTensor(fileName, shape, type, turned);
}

/** Writes a model as a GGUF file in one atomic step. */
export async function writeLlama(path: string, model: LlamaExport): Promise<void> {
  const names = ggufNames(model.config.layers);
  const tensors = leavesWithPaths(model.parameters, isDense)
    .map(({ path: name, leaf }) => tensorOf(model, name, names.get(name) ?? name, leaf));
  const notes = model.notes ?? new Map<string, GgufValue>();
  const metadata = new Map([
    ...configMetadata(model.name, model.config),
    ...notes,
    ...model.tokenizer,
  ]);
  await writeGguf(path, { metadata, tensors });
}

function isDense(value: unknown): value is DenseHostTensor {
  return typeof value === "object" && value !== null && "kind" in value && "data" in value;
}
