/**
 * Pre-tokenizers: regular expressions that cut text into the pieces within which tokens merge.
 *
 * The patterns are the published ones of the named tokenizers. They mean Unicode white space by
 * `\s`, which JavaScript's `\s` is not quite (U+0085 and U+FEFF differ), so that is spelled out.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { quote } from "./quote.ts";

/** The splitting steps of a tokenizer; each cuts the pieces of the one before it. */
export type SplitSteps = readonly RegExp[];

const GPT2_PATTERN = String
  .raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** The pattern of GPT-4 and its kin, with runs of at most `digits` digits. */
const cl100kPattern = (digits: string): string =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}` + digits +
  String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const LLAMA3_PATTERN = cl100kPattern("{1,3}");
const QWEN2_PATTERN = cl100kPattern("");

/** The patterns of the pre-tokenizers that GGUF files name in `tokenizer.ggml.pre`. */
const NAMED_PATTERNS: Readonly<Record<string, readonly string[]>> = {
  "gpt-2": [GPT2_PATTERN],
  "smollm": [String.raw`\p{N}`, GPT2_PATTERN],
  "llama-bpe": [LLAMA3_PATTERN],
  "llama3": [LLAMA3_PATTERN],
  "llama-v3": [LLAMA3_PATTERN],
  "qwen2": [QWEN2_PATTERN],
  "default": [
    String.raw`[\p{P}\$\+<=>\^~\|]+`,
    GPT2_PATTERN,
    String.raw`\p{N}+`,
    String.raw`[0-9][0-9][0-9]`,
  ],
};

/** What the escapes of the published patterns mean where JavaScript means something else. */
const ESCAPES: ReadonlyMap<string, string> = new Map([
  [String.raw`\s`, String.raw`\p{White_Space}`],
  [String.raw`\S`, String.raw`\P{White_Space}`],
  [String.raw`\d`, String.raw`\p{Nd}`],
  [String.raw`\D`, String.raw`\P{Nd}`],
]);

/**
 * Compiles a pattern written for the Rust or C++ tokenizers.
 *
 * @throws {OutriderError} when it uses what JavaScript's expressions lack.
 */
export function compileSplit(pattern: string): RegExp {
  const spelled = pattern.replace(/\\[\s\S]/g, (escape) => ESCAPES.get(escape) ?? escape);
  try {
    const expression = new RegExp(spelled, "gu");
    expression.test(""); // compiles it now, so that a pattern that is too large fails here
    expression.lastIndex = 0;
    return expression;
  } catch {
    throw new OutriderError(
      "a split pattern that is a regular expression",
      `${quote(pattern)}, which is none here`,
      "use a model with one of the usual pre-tokenizers",
    );
  }
}

/** The splitting steps that a GGUF file names. */
export function namedSplits(name: string): SplitSteps {
  return namedPatterns(name).map(compileSplit);
}

/**
 * The published patterns of the splitting steps that a GGUF file names.
 *
 * @throws {OutriderError} when the name is not known.
 */
export function namedPatterns(name: string): readonly string[] {
  if (Object.hasOwn(NAMED_PATTERNS, name)) return NAMED_PATTERNS[name];
  throw new OutriderError(
    `a pre-tokenizer among ${Object.keys(NAMED_PATTERNS).join(", ")}`,
    quote(name),
    "use the model's tokenizer.json instead of its GGUF file",
  );
}

/** The split of GPT-2, which byte-level pre-tokenizers apply where nothing else is said. */
export function gpt2Split(): RegExp {
  return compileSplit(GPT2_PATTERN);
}

/** Cuts text at the matches of a pattern; matches and what lies between both become pieces. */
function splitOnce(text: string, pattern: RegExp): string[] {
  const pieces: string[] = [];
  let done = 0;
  for (const match of text.matchAll(pattern)) {
    if (match[0] === "") continue;
    if (match.index > done) pieces.push(text.slice(done, match.index));
    pieces.push(match[0]);
    done = match.index + match[0].length;
  }
  if (done < text.length) pieces.push(text.slice(done));
  return pieces;
}

/** Applies all splitting steps; the pieces put together are the text again. */
export function splitText(text: string, steps: SplitSteps): string[] {
  let pieces = text === "" ? [] : [text];
  for (const step of steps) pieces = pieces.flatMap((piece) => splitOnce(piece, step));
  return pieces;
}
