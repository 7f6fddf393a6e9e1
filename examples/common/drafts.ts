/**
 * Draft models of commands: from a name on the command line to a draft on a device.
 *
 * @module
 */
import type { CommandContext } from "@outrider/outrider/cli";
import {
  type DraftOnDevice,
  type LanguageModel,
  type LlamaCache,
  llamaModel,
} from "@outrider/outrider/decode";
import { loadLlama, type ModelFile, openDraftFor, type WeightType } from "@outrider/outrider/io";
import { parameterCount, type TrimmedVocabulary } from "@outrider/outrider/nn";
import { type Device, releaseTree, uploadsTo } from "@outrider/outrider/runtime";
import { findModel } from "./models.ts";

/** A draft model on a device. */
export interface LoadedDraftModel<Cache = LlamaCache> {
  readonly model: LanguageModel<Cache>;
  /** What the model is made of, for decoders that stay on its device. */
  readonly parts: DraftOnDevice;
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
  const file = await openDraftFor(target, name, (path) => findModel(path, progress));
  const { config, vocabulary } = file;
  const parameters = await loadLlama(file, dtype, uploadsTo(device));
  const parts = { device, config, parameters, vocabulary };
  return {
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
