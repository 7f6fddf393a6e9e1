/**
 * A list of drafts: which draft file serves targets with which tokenizer.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { DRAFT_KINDS, type DraftFileKind } from "./draft_metadata.ts";
import {
  asArray,
  asBoolean,
  asObject,
  asString,
  field,
  type Json,
  parseJson,
} from "./json_fields.ts";
import { quote } from "./quote.ts";

/** A draft that comes with the package. */
export interface KnownDraft {
  /** `Tokenizer.hash` of the targets that it serves. */
  readonly tokenizerHash: string;
  /** What it is called. */
  readonly name: string;
  /** A model of its own, or a drafter of several places that only works inside its target. */
  readonly kind: DraftFileKind;
  /** Whether it is the first choice among those that serve the same targets. */
  readonly preferred: boolean;
  /** Its path, or for a package that is loaded over the network its URL. */
  readonly path: string;
}

/** What messages call the file at a URL, and where it is opened: its path, or the URL itself. */
export const pathOf = (url: URL): string =>
  url.protocol === "file:" ? decodeURIComponent(url.pathname) : url.href;

function isKind(value: string): value is DraftFileKind {
  return Object.hasOwn(DRAFT_KINDS, value);
}

function knownDraft(entry: Json, index: URL): KnownDraft {
  const what = `a draft in ${pathOf(index)}`;
  const object = asObject(entry, what);
  const text = (key: string) => asString(field(object, key), `${key} of ${what}`);
  const file = text("file");
  // The list may not lead out of its own folder.
  if (!/^[\w-][\w.-]*(\/[\w-][\w.-]*)*\.safetensors$/.test(file)) {
    throw new OutriderError(
      `the path of a safetensors file below the folder as file of ${what}`,
      quote(file),
      "the list is damaged; get the package again",
    );
  }
  const kind = asString(field(object, "kind") ?? "model", `kind of ${what}`);
  if (!isKind(kind)) {
    throw new OutriderError(
      `${Object.keys(DRAFT_KINDS).join(" or ")} as kind of ${what}`,
      quote(kind),
      "the list is damaged; get the package again",
    );
  }
  const preferred = asBoolean(field(object, "preferred") ?? false, `preferred of ${what}`);
  const path = pathOf(new URL(file, index));
  return { tokenizerHash: text("tokenizerHash"), name: text("name"), kind, preferred, path };
}

/**
 * The drafts of a list, which is JSON as `knownDrafts` describes it; their files lie beside it.
 *
 * @param index where the list was found
 * @throws {OutriderError} when the list is damaged
 * @example
 * ```ts
 * import { parseKnownDrafts } from "@outrider/outrider/io";
 * import { assertEquals } from "@std/assert";
 *
 * const text = '[{ "tokenizerHash": "1f3a", "name": "small", "file": "small/draft.safetensors" }]';
 * const [draft] = parseKnownDrafts(text, new URL("https://example.org/drafts/index.json"));
 * assertEquals(draft.path, "https://example.org/drafts/small/draft.safetensors");
 * ```
 */
export function parseKnownDrafts(text: string, index: URL): readonly KnownDraft[] {
  const path = pathOf(index);
  return asArray(parseJson(text, path), `the list of drafts in ${path}`)
    .map((entry) => knownDraft(entry, index));
}
