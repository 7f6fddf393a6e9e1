/**
 * Drafts on the devices of their targets.
 *
 * @module
 */
import { type LanguageModel, type LlamaCache, llamaModel } from "@outrider/outrider/decode";
import { loadLlama, openDraftFor, type WeightType } from "@outrider/outrider/io";
import type { TrimmedVocabulary } from "@outrider/outrider/nn";
import { releaseTree, uploadsTo } from "@outrider/outrider/runtime";
import type { OpenModel } from "./models.ts";

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
  { device, file }: Pick<OpenModel, "device" | "file">,
  name: string,
  dtype: WeightType,
): Promise<OpenDraft> {
  const draft = await openDraftFor(file, name);
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
