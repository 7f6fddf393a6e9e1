/**
 * Draft files: a draft model for one target in one safetensors file, with what it takes to run it.
 *
 * The metadata hold the name, the sizes as JSON, and the hash of the target's tokenizer. Weights have
 * canonical names. A trimmed draft also has the tensor `token_ids` (I32): the target's token of each
 * class but the last. A matrix in 8-bit blocks is a tensor U8 `[rows, bytes of a row]`: for every 32
 * columns a 16-bit scale and 32 signed bytes, as Q8_0 of GGUF has them.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import { type TrimmedVocabulary, trimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { ByteSource } from "./bytes.ts";
import { decodeConfig, encodeConfig } from "./draft_config.ts";
import { firstNonFiniteBlock } from "./finite_check.ts";
import { checkConfig } from "./model_config.ts";
import { type ModelTensor, modelTensors, type StoredTensor } from "./model_file.ts";
import { openBytes } from "./open_bytes.ts";
import { formatBytes, quantize, TENSOR_FORMATS } from "./quantization.ts";
import { quote } from "./quote.ts";
import { readSafetensors, readSafetensorsBytes, writeSafetensors } from "./safetensors.ts";
import type {
  SafetensorsFile,
  SafetensorsTensor,
  SafetensorsTensorData,
} from "./safetensors_types.ts";
import { weightShapes } from "./tensor_names.ts";

/** What a file says that it is. */
const KIND = "outrider draft 1";
const TOKEN_IDS = "token_ids";
const CURE = "the file is damaged; get it again";
/** No tokenizer is anywhere near this; a table of so many classes still fits into memory. */
const LARGEST_VOCABULARY = 2 ** 24;

/** A draft to be written. */
export interface DraftContent {
  /** What the draft is called. */
  readonly name: string;
  /** Its sizes; of a trimmed draft, `vocabulary` is the number of classes. */
  readonly config: LlamaConfig;
  /** The values of a weight by canonical name, row-major, as `weightReader` gives them. */
  readonly readWeight: (name: string) => Float32Array | Promise<Float32Array>;
  /** `Tokenizer.hash` of its target: the draft serves every target with this tokenizer. */
  readonly tokenizerHash: string;
  /** Which of the target's tokens its classes are, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
  /** How matrices are stored; norms are always F32. */
  readonly format: DraftFormat;
}

/**
 * How a draft file stores matrices. With Q8_0, those whose rows are not whole blocks of 32 stay F32,
 * as they do where weights are packed to 8 bits: so the file loads to what its weights would.
 */
export type DraftFormat = "F32" | "F16" | "Q8_0";

/** An opened draft file; {@link DraftFile.close} gives back the file. */
export interface DraftFile {
  /** The path that was opened. */
  readonly path: string;
  /** What the draft is called. */
  readonly name: string;
  /** Its sizes; of a trimmed draft, `vocabulary` is the number of classes. */
  readonly config: LlamaConfig;
  /** `Tokenizer.hash` of its target. */
  readonly tokenizerHash: string;
  /** Which of the target's tokens its classes are, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
  /** Its weights by canonical name, as those of a `ModelFile`: `loadLlama` takes either. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  /** Closes the file; weights cannot be read afterwards. */
  close(): void;
}

function checkVocabulary(config: LlamaConfig, vocabulary: TrimmedVocabulary | undefined): void {
  if (vocabulary === undefined || vocabulary.classes === config.vocabulary) return;
  throw new OutriderError(
    `a vocabulary of ${config.vocabulary} classes, one of them for all other tokens`,
    `${vocabulary.classes} classes`,
    "the vocabulary and the sizes are of different drafts",
  );
}

async function encodeWeights(
  { config, readWeight, format }: DraftContent,
): Promise<SafetensorsTensorData[]> {
  const tensors: SafetensorsTensorData[] = [];
  for (const [name, shape] of weightShapes(config)) {
    const values = await readWeight(name);
    const type = formatOf(shape, format);
    checkSize(name, shape, values.length);
    // Blocks of numbers that are not finite have no scale.
    const unstorable = type === "Q8_0" ? values.findIndex((value) => !Number.isFinite(value)) : -1;
    const bytes = unstorable < 0 ? quantize(type, values) : new Uint8Array();
    const bad = unstorable < 0 ? firstNonFiniteBlock(type, bytes) : unstorable;
    if (bad >= 0) {
      const expected = `finite numbers within ${type} in ${name}`;
      throw new OutriderError(expected, `${values[bad]}`, "store it as F32, or train it again");
    }
    tensors.push(type === "Q8_0" ? blocksTensor(name, shape, bytes) : { name, shape, type, bytes });
  }
  return tensors;
}

