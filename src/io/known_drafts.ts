/**
 * Drafts that come with the package: which of them serves a target, by the hash of its tokenizer.
 *
 * They lie in the folder `drafts` beside `src`, listed in its `index.json`: an array of
 * `{ "tokenizerHash": "1f3a...", "name": "a draft for ...", "file": "model/draft.safetensors" }`, where
 * `file` is the path of a draft file within the folder (see `writeDraftFile`). A block draft file (see
 * `writeBlockDraftFile`) also has `"kind": "block"`, or `"kind": "ctc"` if it is that of a CTC drafter;
 * of several drafts for one target, `"preferred": true` marks the first choice.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { fileError } from "./file_errors.ts";
import { type KnownDraft, parseKnownDrafts, pathOf } from "./known_draft_list.ts";

/** Relative to this module, so that it is found from wherever the package is imported. */
const INDEX = new URL("../../drafts/index.json", import.meta.url);

async function readText(url: URL): Promise<string> {
  if (url.protocol === "file:") {
    return await Deno.readTextFile(url).catch((error) => {
      throw fileError(pathOf(url), error);
    });
  }
  const response = await fetch(url).catch((error) => {
    throw new OutriderError(`an answer from ${url}`, String(error), "check the network");
  });
  if (response.ok) return await response.text();
  await response.body?.cancel();
  throw new OutriderError(`the list of drafts at ${url}`, `status ${response.status}`, "try again");
}

/**
 * The drafts that come with the package, or that another list names.
 *
 * @throws {OutriderError} when the list is missing or damaged
 * @example
 * ```ts
 * import { knownDrafts } from "@outrider/outrider/io";
 * import { assert } from "@std/assert";
 *
 * assert((await knownDrafts()).every(({ path }) => path.endsWith(".safetensors")));
 * ```
 */
export async function knownDrafts(index: URL = INDEX): Promise<readonly KnownDraft[]> {
  return parseKnownDrafts(await readText(index), index);
}

/**
 * The draft that comes with the package for targets with this tokenizer, to be opened by
 * `openDraftFile`: of several the preferred one, or else the first.
 *
 * @param kinds what will do: draft models if left out
 * @throws {OutriderError} when there is none
 * @example
 * ```ts
 * import { findKnownDraft } from "@outrider/outrider/io";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(() => findKnownDraft("no tokenizer's hash"), Error, "a draft that comes with");
 * ```
 */
export async function findKnownDraft(
  tokenizerHash: string,
  index: URL = INDEX,
  kinds: readonly KnownDraft["kind"][] = ["model"],
): Promise<KnownDraft> {
  const drafts = (await knownDrafts(index)).filter(({ kind }) => kinds.includes(kind));
  const serving = drafts.filter((draft) => draft.tokenizerHash === tokenizerHash);
  const found = serving.find(({ preferred }) => preferred) ?? serving[0];
  if (found !== undefined) return found;
  const names = drafts.map(({ name }) => name).join(", ");
  throw new OutriderError(
    "a draft that comes with the package for the tokenizer of this target",
    names === "" ? "none" : `only ${names}`,
    "train one by pretrain, distill and finetune, or draft by prompt lookup",
  );
}
