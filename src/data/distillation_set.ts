/**
 * Distillation sets: what the target wrote, in tokens, one JSON object per line.
 *
 * A set is only ever appended to. A run that was killed in the middle of a line leaves a torn last
 * line, which is dropped when the set is opened again; every other line stands.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { responseDocument } from "./documents.ts";
import { readLines } from "./file_lines.ts";
import { corpusOf } from "./corpus.ts";
import type { Corpus } from "./packing.ts";
import { parseJson } from "./records.ts";

/** One response of the target. */
export interface DistillationEntry {
  /** Token ids of the prompt, the chat template's tokens included. */
  readonly prompt: readonly number[];
  /** Token ids of the response, the end of turn included where it was reached. */
  readonly response: readonly number[];
  /** The temperature it was sampled at; 0 is greedy. */
  readonly temperature: number;
  /** The share of probability that sampling was restricted to. */
  readonly topP: number;
  /** The seed it was sampled with. */
  readonly seed: number;
}

function isTokenList(value: unknown): value is number[] {
  return Array.isArray(value) &&
    value.every((id) => Number.isSafeInteger(id) && id >= 0 && id < 2 ** 31);
}

function isEntry(value: unknown): value is DistillationEntry {
  return typeof value === "object" && value !== null &&
    "prompt" in value && isTokenList(value.prompt) &&
    "response" in value && isTokenList(value.response) &&
    "temperature" in value && Number.isFinite(value.temperature) &&
    "topP" in value && Number.isFinite(value.topP) &&
    "seed" in value && Number.isFinite(value.seed);
}

/**
 * Reads one line of a set.
 *
 * @example
 * ```ts
 * import { parseDistillationEntry } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const line = '{"prompt":[1],"response":[2,3],"temperature":0,"topP":1,"seed":7}';
 * assertEquals(parseDistillationEntry(line, "line 1").response, [2, 3]);
 * ```
 *
 * @throws OutriderError where it is not an entry, or an id is outside of the vocabulary
 */
export function parseDistillationEntry(
  line: string,
  where: string,
  vocabularySize = Infinity,
): DistillationEntry {
  const value = parseJson(line, where);
  if (!isEntry(value)) {
    throw new OutriderError(
      `prompt, response, temperature, topP and seed in ${where}`,
      line.slice(0, 60),
      "write the set again",
    );
  }
  const highest = [...value.prompt, ...value.response].reduce((a, b) => Math.max(a, b), 0);
  if (highest < vocabularySize) return value;
  throw new OutriderError(
    `token ids below ${vocabularySize} in ${where}`,
    `${highest}`,
    "use the model that wrote the set",
  );
}

/** An entry as the line of a set, its end included. */
export function distillationLine(entry: DistillationEntry): string {
  const { prompt, response, temperature, topP, seed } = entry;
  return `${JSON.stringify({ prompt, response, temperature, topP, seed })}\n`;
}

/** The entries of a file, in order, and where the next one begins; a torn last line is left out. */
export async function* readDistillationEntries(
  path: string,
  vocabularySize: number,
): AsyncGenerator<{ readonly entry: DistillationEntry; readonly next: number }, void, unknown> {
  let number = 0;
  for await (const { text, next, isComplete } of readLines(path)) {
    number++;
    if (!isComplete) return;
    yield { entry: parseDistillationEntry(text, `${path}, line ${number}`, vocabularySize), next };
  }
}

/**
 * A distillation set as a corpus in which only responses count.
 *
 * @example
 * ```ts
 * import { distillationCorpus } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const entry = { prompt: [1, 2], response: [3], temperature: 0, topP: 1, seed: 0 };
 * assertEquals([...distillationCorpus([entry]).document(0).weights], [0, 0, 1]);
 * ```
 */
export function distillationCorpus(entries: readonly DistillationEntry[]): Corpus {
  const documents = entries.filter(({ response }) => response.length > 0)
    .map(({ prompt, response }) => responseDocument(prompt, response));
  return corpusOf(documents, "the distillation set");
}
