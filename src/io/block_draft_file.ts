/**
 * Block draft files: a block drafter, or a CTC drafter, for one target in one safetensors file, beside
 * what draft files hold (see `draft_file.ts`): its own sizes as JSON, and its weights by canonical names.
 *
 * The embedding and the head are the target's and not in the file: `loadBlockDraft` takes them there.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { Shape } from "../core/shape.ts";
import { type BlockDrafterConfig, buildBlockDrafter } from "../nn/block_drafter_parameters.ts";
import { buildCtcDrafter } from "../nn/ctc_drafter.ts";
import type { NamedShape } from "../nn/llama_parameters.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import { checkBlockConfig, decodeBlockConfig, encodeBlockConfig } from "./block_draft_config.ts";
import type { ByteSource } from "./bytes.ts";
import {
  DAMAGED,
  DRAFT_KINDS,
  draftMetadata,
  encodeVocabulary,
  type PlacesKind,
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
import { checkTensorCount, matchTensors, type ModelTensor } from "./model_file.ts";
import { openWith } from "./open_bytes.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";
import type { SafetensorsTensor } from "./safetensors_types.ts";

/** A drafter of several places to be written. */
export interface BlockDraftContent {
  /** What its places are: the tokens that follow, `block` if left out, or an alignment of them, `ctc`. */
  readonly kind?: PlacesKind;
  /** What the draft is called. */
  readonly name: string;
  /** Its sizes. */
  readonly config: BlockDrafterConfig;
  /** The values of a weight by canonical name, row-major, as its `build` function names them. */
  readonly readWeight: ReadWeight;
  /** `Tokenizer.hash` of its target. */
  readonly tokenizerHash: string;
  /** Which of the target's tokens it drafts. */
  readonly vocabulary: TrimmedVocabulary;
  /** How the matrices of products are stored; all else is always F32. */
  readonly format: DraftFormat;
}

/** An opened block draft file; {@link BlockDraftFile.close} gives back the file. */
export interface BlockDraftFile {
  /** What its places are: the tokens that follow, or an alignment of them. */
  readonly kind: PlacesKind;
  /** The path that was opened. */
  readonly path: string;
  /** What the draft is called. */
  readonly name: string;
  /** Its sizes. */
  readonly config: BlockDrafterConfig;
  /** `Tokenizer.hash` of its target. */
  readonly tokenizerHash: string;
  /** Which of the target's tokens it drafts. */
  readonly vocabulary: TrimmedVocabulary;
  /** Its weights by canonical name, as `buildBlockDrafter` or `buildCtcDrafter` names them. */
  readonly tensors: ReadonlyMap<string, ModelTensor>;
  /** Closes the file; weights cannot be read afterwards. */
  close(): void;
}

const WEIGHTS_PER_LAYER = 11;
/** Rows that are looked up or joined with others, never multiplied. */
const PLAIN_ROWS: readonly string[] = ["places", "other", "blank"];

/** Whether a weight is the matrix of a product, which may be stored and kept in fewer bits. */
export function isProductMatrix({ name, shape }: NamedShape): boolean {
  return shape.length === 2 && !PLAIN_ROWS.includes(name);
}

const BUILD = { block: buildBlockDrafter, ctc: buildCtcDrafter } as const;

function weightShapes(kind: PlacesKind, config: BlockDrafterConfig): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>();
  BUILD[kind](config, ({ name, shape }) => shapes.set(name, shape));
  return shapes;
}

