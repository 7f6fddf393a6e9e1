/**
 * Files of trained drafts.
 *
 * @module
 */
import {
  type ModelFile,
  writeDraftFile,
  writeGgufModel,
  writeModelFolder,
} from "@outrider/outrider/io";
import type { LlamaConfig, TrimmedVocabulary } from "@outrider/outrider/nn";
import { type StageResult, weightReader } from "@outrider/outrider/train";

/** What is written of a trained draft. */
export interface TrainedDraft {
  readonly name: string;
  readonly config: LlamaConfig;
  /** Which of the target's tokens it knows, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
  readonly result: Pick<StageResult, "parameters">;
  /** What its file is called, without an ending; `draft` where left out. */
  readonly file?: string;
}

/** Where {@link writeDraft} writes a draft. */
export function draftPath(
  out: string,
  { source }: Pick<ModelFile, "source">,
  { vocabulary, file = "draft" }: Pick<TrainedDraft, "vocabulary" | "file">,
): string {
  if (vocabulary !== undefined) return `${out}/${file}.safetensors`;
  return source === "safetensors" ? `${out}/${file}` : `${out}/${file}.gguf`;
}

/**
 * Writes a trained draft into a folder: a trimmed one as `draft.safetensors`; any other in the form
 * that its target has, `draft.gguf` or a Hugging Face folder `draft` with the target's tokenizer
 * files. Gives the path.
 */
export async function writeDraft(
  out: string,
  target: ModelFile,
  draft: TrainedDraft,
): Promise<string> {
  const { name, config, vocabulary, result } = draft;
  const path = draftPath(out, target, draft);
  const readWeight = weightReader(result.parameters);
  if (vocabulary !== undefined) {
    const tokenizerHash = target.tokenizer.hash;
    const content = { name, config, readWeight, tokenizerHash, vocabulary, format: "F16" } as const;
    await writeDraftFile(path, content);
    return path;
  }
  if (target.source === "safetensors") {
    await writeModelFolder(path, { config, readWeight, like: target.path, format: "F16" });
    return path;
  }
  const tokenizer = target.metadata;
  await writeGgufModel(path, { name, config, tokenizer, readWeight, format: "F16" });
  return path;
}
