/**
 * Answers as they come, kept in a file that is only appended to: what a server wrote is never asked
 * for twice, though answers come in any order and a distillation set is written in order.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { hashText } from "./duplicates.ts";
import { readingError, readLines } from "./file_lines.ts";
import type { Message } from "./language.ts";
import { parseJson } from "./records.ts";
import type { RemoteAnswer, RemoteRequest } from "./remote_teacher.ts";

/** The answers of this run and of those before it. */
export interface AnswerLog {
  /** The answers of earlier runs, by the numbers of their requests. */
  readonly answers: ReadonlyMap<number, RemoteAnswer>;
  /** Adds the answer to a request in a single write. */
  readonly append: (request: RemoteRequest, answer: RemoteAnswer) => Promise<void>;
  /** Flushes to the disk and closes the file. */
  readonly close: () => Promise<void>;
}

/** An answer as a line holds it, with the hash of what was asked. */
interface LoggedAnswer extends RemoteAnswer {
  readonly asked: string;
}

/** The hash of everything that a request asks. */
function hashOfRequest(
  { messages, temperature, topP, seed, maximumTokens }: RemoteRequest,
): string {
  const turns = messages.map(({ role, content }: Message) => [role, content]);
  const words = hashText(JSON.stringify([turns, temperature, topP, seed, maximumTokens]));
  return words.map((word) => word.toString(16).padStart(8, "0")).join("");
}

function isLogged(value: unknown): value is LoggedAnswer {
  return typeof value === "object" && value !== null &&
    "index" in value && Number.isSafeInteger(value.index) &&
    "text" in value && typeof value.text === "string" &&
    "finishReason" in value && typeof value.finishReason === "string" &&
    (!("refusal" in value) || typeof value.refusal === "string") &&
    "asked" in value && typeof value.asked === "string";
}

/**
 * Opens a log to go on with, making it where there is none and dropping a torn last line.
 *
 * @param path the file
 * @param requestOf the request of a number, with which the answer must have been asked
 * @throws OutriderError where a line is damaged, or answers another request
 */
export async function openAnswerLog(
  path: string,
  requestOf: (index: number) => RemoteRequest | undefined,
): Promise<AnswerLog> {
  const answers = new Map<number, RemoteAnswer>();
  try {
    const file = await Deno.open(path, { write: true, create: true });
    try {
      let [number, end] = [0, 0];
      for await (const { text, next, isComplete } of readLines(path)) {
        if (!isComplete) break;
        const answer = readAnswer(text, `${path}, line ${++number}`, requestOf);
        answers.set(answer.index, answer);
        end = next;
      }
      await file.truncate(end);
      await file.seek(end, Deno.SeekMode.Start);
      return logOn(file, path, answers);
    } catch (error) {
      file.close();
      throw error;
    }
  } catch (error) {
    throw readingError(path, error);
  }
}

function readAnswer(
  line: string,
  where: string,
  requestOf: (index: number) => RemoteRequest | undefined,
): RemoteAnswer {
  const value = parseJson(line, where);
  if (!isLogged(value)) {
    throw new OutriderError(`an answer in ${where}`, line.slice(0, 60), "remove the line");
  }
  const { asked, ...answer } = value;
  const request = requestOf(answer.index);
  if (request !== undefined && hashOfRequest(request) === asked) return answer;
  throw new OutriderError(
    `an answer to prompt ${answer.index} of this run in ${where}`,
    "one to another prompt",
    "run with the options of the first run, or name another folder",
  );
}

function logOn(
  file: Deno.FsFile,
  path: string,
  answers: ReadonlyMap<number, RemoteAnswer>,
): AnswerLog {
  return {
    answers,
    append: async (request, answer) => {
      const line = JSON.stringify({ ...answer, asked: hashOfRequest(request) });
      const bytes = new TextEncoder().encode(`${line}\n`);
      try {
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      } catch (error) {
        throw readingError(path, error);
      }
    },
    close: async () => {
      await file.sync();
      file.close();
    },
  };
}