function checkSize(name: string, shape: readonly number[], found: number): void {
  const expected = shape.reduce((product, extent) => product * extent, 1);
  if (found === expected) return;
  throw new OutriderError(`${expected} values of ${name}`, `${found}`, "check the sizes");
}

function formatOf(shape: readonly number[], format: DraftFormat): DraftFormat {
  const fits = shape.length === 2 && shape[1] % TENSOR_FORMATS[format].blockSize === 0;
  return fits ? format : "F32";
}

/** 8-bit blocks as the bytes that a safetensors file can hold. */
function blocksTensor(
  name: string,
  [rows, columns]: readonly number[],
  bytes: Uint8Array,
): SafetensorsTensorData {
  return { name, shape: [rows, formatBytes("Q8_0", columns)], type: "U8", bytes };
}

function encodeTokenIds({ tokenIds }: TrimmedVocabulary): SafetensorsTensorData {
  const bytes = new Uint8Array(Int32Array.from(tokenIds).buffer);
  return { name: TOKEN_IDS, shape: [tokenIds.length], type: "I32", bytes };
}

/**
 * Writes a draft file in one atomic step: F32 keeps every bit, F16 rounds matrices to 16-bit floats,
 * Q8_0 to blocks of 8-bit numbers: loaded as `q8` or `keep`, they have the bits that the weights
 * themselves would have packed to 8 bits.
 *
 * @throws {OutriderError} when a weight has another size than the configuration says or is not
 * finite, or the vocabulary is not that of the configuration
 */
export async function writeDraftFile(path: string, content: DraftContent): Promise<void> {
  const { name, config, tokenizerHash, vocabulary } = content;
  checkVocabulary(checkConfig(config), vocabulary);
  const metadata = new Map([
    ["kind", KIND],
    ["name", name],
    ["config", encodeConfig(config)],
    ["tokenizer_hash", tokenizerHash],
  ]);
  const tensors = await encodeWeights(content);
  if (vocabulary) {
    metadata.set("target_vocabulary", `${vocabulary.targetVocabulary}`);
    tensors.push(encodeTokenIds(vocabulary));
  }
  await writeSafetensors(path, { metadata, tensors });
}

function required(metadata: SafetensorsFile["metadata"], key: string, path: string): string {
  const value = metadata.get(key);
  if (value !== undefined) return value;
  throw new OutriderError(`${key} in the metadata of ${path}`, "none", CURE);
}

function checkKind(metadata: SafetensorsFile["metadata"], path: string): void {
  const kind = metadata.get("kind");
  if (kind === KIND) return;
  throw new OutriderError(
    `a draft file (kind ${quote(KIND)}) at ${path}`,
    kind === undefined ? "a safetensors file without a kind" : quote(kind),
    "name a draft.safetensors, a GGUF file or a model's folder",
  );
}

async function readVocabulary(
  source: ByteSource,
  { metadata, tensors }: SafetensorsFile,
): Promise<TrimmedVocabulary | undefined> {
  const stored = tensors.find(({ name }) => name === TOKEN_IDS);
  if (stored === undefined && !metadata.has("target_vocabulary")) return undefined;
  if (stored?.type !== "I32" || stored.shape.length !== 1) {
    throw new OutriderError(`a list of I32 as ${TOKEN_IDS} in ${source.name}`, "none", CURE);
  }
  const size = required(metadata, "target_vocabulary", source.name);
  if (!/^\d{1,8}$/.test(size) || Number(size) > LARGEST_VOCABULARY) {
    throw new OutriderError(
      `a target_vocabulary of at most ${LARGEST_VOCABULARY} in ${source.name}`,
      quote(size),
      CURE,
    );
  }
  const bytes = new Uint8Array(await readSafetensorsBytes(source, stored));
  try {
    return trimmedVocabulary(new Int32Array(bytes.buffer), Number(size));
  } catch (error) {
    if (!(error instanceof OutriderError)) throw error;
    throw new OutriderError(`${error.expected} in ${source.name}`, error.found, CURE);
  }
}

