/**
 * Draft models of commands: from a name on the command line to a draft on a device.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { CommandContext } from "@outrider/outrider/cli";
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
import { parameterCount, type TrimmedVocabulary } from "@outrider/outrider/nn";
import { type Device, releaseTree, uploadsTo } from "@outrider/outrider/runtime";
import { findModel } from "./models.ts";

/** An opened draft: a draft file, or a whole model with its own tokenizer. */
export interface OpenDraft extends StoredWeights {
  readonly path: string;
  /** What it is called. */
  readonly name: string;
  /** The hash of the tokenizer that it was made for. */
  readonly tokenizerHash: string;
  /** Which of the target's tokens its classes are, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
  close(): void;
}

/** The draft that a name or path stands for. */
export async function openDraft(
  name: string,
  progress: CommandContext["progress"],
): Promise<OpenDraft> {
  if (/\.safetensors$/.test(name)) return await openDraftFile(name);
  const file = await openModel(await findModel(name, progress));
  const fileName = file.path.slice(file.path.lastIndexOf("/") + 1);
  return { ...file, name: fileName, tokenizerHash: file.tokenizer.hash };
}

/** As {@link openDraft}, for a target: `auto` is the draft that comes with the package for it. */
export async function openDraftFor(
  target: Pick<ModelFile, "path" | "tokenizer">,
  name: string,
  progress: CommandContext["progress"],
): Promise<OpenDraft> {
  const path = name === "auto" ? (await findKnownDraft(target.tokenizer.hash)).path : name;
  const draft = await openDraft(path, progress);
  try {
    checkDraft(target, draft);
    return draft;
  } catch (error) {
    draft.close();
    throw error;
  }
}

/**
 * Refuses a draft that reads other tokens than its target.
 *
 * @throws OutriderError where the tokenizers differ
 */
export function checkDraft(
  target: Pick<ModelFile, "path" | "tokenizer">,
  draft: Pick<OpenDraft, "path" | "tokenizerHash">,
): void {
  if (draft.tokenizerHash === target.tokenizer.hash) return;
  throw new OutriderError(
    `a draft with the tokenizer of ${target.path}`,
    `another one in ${draft.path}`,
    "train a draft for this target",
  );
}

/** A draft model on a device. */
export interface LoadedDraftModel<Cache = LlamaCache> {
  readonly model: LanguageModel<Cache>;
  /** Which of the target's tokens its classes are, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
  /** How many parameters it has. */
  readonly size: number;
  /** Gives the weights back and closes the file. */
  release(): void;
}

/** Opens and uploads a draft model for a target; it is small, so that its cache stays f32. */
export async function loadDraftModel(
  device: Device,
  name: string,
  dtype: WeightType,
  target: Pick<ModelFile, "path" | "tokenizer">,
  { progress }: Pick<CommandContext, "progress">,
): Promise<LoadedDraftModel> {
  const file = await openDraftFor(target, name, progress);
  const { config, vocabulary } = file;
  const parameters = await loadLlama(file, dtype, uploadsTo(device));
  return {
    model: llamaModel({ device, config, parameters }),
    vocabulary,
    size: parameterCount(config),
    release: () => {
      releaseTree(parameters);
      file.close();
    },
  };
}
