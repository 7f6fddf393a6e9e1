/**
 * Drafts of commands: from a name on the command line to a draft model, or a drafter of several places,
 * on a device.
 *
 * @module
 */
import type { CommandContext } from "@outrider/outrider/cli";
import {
  blockDraft,
  type BlockDraftOptions,
  type BlockDraftState,
  type Draft,
  type DraftOnDevice,
  type LanguageModel,
  type LlamaCache,
  llamaModel,
} from "@outrider/outrider/decode";
import {
  type BlockDraftFile,
  type DraftFile,
  loadBlockDraft,
  loadLlama,
  type ModelFile,
  openAnyDraftFor,
  openDraftFor,
  type WeightType,
} from "@outrider/outrider/io";
import {
  type BlockDrafterConfig,
  blockDrafterSize,
  parameterCount,
  type TrimmedVocabulary,
} from "@outrider/outrider/nn";
import { type Device, releaseTree, uploadsTo } from "@outrider/outrider/runtime";
import { findModel, type LoadedModel } from "./models.ts";

/** A draft model on a device. */
export interface LoadedDraftModel<Cache = LlamaCache> {
  readonly kind: "model";
  readonly model: LanguageModel<Cache>;
  /** What the model is made of, for decoders that stay on its device. */
  readonly parts: DraftOnDevice;
  /** Which of the target's tokens its classes are, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
  /** What drafts in front of it, where the text repeats. */
  readonly behind?: "lookup";
  /** How many parameters it has. */
  readonly size: number;
  /** Gives the weights back and closes the file. */
  release(): void;
}

/** A drafter of several places on its target's device; it reads the features in the target's cache. */
interface LoadedPlacesDraft {
  /** What the drafter is made of, for drafters of trees. */
  readonly parts: BlockDraftOptions;
  readonly config: BlockDrafterConfig;
  /** How many parameters it has beside those that it shares with the target. */
  readonly size: number;
  /** Gives the weights back and closes the file. */
  release(): void;
}

/** A drafter of blocks: its places are the tokens that follow. */
export interface LoadedBlockDraft extends LoadedPlacesDraft {
  readonly kind: "block";
  readonly draft: Draft<BlockDraftState, LlamaCache>;
}

/** A CTC drafter: its places are alignments of the tokens that follow, so that it drafts trees. */
export interface LoadedCtcDraft extends LoadedPlacesDraft {
  readonly kind: "ctc";
}

/** Opens and uploads a draft model for a target; it is small, so that its cache stays f32. */
export async function loadDraftModel(
  device: Device,
  name: string,
  dtype: WeightType,
  target: Pick<ModelFile, "path" | "tokenizer">,
  { progress }: Pick<CommandContext, "progress">,
): Promise<LoadedDraftModel> {
  const file = await openDraftFor(target, name, (path) => findModel(path, progress));
  return await draftModelOf(device, file, dtype);
}

async function draftModelOf(
  device: Device,
  file: DraftFile,
  dtype: WeightType,
): Promise<LoadedDraftModel> {
  const { config, vocabulary } = file;
  const parameters = await loadLlama(file, dtype, uploadsTo(device));
  const parts = { device, config, parameters, vocabulary };
  return {
    kind: "model",
    model: llamaModel(parts),
    parts,
    vocabulary,
    size: parameterCount(config),
    release: () => {
      releaseTree(parameters);
      file.close();
    },
  };
}

/** Opens and uploads a draft of any kind for a loaded target. */
export async function loadAnyDraft(
  device: Device,
  name: string,
  dtype: WeightType,
  target: Pick<LoadedModel, "file" | "parameters">,
  { progress }: Pick<CommandContext, "progress">,
): Promise<LoadedDraftModel | LoadedBlockDraft | LoadedCtcDraft> {
  const find = (path: string) => findModel(path, progress);
  const { kind, file } = await openAnyDraftFor(target.file, name, find);
  if (kind === "model") return await draftModelOf(device, file, dtype);
  const loaded = await placesDraftOf(device, file, dtype, target);
  return kind === "ctc"
    ? { kind, ...loaded }
    : { kind, ...loaded, draft: blockDraft(loaded.parts) };
}

async function placesDraftOf(
  device: Device,
  draft: BlockDraftFile,
  dtype: WeightType,
  { file, parameters: { embedding } }: Pick<LoadedModel, "file" | "parameters">,
): Promise<LoadedPlacesDraft> {
  const { config, vocabulary } = draft;
  const weights = await loadBlockDraft(draft, { file, embedding }, dtype, uploadsTo(device));
  return {
    parts: { device, config, weights, vocabulary },
    config,
    size: blockDrafterSize(config),
    release: () => {
      // The embedding is the target's.
      releaseTree([weights.drafter, weights.head]);
      draft.close();
    },
  };
}
