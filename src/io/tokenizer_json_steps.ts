/**
 * The normalizers, pre-tokenizers and post-processors of tokenizer.json that are supported.
 *
 * What is not listed here gives an error: a tokenizer that is nearly right makes a model that is
 * quietly wrong.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import {
  asArray,
  asBoolean,
  asObject,
  asString,
  field,
  isObject,
  type Json,
  type JsonObject,
  shortJson,
} from "./json_fields.ts";
import type { TextPlace } from "./tokenizer_spec.ts";
import { compileSplit, gpt2Split } from "./tokenizer_splits.ts";
import { VISIBLE_SPACE } from "./tokenizer_vocabulary.ts";

/** A change of text before it is split. */
export type Normalize = (text: string, place: TextPlace) => string;

/** What the pre-tokenizer of a file comes to. */
export interface PreTokenizer {
  /** Changes of the text, in order. */
  readonly normalize: readonly Normalize[];
  /** Splits, in order. */
  readonly splits: readonly RegExp[];
  /** Whether bytes are spelled as printable characters. */
  readonly byteLevel: boolean;
}

function unsupported(what: string, value: Json | undefined): OutriderError {
  return new OutriderError(
    `a supported ${what} in tokenizer.json`,
    shortJson(value),
    "use the model's GGUF file, or a model with a usual tokenizer",
  );
}

/** The parts of a step, which may be a sequence under `listKey`. */
function flatten(value: Json | undefined, listKey: string, what: string): JsonObject[] {
  if (value === undefined) return [];
  const step = asObject(value, what);
  if (field(step, "type") !== "Sequence") return [step];
  return asArray(field(step, listKey), what).flatMap((part) => flatten(part, listKey, what));
}

const normalForm = (form: "NFC" | "NFD" | "NFKC" | "NFKD"): () => Normalize => () => (text) =>
  text.normalize(form);

function replaceStep(step: JsonObject): Normalize {
  const pattern = asObject(field(step, "pattern"), "a Replace pattern");
  const content = asString(field(step, "content"), "a Replace content");
  const literal = field(pattern, "String");
  if (typeof literal === "string") return (text) => text.replaceAll(literal, () => content);
  const expression = compileSplit(asString(field(pattern, "Regex"), "a Replace pattern"));
  return (text) => text.replaceAll(expression, () => content);
}

function prependStep(step: JsonObject): Normalize {
  const prefix = asString(field(step, "prepend"), "a Prepend text");
  return (text) => prefix + text;
}

const NORMALIZERS: ReadonlyMap<string, (step: JsonObject) => Normalize> = new Map([
  ["NFC", normalForm("NFC")],
  ["NFD", normalForm("NFD")],
  ["NFKC", normalForm("NFKC")],
  ["NFKD", normalForm("NFKD")],
  ["Lowercase", () => (text) => text.toLowerCase()],
  ["Replace", replaceStep],
  ["Prepend", prependStep],
]);

/** Reads the `normalizer` of a tokenizer.json. */
export function readNormalizer(value: Json | undefined): Normalize[] {
  return flatten(value, "normalizers", "the normalizer").map((step) => {
    const make = NORMALIZERS.get(asString(field(step, "type"), "a normalizer's type"));
    if (make === undefined) throw unsupported("normalizer", step);
    return make(step);
  });
}

const NOTHING: PreTokenizer = { normalize: [], splits: [], byteLevel: false };

function byteLevelStep(step: JsonObject): PreTokenizer {
  const addsSpace = field(step, "add_prefix_space") === true;
  const usesPattern = field(step, "use_regex") !== false;
  return {
    normalize: addsSpace ? [(text) => /^\s/.test(text) ? text : ` ${text}`] : [],
    splits: usesPattern ? [gpt2Split()] : [],
    byteLevel: true,
  };
}

function splitStep(step: JsonObject): PreTokenizer {
  const isolates = field(step, "behavior") === "Isolated" && field(step, "invert") !== true;
  const pattern = asObject(field(step, "pattern"), "a Split pattern");
  const expression = field(pattern, "Regex");
  if (!isolates || typeof expression !== "string") throw unsupported("Split", step);
  return { ...NOTHING, splits: [compileSplit(expression)] };
}

