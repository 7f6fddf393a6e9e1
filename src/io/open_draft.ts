/**
 * Drafts by name: draft files, whole models, and the one that comes with the package.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type BlockDraftFile, readBlockDraftFile } from "./block_draft_file.ts";
import { type DraftFile, readDraftFile } from "./draft_file.ts";
import { DRAFT_KINDS, type DraftFileKind, type PlacesKind } from "./draft_metadata.ts";
import { findKnownDraft } from "./known_drafts.ts";
import type { ModelFile } from "./model_file.ts";
import { openWith } from "./open_bytes.ts";
import { openModel } from "./open_model.ts";
import { resolveModel } from "./resolve_model.ts";
import { readSafetensors } from "./safetensors.ts";

/** An opened draft of any kind: a model of its own, or a drafter of several places. */
export type AnyDraftFile =
  | { readonly kind: "model"; readonly file: DraftFile }
  | { readonly kind: PlacesKind; readonly file: BlockDraftFile };

/** The draft at a path: a draft file of any kind, or a whole model with its own tokenizer. */
async function openDraft(
  name: string,
  find: (name: string) => Promise<string>,
): Promise<AnyDraftFile> {
  if (/\.safetensors$/.test(name)) {
    return await openWith(name, async (source): Promise<AnyDraftFile> => {
      const { metadata } = await readSafetensors(source);
      const kind = metadata.get("kind");
      if (kind !== DRAFT_KINDS.block && kind !== DRAFT_KINDS.ctc) {
        return { kind: "model", file: await readDraftFile(source) };
      }
      const file = await readBlockDraftFile(source);
      return { kind: file.kind, file };
    });
  }
  const model = await openModel(await find(name));
  const fileName = model.path.slice(model.path.lastIndexOf("/") + 1);
  const file = { ...model, name: fileName, tokenizerHash: model.tokenizer.hash };
  return { kind: "model", file };
}

async function openFor(
  { path: targetPath, tokenizer: { hash } }: Pick<ModelFile, "path" | "tokenizer">,
  name: string,
  find: (name: string) => Promise<string>,
  kinds: readonly DraftFileKind[],
): Promise<AnyDraftFile> {
  const path = name === "auto" ? (await findKnownDraft(hash, undefined, kinds)).path : name;
  const draft = await openDraft(path, find);
  if (draft.file.tokenizerHash === hash) return draft;
  draft.file.close();
  throw new OutriderError(
    `a draft with the tokenizer of ${targetPath}`,
    `another one in ${draft.file.path}`,
    "train a draft for this target",
  );
}

/**
 * Opens a draft model for a target; the caller closes it.
 *
 * @param target whose tokens the draft must speak
 * @param name a `.safetensors` draft file, what `find` finds, or `auto`: the draft that comes with
 * the package for this target
 * @param find how the path of a model is found; {@link resolveModel} if left out
 * @throws {OutriderError} where there is no draft, it is damaged, is a drafter of several places, or has another tokenizer
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
  const { kind, file } = await openFor(target, name, find, ["model"]);
  if (kind === "model") return file;
  file.close();
  throw new OutriderError(
    "a draft that is a model of its own",
    `a ${kind} drafter in ${file.path}`,
    "name another draft",
  );
}

/**
 * Opens a draft of any kind for a target, as {@link openDraftFor} opens a draft model; the caller
 * closes its file. `auto` is the draft that the package's list prefers for this target.
 *
 * @throws {OutriderError} where there is no draft, it is damaged, or it has another tokenizer
 * @example
 * ```ts
 * import { openAnyDraftFor, openModel, resolveModel } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const target = await openModel(await resolveModel("embedded"));
 * const { kind, file } = await openAnyDraftFor(target, "auto");
 * assertEquals([kind, file.tokenizerHash], ["model", target.tokenizer.hash]);
 * file.close();
 * target.close();
 * ```
 */
export function openAnyDraftFor(
  target: Pick<ModelFile, "path" | "tokenizer">,
  name: string,
  find: (name: string) => Promise<string> = (name) => resolveModel(name),
): Promise<AnyDraftFile> {
  return openFor(target, name, find, ["model", "block", "ctc"]);
}
