/**
 * What draft files of all kinds tell of themselves: kind, name, tokenizer, and vocabulary.
 *
 * A trimmed vocabulary is the tensor `token_ids` (I32), the target's token of each class but the last,
 * and the number of the target's tokens among the metadata.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type TrimmedVocabulary, trimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { ByteSource } from "./bytes.ts";
import { quote } from "./quote.ts";
import { readSafetensorsBytes } from "./safetensors.ts";
import type { SafetensorsFile, SafetensorsTensorData } from "./safetensors_types.ts";

/** The kinds of drafters of several places at once: see `nn/block_drafter.ts`, `nn/ctc_drafter.ts`. */
export type PlacesKind = "block" | "ctc";
/** The kinds of draft files: a model of its own, or a drafter of several places. */
export type DraftFileKind = "model" | PlacesKind;
/** What a file of a kind says that it is. */
export const DRAFT_KINDS: { readonly [kind in DraftFileKind]: string } = {
  model: "outrider draft 1",
  block: "outrider block draft 1",
  ctc: "outrider ctc draft 1",
};
/** What is to be done about a file that makes no sense. */
export const DAMAGED = "the file is damaged; get it again";
/** The tensor of a trimmed vocabulary. */
export const TOKEN_IDS = "token_ids";
/** No tokenizer is anywhere near this; a table of so many classes still fits into memory. */
const LARGEST_VOCABULARY = 2 ** 24;

/** What the metadata say besides the vocabulary. */
export interface DraftFacts {
  /** What the draft is called. */
  readonly name: string;
  /** Its sizes as JSON text. */
  readonly config: string;
  /** `Tokenizer.hash` of its target. */
  readonly tokenizerHash: string;
}

/** The metadata of a draft file. */
export function draftMetadata(
  kind: DraftFileKind,
  { name, config, tokenizerHash }: DraftFacts,
  vocabulary: TrimmedVocabulary | undefined,
): Map<string, string> {
  const metadata = new Map<string, string>([
    ["kind", DRAFT_KINDS[kind]],
    ["name", name],
    ["config", config],
    ["tokenizer_hash", tokenizerHash],
  ]);
  if (vocabulary) metadata.set("target_vocabulary", `${vocabulary.targetVocabulary}`);
  return metadata;
}

/** The tensors of a vocabulary. */
export function encodeVocabulary(
  vocabulary: TrimmedVocabulary | undefined,
): readonly SafetensorsTensorData[] {
  if (vocabulary === undefined) return [];
  const { tokenIds } = vocabulary;
  const bytes = new Uint8Array(Int32Array.from(tokenIds).buffer);
  return [{ name: TOKEN_IDS, shape: [tokenIds.length], type: "I32", bytes }];
}

function required(metadata: SafetensorsFile["metadata"], key: string, path: string): string {
  const value = metadata.get(key);
  if (value !== undefined) return value;
  throw new OutriderError(`${key} in the metadata of ${path}`, "none", DAMAGED);
}

/**
 * What a draft file of this kind tells of itself.
 *
 * @throws {OutriderError} when it is of another kind, or something is missing
 */
export function readFacts(
  kind: DraftFileKind,
  { metadata }: SafetensorsFile,
  path: string,
): DraftFacts {
  checkKind(kind, metadata.get("kind"), path);
  return {
    config: required(metadata, "config", path),
    name: required(metadata, "name", path),
    tokenizerHash: required(metadata, "tokenizer_hash", path),
  };
}

/** What to name in place of a file of another kind. */
const WANTED = {
  model: "name a draft.safetensors, a GGUF file or a model's folder",
  block: "name the file of a block drafter",
  ctc: "name the file of a CTC drafter",
} as const;

function checkKind(kind: DraftFileKind, found: string | undefined, path: string): void {
  if (found === DRAFT_KINDS[kind]) return;
  throw new OutriderError(
    `a draft file (kind ${quote(DRAFT_KINDS[kind])}) at ${path}`,
    found === undefined ? "a safetensors file without a kind" : quote(found),
    WANTED[kind],
  );
}

/**
 * The trimmed vocabulary in a draft file; undefined where there is none.
 *
 * @throws {OutriderError} when it is damaged
 */
export async function readVocabulary(
  source: ByteSource,
  { metadata, tensors }: SafetensorsFile,
): Promise<TrimmedVocabulary | undefined> {
  const stored = tensors.find(({ name }) => name === TOKEN_IDS);
  if (stored === undefined && !metadata.has("target_vocabulary")) return undefined;
  if (stored?.type !== "I32" || stored.shape.length !== 1) {
    throw new OutriderError(`a list of I32 as ${TOKEN_IDS} in ${source.name}`, "none", DAMAGED);
  }
  const size = required(metadata, "target_vocabulary", source.name);
  if (!/^\d{1,8}$/.test(size) || Number(size) > LARGEST_VOCABULARY) {
    throw new OutriderError(
      `a target_vocabulary of at most ${LARGEST_VOCABULARY} in ${source.name}`,
      quote(size),
      DAMAGED,
    );
  }
  const bytes = new Uint8Array(await readSafetensorsBytes(source, stored));
  try {
    return trimmedVocabulary(new Int32Array(bytes.buffer), Number(size));
  } catch (error) {
    if (!(error instanceof OutriderError)) throw error;
    throw new OutriderError(`${error.expected} in ${source.name}`, error.found, DAMAGED);
  }
}