function digitsStep(step: JsonObject): PreTokenizer {
  const individual = asBoolean(field(step, "individual_digits"), "individual_digits");
  return { ...NOTHING, splits: [individual ? /\p{N}/gu : /\p{N}+/gu] };
}

function metaspaceStep(step: JsonObject): PreTokenizer {
  const scheme = field(step, "prepend_scheme") ??
    (field(step, "add_prefix_space") === false ? "never" : "always");
  if (field(step, "replacement") !== VISIBLE_SPACE) throw unsupported("Metaspace", step);
  const prepends: Readonly<Record<string, (place: TextPlace) => boolean>> = {
    always: () => true,
    first: (place) => place === "first",
    never: () => false,
  };
  const scheduled = typeof scheme === "string" ? prepends[scheme] : undefined;
  if (scheduled === undefined) throw unsupported("Metaspace", step);
  const normalize: Normalize = (text, place) => {
    const visible = text.replaceAll(" ", VISIBLE_SPACE);
    return scheduled(place) && !visible.startsWith(VISIBLE_SPACE)
      ? VISIBLE_SPACE + visible
      : visible;
  };
  const splitsWords = field(step, "split") !== false;
  const words = new RegExp(`${VISIBLE_SPACE}?[^${VISIBLE_SPACE}]*`, "gu");
  return { normalize: [normalize], splits: splitsWords ? [words] : [], byteLevel: false };
}

const PRE_TOKENIZERS: ReadonlyMap<string, (step: JsonObject) => PreTokenizer> = new Map([
  ["ByteLevel", byteLevelStep],
  ["Split", splitStep],
  ["Digits", digitsStep],
  ["Metaspace", metaspaceStep],
]);

/** Reads the `pre_tokenizer` of a tokenizer.json. */
export function readPreTokenizer(value: Json | undefined): PreTokenizer {
  const steps = flatten(value, "pretokenizers", "the pre_tokenizer").map((step) => {
    const make = PRE_TOKENIZERS.get(asString(field(step, "type"), "a pre-tokenizer's type"));
    if (make === undefined) throw unsupported("pre-tokenizer", step);
    return make(step);
  });
  // A later step would change each piece by itself, which no usual tokenizer wants.
  const late = steps.findIndex(({ normalize }, index) => index > 0 && normalize.length > 0);
  if (late > 0) throw unsupported("order of pre-tokenizers", value);
  return {
    normalize: steps.flatMap(({ normalize }) => normalize),
    splits: steps.flatMap(({ splits }) => splits),
    byteLevel: steps.some(({ byteLevel }) => byteLevel),
  };
}

/** Texts of the tokens that the `post_processor` puts before and after a single text. */
export function readSurroundings(
  value: Json | undefined,
): { readonly before: readonly string[]; readonly after: readonly string[] } {
  const before: string[] = [];
  const after: string[] = [];
  for (const step of flatten(value, "processors", "the post_processor")) {
    const type = field(step, "type");
    if (type === "ByteLevel") continue;
    if (type !== "TemplateProcessing") throw unsupported("post-processor", step);
    let target = before;
    for (const part of asArray(field(step, "single"), "a TemplateProcessing template")) {
      if (isObject(part) && field(part, "Sequence") !== undefined) {
        target = after;
        continue;
      }
      const special = asObject(field(asObject(part, "a template part"), "SpecialToken"), "a part");
      target.push(asString(field(special, "id"), "a special token of a template"));
    }
  }
  return { before, after };
}

/** What the `decoder` of a tokenizer.json says that its other parts do not. */
export function readDecoder(
  value: Json | undefined,
): { readonly byteLevel: boolean; readonly leadingSpace: "keep" | "strip" } {
  const steps = flatten(value, "decoders", "the decoder");
  const strips = steps.some((step) => {
    const scheme = field(step, "prepend_scheme");
    const isMetaspace = field(step, "type") === "Metaspace" && scheme !== "never" &&
      (scheme !== undefined || field(step, "add_prefix_space") !== false);
    return isMetaspace || (field(step, "type") === "Strip" && field(step, "start") === 1);
  });
  return {
    byteLevel: steps.some((step) => field(step, "type") === "ByteLevel"),
    leadingSpace: strips ? "strip" : "keep",
  };
}