/** The shape of the matrix that 8-bit blocks, `[rows, bytes of a row]`, stand for. */
function shapeOfBlocks({ name, shape }: SafetensorsTensor): readonly number[] {
  const { blockSize, blockBytes } = TENSOR_FORMATS.Q8_0;
  const [rows, bytes] = shape;
  if (shape.length === 2 && bytes % blockBytes === 0) return [rows, bytes / blockBytes * blockSize];
  throw new OutriderError(
    `rows of 8-bit blocks, of ${blockBytes} bytes each, in ${quote(name)}`,
    `a shape of ${shape.join(" by ")}`,
    CURE,
  );
}

function storedTensor(source: ByteSource, tensor: SafetensorsTensor): StoredTensor {
  const { name, shape, type, offset } = tensor;
  const read: StoredTensor["read"] = (from, length, scratch) =>
    source.read(offset + from, length, scratch);
  if (type === "U8") return { name, shape: shapeOfBlocks(tensor), format: "Q8_0", read };
  if (type !== "I32") return { name, shape, format: type, read };
  throw new OutriderError(`floating-point weights in ${quote(name)}`, type, CURE);
}

/**
 * Opens a draft from the bytes of its file, which may lie anywhere that can be read at random.
 * Closing the draft closes the source.
 *
 * @throws {OutriderError} when it is another kind of file, or damaged
 * @example
 * ```ts
 * import { memorySource, readDraftFile } from "@outrider/outrider/io";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => readDraftFile(memorySource(new Uint8Array(4))), Error, "safetensors");
 * ```
 */
export async function readDraftFile(source: ByteSource): Promise<DraftFile> {
  const path = source.name;
  const file = await readSafetensors(source);
  checkKind(file.metadata, path);
  const config = decodeConfig(required(file.metadata, "config", path), `the config in ${path}`);
  const vocabulary = await readVocabulary(source, file);
  checkVocabulary(config, vocabulary);
  const weights = file.tensors.filter(({ name }) => name !== TOKEN_IDS);
  return {
    path,
    name: required(file.metadata, "name", path),
    config,
    tokenizerHash: required(file.metadata, "tokenizer_hash", path),
    vocabulary,
    tensors: modelTensors(config, "canonical", weights.map((it) => storedTensor(source, it))),
    close: () => source.close(),
  };
}

/**
 * Opens a draft file at a path or an http(s) URL. Weights are read when asked for, by
 * `loadLlama(draft, type, place)` or `loadDenseLlama(draft)`. The caller closes the draft.
 *
 * @throws {OutriderError} when it is another kind of file, or damaged
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { loadDenseLlama, openDraftFile, writeDraftFile } from "@outrider/outrider/io";
 * import { initLlama, tinyLlama, trimmedVocabulary } from "@outrider/outrider/nn";
 * import { weightReader } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile({ suffix: ".safetensors" });
 * const vocabulary = trimmedVocabulary([2, 5, 6], 8);
 * const config = tinyLlama({ width: 8, vocabulary: vocabulary.classes });
 * const parameters = initLlama(keyOf(1), config);
 * await writeDraftFile(path, {
 *   name: "tiny",
 *   config,
 *   readWeight: weightReader(parameters),
 *   tokenizerHash: "the hash of the target's tokenizer",
 *   vocabulary,
 *   format: "F32",
 * });
 * const draft = await openDraftFile(path);
 * assertEquals(draft.vocabulary?.tokenIds, vocabulary.tokenIds);
 * assertEquals(await loadDenseLlama(draft), parameters);
 * draft.close();
 * await Deno.remove(path);
 * ```
 */
export async function openDraftFile(path: string): Promise<DraftFile> {
  const source = await openBytes(path);
  try {
    return await readDraftFile(source);
  } catch (error) {
    source.close();
    throw error;
  }
}
