/**
 * Writes a Llama-family model as a GGUF file that other engines read too.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { GgufMetadata, GgufValue } from "./gguf_types.ts";
import { ggufTensor, type GgufTensorData, writeGguf } from "./gguf_writer.ts";
import { checkConfig } from "./model_config.ts";
import { TENSOR_FORMATS, type WritableFormat } from "./quantization.ts";
import { reorderRopeRows } from "./rope_rows.ts";
import { ggufNames, weightShapes } from "./tensor_names.ts";
import { tokenizerMetadata } from "./tokenizer_metadata.ts";

/** A model to be written. */
export interface ModelContent {
  /** What the model is called. */
  readonly name: string;
  /** Its sizes. */
  readonly config: LlamaConfig;
  /** Metadata of its tokenizer, as in `ModelFile.metadata` or from `byteLevelMetadata`. */
  readonly tokenizer: GgufMetadata;
  /** Further metadata, such as where the model comes from. */
  readonly notes?: GgufMetadata;
  /** The values of a weight by canonical name, row-major as in `ModelFile.tensors`. */
  readonly readWeight: (name: string) => Float32Array | Promise<Float32Array>;
  /** How matrices are stored; norms are always F32. */
  readonly format: WritableFormat;
}

const string = (value: string): GgufValue => ({ type: "string", value });
const count = (value: number): GgufValue => ({ type: "uint32", value });
const float = (value: number): GgufValue => ({ type: "float32", value });

function configMetadata(name: string, config: LlamaConfig): [string, GgufValue][] {
  return [
    ["general.architecture", string("llama")],
    ["general.name", string(name)],
    ["llama.block_count", count(config.layers)],
    ["llama.context_length", count(config.contextLength)],
    ["llama.embedding_length", count(config.width)],
    ["llama.feed_forward_length", count(config.feedForwardWidth)],
    ["llama.attention.head_count", count(config.heads)],
    ["llama.attention.head_count_kv", count(config.keyValueHeads)],
    ["llama.attention.key_length", count(config.headWidth)],
    ["llama.attention.value_length", count(config.headWidth)],
    ["llama.attention.layer_norm_rms_epsilon", float(config.rmsNormEpsilon)],
    ["llama.rope.dimension_count", count(config.headWidth)],
    ["llama.rope.freq_base", float(config.ropeBase)],
    ["llama.vocab_size", count(config.vocabulary)],
    ["general.quantization_version", count(2)],
  ];
}

/** Norms stay F32, and rows that are not whole blocks become F16. */
function formatOf(shape: readonly number[], format: WritableFormat): WritableFormat {
  if (shape.length === 1) return "F32";
  return shape[1] % TENSOR_FORMATS[format].blockSize === 0 ? format : "F16";
}

async function encodeWeight(
  name: string,
  fileName: string,
  shape: readonly number[],
  { config, readWeight, format }: ModelContent,
): Promise<GgufTensorData> {
  const values = await readWeight(name);
  const expected = shape.reduce((a, b) => a * b, 1);
  if (values.length !== expected) {
    throw new OutriderError(`${expected} values of ${name}`, `${values.length}`, "check the sizes");
  }
  const isRotated = /\.(query|key)$/.test(name);
  const rows = isRotated ? reorderRopeRows(values, config, "interleaved") : values;
  return ggufTensor(fileName, shape, formatOf(shape, format), rows);
}

/**
 * Writes a model as GGUF in one atomic step. Query and key rows are brought into the order that the
 * format has for this family. A matrix whose rows are not whole blocks of the format is stored as
 * F16.
 *
 * @throws {OutriderError} when a weight has another size than the configuration says, or does not
 * fit the format.
 */
export async function writeGgufModel(path: string, content: ModelContent): Promise<void> {
  const { name, config, tokenizer, notes = new Map() } = content;
  checkConfig(config);
  const fileNames = ggufNames(config.layers);
  const tensors: GgufTensorData[] = [];
  for (const [weight, shape] of weightShapes(config)) {
    tensors.push(await encodeWeight(weight, fileNames.get(weight) ?? weight, shape, content));
  }
  // A target's whole metadata may be passed; its sizes must not replace the model's own.
  const spoken = tokenizerMetadata(tokenizer);
  const metadata = new Map([...configMetadata(name, config), ...notes, ...spoken]);
  await writeGguf(path, { metadata, tensors });
}
