/**
 * Drafts by name: draft files, whole models, and the one that comes with the package.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type DraftFile, openDraftFile } from "./draft_file.ts";
import { findKnownDraft } from "./known_drafts.ts";
import type { ModelFile } from "./model_file.ts";
import { openModel } from "./open_model.ts";
import { resolveModel } from "./resolve_model.ts";

/** The draft at a path: a draft file, or a whole model with its own tokenizer. */
async function openDraft(
  name: string,
  find: (name: string) => Promise<string>,
): Promise<DraftFile> {
  if (/\.safetensors$/.test(name)) return await openDraftFile(name);
  const file = await openModel(await find(name));
  const fileName = file.path.slice(file.path.lastIndexOf("/") + 1);
  return { ...file, name: fileName, tokenizerHash: file.tokenizer.hash };
}

/**
 * Opens a draft for a target; the caller closes it.
 *
 * @param target whose tokens the draft must speak
 * @param name a `.safetensors` draft file, what `find` finds, or `auto`: the draft that comes with
 * the package for this target
 * @param find how the path of a model is found; {@link resolveModel} if left out
 * @throws {OutriderError} where there is no draft, it is damaged, or it has another tokenizer
 *
 * @example
 * ```ts
 * import { openDraftFor, openModel, resolveModel } from "@outrider/outrider/io";
 * import { assertRejects } from "@std/assert";
 *
 * const target = await openModel(await resolveModel("embedded"));
 * await assertRejects(() => openDraftFor(target, "no/draft.safetensors"), Error, "nothing there");
 * target.close();
 * ```
 */
export async function openDraftFor(
  target: Pick<ModelFile, "path" | "tokenizer">,
  name: string,
  find: (name: string) => Promise<string> = (name) => resolveModel(name),
): Promise<DraftFile> {
  const path = name === "auto" ? (await findKnownDraft(target.tokenizer.hash)).path : name;
  const draft = await openDraft(path, find);
  if (draft.tokenizerHash === target.tokenizer.hash) return draft;
  draft.close();
  throw new OutriderError(
    `a draft with the tokenizer of ${target.path}`,
    `another one in ${draft.path}`,
    "train a draft for this target",
  );
}
