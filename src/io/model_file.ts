/**
 * A model opened from files: its sizes, its tokenizer, and its weights by one set of names.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { Bytes } from "./bytes.ts";
import type { GgufMetadata } from "./gguf_types.ts";
import { firstNonFiniteBlock } from "./finite_check.ts";
import { dequantize, formatBytes, TENSOR_FORMATS, type TensorFormat } from "./quantization.ts";
import { listText, quote } from "./quote.ts";
import { canonicalName, type NamingScheme, weightShapes } from "./tensor_names.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** One weight of an opened model, still in its file. */
export interface ModelTensor {
  /** Its canonical name, such as `layers.0.query`. */
  readonly name: string;
  /** Outermost dimension first: matrices are `[out, in]`, row-major. */
  readonly shape: readonly number[];
  /** Storage format. */
  readonly format: TensorFormat;
  /** The stored bytes; rejects with an OutriderError when they hold NaN or infinity. */
  readBytes(): Promise<Bytes>;
  /**
   * `count` rows from `first` on as they are stored, perhaps in the caller's `scratch` memory;
   * rejects with an OutriderError when they hold NaN or infinity.
   */
  readRows(first: number, count: number, scratch?: Bytes): Promise<Bytes>;
  /** As `readRows` for who looks for NaN and infinity anyway: nobody has. */
  readRowsUnchecked(first: number, count: number, scratch?: Bytes): Promise<Bytes>;
  /** The values as f32; rejects with an OutriderError when they hold NaN or infinity. */
  readFloat32(): Promise<Float32Array<ArrayBuffer>>;
}

/** An opened model; {@link ModelFile.close} gives back its files. */
export interface ModelFile {
  /** The path that was opened. */
  readonly path: string;
  /** The kind of file. */
  readonly source: "gguf" | "safetensors";
  /** Its sizes. */
  readonly config: LlamaConfig;
  /** Its tokenizer. */
  readonly tokenizer: Tokenizer;
  /** Jinja source of its chat template, if it has one. */
  readonly chatTemplate?: string;
  /** All metadata of its GGUF file; empty for a folder. */
  readonly metadata: GgufMetadata;
  /**
   * Its weights by canonical name: `embedding`, `finalNorm`, `head` (absent if tied), and
   * `layers.{i}.` with `attentionNorm`, `query`, `key`, `value`, `output`, `feedForwardNorm`,
   * `gate`, `up`, `down`.
   */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  /** Closes the files; weights cannot be read afterwards. */
  close(): void;
}

/** A tensor as a file lists it, with a way to read it. */
export interface StoredTensor {
  /** Its name in the file. */
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** Storage format. */
  readonly format: TensorFormat;
  /** Reads `length` of the stored bytes from `offset` on, as a byte source does. */
  readonly read: (offset: number, length: number, scratch?: Bytes) => Promise<Bytes>;
}

/** A stored tensor by its canonical name, checked for NaN and infinity as it is read. */
export function modelTensor(name: string, { shape, format, read }: StoredTensor): ModelTensor {
  const width = shape[shape.length - 1];
  const rowBytes = formatBytes(format, width);
  const readRowsUnchecked: ModelTensor["readRowsUnchecked"] = (first, count, scratch) =>
    read(first * rowBytes, count * rowBytes, scratch);
  const readRows: ModelTensor["readRows"] = async (first, count, scratch) => {
    const bytes = await readRowsUnchecked(first, count, scratch);
    const bad = firstNonFiniteBlock(format, bytes);
    if (bad < 0) return bytes;
    const { blockSize } = TENSOR_FORMATS[format];
    throw new OutriderError(
      `finite numbers in ${name}`,
      `NaN or infinity near value ${first * width + bad * blockSize}`,
      "the weights are damaged; get the model again",
    );
  };
  const readBytes = (): Promise<Bytes> => readRows(0, shape.length === 1 ? 1 : shape[0]);
  return {
    name,
    shape,
    format,
    readBytes,
    readRows,
    readRowsUnchecked,
    readFloat32: async () => dequantize(format, await readBytes()),
  };
}

const WEIGHTS_PER_LAYER = 9;

/** Tensors that older files carry although they follow from the configuration. */
const REDUNDANT = /\.rotary_emb\.inv_freq$/;

/**
 * Checks that there are tensors enough, before the shapes of all layers are listed: a file may claim
 * any number of them.
 */
export function checkTensorCount(found: number, perLayer: number, layers: number): void {
  if (found >= perLayer * layers) return;
  throw new OutriderError(
    `${perLayer} tensors for each of ${layers} layers`,
    `${found} tensors`,
    "the file is incomplete; get it again",
  );
}

/**
 * Gives the tensors of a file their canonical names and checks that they are exactly those that the
 * configuration calls for, with the right shapes.
 *
 * @throws {OutriderError} when one is missing, is of another shape, or does not belong.
 */
export function modelTensors(
  config: LlamaConfig,
  scheme: NamingScheme,
  stored: readonly StoredTensor[],
): ReadonlyMap<string, ModelTensor> {
  checkTensorCount(stored.length, WEIGHTS_PER_LAYER, config.layers);
  const belong = stored
    .map((tensor) => ({ name: canonicalName(scheme, tensor.name), tensor }))
    .filter(({ name, tensor }) =>
      !(name === "head" && config.tiedEmbeddings) && !REDUNDANT.test(tensor.name)
    );
  return matchTensors(belong, weightShapes(config), {
    expected: `only the tensors of a Llama model with ${config.layers} layers`,
    cure: "use a Llama-family model without biases and extras",
  });
}

/** A tensor of a file under its canonical name; undefined where the family has none of this name. */
export interface NamedTensor {
  readonly name: string | undefined;
  readonly tensor: StoredTensor;
}

/**
 * The weights of these shapes by canonical name.
 *
 * @param strange what to say of a tensor that does not belong
 * @throws {OutriderError} when one is missing, is of another shape, or does not belong.
 */
export function matchTensors(
  stored: readonly NamedTensor[],
  shapes: ReadonlyMap<string, readonly number[]>,
  strange: { readonly expected: string; readonly cure: string },
): ReadonlyMap<string, ModelTensor> {
  const tensors = new Map<string, ModelTensor>();
  for (const { name, tensor } of stored) {
    const expected = name === undefined ? undefined : shapes.get(name);
    if (name === undefined || expected === undefined) {
      throw new OutriderError(strange.expected, quote(tensor.name), strange.cure);
    }
    if (expected.join() !== tensor.shape.join()) {
      throw new OutriderError(
        `shape ${listText(expected)} of ${quote(tensor.name)}`,
        listText(tensor.shape),
        "the weights and the configuration are of different models",
      );
    }
    if (tensors.has(name)) {
      throw new OutriderError(`${quote(tensor.name)} once`, "it twice", "remove one of the files");
    }
    tensors.set(name, modelTensor(name, tensor));
  }
  const missing = [...shapes.keys()].find((name) => !tensors.has(name));
  if (missing === undefined) return tensors;
  throw new OutriderError(
    `the tensor ${missing}`,
    `${stored.length} tensors without it`,
    "the file is incomplete; get it again",
  );
}

/** Checks that every id of the tokenizer has a row in the embedding. */
export function checkTokenizer(config: LlamaConfig, tokenizer: Tokenizer): void {
  if (tokenizer.vocabularySize <= config.vocabulary) return;
  throw new OutriderError(
    `a tokenizer of at most ${config.vocabulary} tokens`,
    `${tokenizer.vocabularySize}`,
    "use the tokenizer that belongs to the weights",
  );
}
