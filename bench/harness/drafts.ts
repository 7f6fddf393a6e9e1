/**
 * Drafts by name: draft files, whole models, and the one that comes with the package.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { type LanguageModel, type LlamaCache, llamaModel } from "@outrider/outrider/decode";
import {
  findKnownDraft,
  loadLlama,
  type ModelFile,
  openDraftFile,
  openModel,
  type StoredWeights,
  type WeightType,
} from "@outrider/outrider/io";
import type { TrimmedVocabulary } from "@outrider/outrider/nn";
import { releaseTree, uploadsTo } from "@outrider/outrider/runtime";
import type { OpenModel } from "./models.ts";

/** An opened draft, which speaks its target's tokens. */
export interface StoredDraft extends StoredWeights {
  readonly path: string;
  readonly name: string;
  /** Which of the target's tokens its classes are, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
  readonly close: () => void;
}

/** Opens a draft file or a whole model; `auto` is the draft that comes with the package. */
export async function storedDraft(
  { tokenizer }: Pick<ModelFile, "tokenizer">,
  name: string,
): Promise<StoredDraft> {
  const path = name === "auto" ? (await findKnownDraft(tokenizer.hash)).path : name;
  const draft = /\.safetensors$/.test(path) ? await openDraftFile(path) : await openWhole(path);
  if (draft.tokenizerHash === tokenizer.hash) return draft;
  draft.close();
  throw new OutriderError("the target's tokenizer", "another one", "name the target's own draft");
}

async function openWhole(path: string): Promise<StoredDraft & { readonly tokenizerHash: string }> {
  const file = await openModel(path);
  return { ...file, name: path, tokenizerHash: file.tokenizer.hash };
}

/** A draft on its target's device. */
export interface OpenDraft {
  readonly model: LanguageModel<LlamaCache>;
  /** Which of the target's tokens its classes are, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
  /** Gives the memory back. */
  readonly close: () => void;
}

/** Loads a draft onto its target's device. */
export async function openDraftOn(
  { device, file }: OpenModel,
  name: string,
  dtype: WeightType,
): Promise<OpenDraft> {
  const draft = await storedDraft(file, name);
  try {
    const parameters = await loadLlama(draft, dtype, uploadsTo(device));
    return {
      model: llamaModel({ device, config: draft.config, parameters }),
      vocabulary: draft.vocabulary,
      close: () => releaseTree(parameters),
    };
  } finally {
    draft.close();
  }
}
