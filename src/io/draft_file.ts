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
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { ByteSource } from "./bytes.ts";
import { decodeConfig, encodeConfig } from "./draft_config.ts";
import {
  draftMetadata,
  encodeVocabulary,
  readFacts,
  readVocabulary,
  TOKEN_IDS,
} from "./draft_metadata.ts";
import {
  type DraftFormat,
  encodeWeights,
  fittingFormat,
  type ReadWeight,
  storedWeight,
} from "./draft_weights.ts";
import { checkConfig } from "./model_config.ts";
import { type ModelTensor, modelTensors } from "./model_file.ts";
import { openWith } from "./open_bytes.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";
import { weightShapes } from "./tensor_names.ts";

/** A draft to be written. */
export interface DraftContent {
  /** What the draft is called. */
  readonly name: string;
  /** Its sizes; of a trimmed draft, `vocabulary` is the number of classes. */
  readonly config: LlamaConfig;
  /** The values of a weight by canonical name, row-major, as `weightReader` gives them. */
  readonly readWeight: ReadWeight;
  /** `Tokenizer.hash` of its target: the draft serves every target with this tokenizer. */
  readonly tokenizerHash: string;
  /** Which of the target's tokens its classes are, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
  /** How matrices are stored; norms are always F32. */
  readonly format: DraftFormat;
}

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

/**
 * Writes a draft file in one atomic step: F32 keeps every bit, F16 rounds matrices to 16-bit floats,
 * Q8_0 to blocks of 8-bit numbers: loaded as `q8` or `keep`, they have the bits that the weights
 * themselves would have packed to 8 bits.
 *
 * @throws {OutriderError} when a weight has another size than the configuration says or is not
 * finite, or the vocabulary is not that of the configuration
 */
export async function writeDraftFile(path: string, content: DraftContent): Promise<void> {
  const { name, config, tokenizerHash, vocabulary, readWeight, format } = content;
  checkVocabulary(checkConfig(config), vocabulary);
  const metadata = draftMetadata(
    "model",
    { name, config: encodeConfig(config), tokenizerHash },
    vocabulary,
  );
  const weights = Array.from(
    weightShapes(config),
    ([name, shape]) => ({ name, shape, format: fittingFormat(shape, format) }),
  );
  const tensors = await encodeWeights(weights, readWeight);
  await writeSafetensors(path, {
    metadata,
    tensors: [...tensors, ...encodeVocabulary(vocabulary)],
  });
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
  const facts = readFacts("model", file, path);
  const config = decodeConfig(facts.config, `the config in ${path}`);
  const vocabulary = await readVocabulary(source, file);
  checkVocabulary(config, vocabulary);
  const weights = file.tensors.filter(({ name }) => name !== TOKEN_IDS);
  return {
    ...facts,
    path,
    config,
    vocabulary,
    tensors: modelTensors(config, "canonical", weights.map((it) => storedWeight(source, it))),
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
export function openDraftFile(path: string): Promise<DraftFile> {
  return openWith(path, readDraftFile);
}
