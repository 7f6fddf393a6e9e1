/**
 * What corpus files hold: plain texts, conversations and instructions.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { readLines } from "./file_lines.ts";
import type { Message } from "./language.ts";

/** One entry of a corpus file. */
export type CorpusRecord =
  /** A text to learn from. */
  | { readonly kind: "text"; readonly text: string }
  /** A conversation to learn from; an instruction alone is one with a single message. */
  | { readonly kind: "conversation"; readonly messages: readonly Message[] };

/** A record and the position in the file behind it. */
export interface PositionedRecord {
  /** The record. */
  readonly record: CorpusRecord;
  /** Where to go on from. */
  readonly next: number;
}

/** A line that separates documents in a plain text file. */
const SEPARATOR = "<|endoftext|>";
/** Longer texts are cut at a line's end. */
const MAXIMUM_CHARACTERS = 2 ** 18;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function isMessage(value: unknown): value is Message {
  return isObject(value) && typeof value.content === "string" &&
    (value.role === "system" || value.role === "user" || value.role === "assistant");
}

/** The answer of an instruction set's line, under any of its usual names. */
function answerOf(value: Readonly<Record<string, unknown>>): string | undefined {
  return [value.response, value.output].find((answer) => typeof answer === "string");
}

/**
 * Reads one line of a JSONL corpus: `{"text"}`, `{"messages"}` or `{"instruction"}`, the last with
 * or without a `"response"`.
 *
 * @example
 * ```ts
 * import { parseRecord } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseRecord('{"text":"Hello."}', "line 1"), { kind: "text", text: "Hello." });
 * ```
 *
 * @param line the line
 * @param where how errors name the line
 * @throws OutriderError where the line is none of these
 */
export function parseRecord(line: string, where: string): CorpusRecord {
  const value = parseJson(line, where);
  if (isObject(value)) {
    if (typeof value.text === "string") return { kind: "text", text: value.text };
    const { messages, instruction } = value;
    if (Array.isArray(messages) && messages.length > 0 && messages.every(isMessage)) {
      return { kind: "conversation", messages };
    }
    if (typeof instruction === "string") {
      const answer = answerOf(value);
      const asked: Message = { role: "user", content: instruction };
      const answered: Message[] = answer === undefined
        ? []
        : [{ role: "assistant", content: answer }];
      return { kind: "conversation", messages: [asked, ...answered] };
    }
  }
  throw new OutriderError(
    `an object with "text", "messages" or "instruction" in ${where}`,
    line.slice(0, 60),
    "correct or remove the line",
  );
}

/** Reads JSON, or says in which line it is broken. */
export function parseJson(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new OutriderError(`JSON in ${where}`, line.slice(0, 60), "correct or remove the line");
  }
}

/**
 * The records of a corpus file: JSONL by its name (`.jsonl`, `.ndjson`, with or without `.gz`),
 * plain text otherwise. In plain text a line `<|endoftext|>` separates documents.
 *
 * @param path the file
 * @param from a {@link PositionedRecord}'s `next`
 * @throws OutriderError where the file or a line cannot be read
 */
export function readRecords(
  path: string,
  from = 0,
): AsyncGenerator<PositionedRecord, void, unknown> {
  const isJson = /\.(jsonl|ndjson)(\.gz)?$/i.test(path);
  return isJson ? readJsonRecords(path, from) : readTextRecords(path, from);
}

async function* readJsonRecords(
  path: string,
  from: number,
): AsyncGenerator<PositionedRecord, void, unknown> {
  let start = from;
  for await (const { text, next } of readLines(path, from)) {
    const where = `${path} at byte ${start}`;
    if (text.trim() !== "") yield { record: parseRecord(text, where), next };
    start = next;
  }
}

async function* readTextRecords(
  path: string,
  from: number,
): AsyncGenerator<PositionedRecord, void, unknown> {
  let lines: string[] = [];
  let characters = 0;
  let end = from;
  const take = (): string => {
    const text = lines.join("\n").trim();
    [lines, characters] = [[], 0];
    return text;
  };
  for await (const { text, next } of readLines(path, from)) {
    const separates = text.trim() === SEPARATOR;
    if (!separates) {
      lines.push(text);
      characters += text.length;
    }
    end = next;
    if (!separates && characters < MAXIMUM_CHARACTERS) continue;
    const whole = take();
    if (whole !== "") yield { record: { kind: "text", text: whole }, next };
  }
  const whole = take();
  if (whole !== "") yield { record: { kind: "text", text: whole }, next: end };
}