/**
 * Writes a block draft file in one atomic step, in the formats of `writeDraftFile`.
 *
 * @throws {OutriderError} when a weight has another size than the configuration says or is not
 * finite, or the sizes make no sense together
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { openBlockDraftFile, writeBlockDraftFile } from "@outrider/outrider/io";
 * import { initBlockDrafter, tinyBlockDrafter, trimmedVocabulary } from "@outrider/outrider/nn";
 * import { weightReader } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile({ suffix: ".safetensors" });
 * const config = tinyBlockDrafter({ width: 8, taps: [1, 2] });
 * const drafter = initBlockDrafter(keyOf(1), config, new Float32Array(8).fill(1));
 * await writeBlockDraftFile(path, {
 *   name: "tiny",
 *   config,
 *   readWeight: weightReader(drafter),
 *   tokenizerHash: "the hash of the target's tokenizer",
 *   vocabulary: trimmedVocabulary([2, 5, 6], 8),
 *   format: "F32",
 * });
 * const draft = await openBlockDraftFile(path);
 * assertEquals([draft.name, draft.config], ["tiny", config]);
 * draft.close();
 * await Deno.remove(path);
 * ```
 */
export async function writeBlockDraftFile(path: string, content: BlockDraftContent): Promise<void> {
  const { kind = "block", name, config, tokenizerHash, vocabulary, readWeight, format } = content;
  const text = encodeBlockConfig(checkBlockConfig(config));
  const metadata = draftMetadata(kind, { name, config: text, tokenizerHash }, vocabulary);
  const weights = Array.from(weightShapes(kind, config), ([name, shape]) => ({
    name,
    shape,
    format: isProductMatrix({ name, shape }) ? fittingFormat(shape, format) : "F32" as const,
  }));
  const tensors = await encodeWeights(weights, readWeight);
  await writeSafetensors(path, {
    metadata,
    tensors: [...tensors, ...encodeVocabulary(vocabulary)],
  });
}

function weightTensors(
  kind: PlacesKind,
  config: BlockDrafterConfig,
  source: ByteSource,
  stored: readonly SafetensorsTensor[],
): ReadonlyMap<string, ModelTensor> {
  checkTensorCount(stored.length, WEIGHTS_PER_LAYER, config.layers);
  const tensors = stored.map((tensor) => storedWeight(source, tensor));
  return matchTensors(
    tensors.map((tensor) => ({ name: tensor.name, tensor })),
    weightShapes(kind, config),
    { expected: `only the tensors of a ${kind} drafter in ${source.name}`, cure: DAMAGED },
  );
}

/**
 * Opens a drafter of several places from the bytes of its file; closing it closes the source.
 *
 * @throws {OutriderError} when it is another kind of file, or damaged
 * @example
 * ```ts
 * import { memorySource, readBlockDraftFile } from "@outrider/outrider/io";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => readBlockDraftFile(memorySource(new Uint8Array(4))), Error, "4 bytes");
 * ```
 */
export async function readBlockDraftFile(source: ByteSource): Promise<BlockDraftFile> {
  const path = source.name;
  const file = await readSafetensors(source);
  const kind = file.metadata.get("kind") === DRAFT_KINDS.ctc ? "ctc" : "block";
  const facts = readFacts(kind, file, path);
  const config = decodeBlockConfig(facts.config, `the config in ${path}`);
  const vocabulary = await readVocabulary(source, file);
  if (vocabulary === undefined) {
    throw new OutriderError(`a list of I32 as ${TOKEN_IDS} in ${path}`, "none", DAMAGED);
  }
  const weights = file.tensors.filter(({ name }) => name !== TOKEN_IDS);
  return {
    ...facts,
    kind,
    path,
    config,
    vocabulary,
    tensors: weightTensors(kind, config, source, weights),
    close: () => source.close(),
  };
}

/**
 * Opens a block draft file, or that of a CTC drafter, at a path or an http(s) URL. Weights are read when asked for, by
 * `loadBlockDraft`. The caller closes the draft.
 *
 * @throws {OutriderError} when it is another kind of file, or damaged
 * @example
 * ```ts
 * import { openBlockDraftFile } from "@outrider/outrider/io";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => openBlockDraftFile("no/draft.safetensors"), Error, "nothing there");
 * ```
 */
export function openBlockDraftFile(path: string): Promise<BlockDraftFile> {
  return openWith(path, readBlockDraftFile);
}
