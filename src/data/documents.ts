/**
 * Documents as token ids, with a weight for every token that a model should learn to predict.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { Message } from "./language.ts";
import type { TeacherRow } from "./teacher_rows.ts";

/** A document in tokens. */
export interface TokenDocument {
  /** Token ids, `[length]`. */
  readonly tokens: Int32Array;
  /** `[length]`: how much the prediction of each token counts; 0 for a prompt's tokens. */
  readonly weights: Float32Array;
  /**
   * The teacher's distributions of the document's last tokens, one row for each and none for tokens
   * before; left out where nobody kept them.
   */
  readonly teacher?: () => readonly TeacherRow[];
  /**
   * The target's features of `count` of the document's rows, which are all tokens but the last, from
   * row `from` on: f32 `[width]` each; left out where nobody kept them.
   */
  readonly features?: (from: number, count: number) => readonly Float32Array[];
}

/** What turns text into tokens; a model's tokenizer and chat template provide it. */
export interface DocumentCodec {
  /** Token ids of a text, control tokens included, nothing added around it. */
  readonly encode: (text: string) => readonly number[];
  /** A conversation as text; with `addGenerationPrompt` the assistant's header follows. */
  readonly renderChat: (
    messages: readonly Message[],
    options: { readonly addGenerationPrompt: boolean },
  ) => string;
  /** The id that ends a document, where the model has one. */
  readonly endOfText?: number;
  /** All ids are below it, where that is known: up to 65,536, a token takes two bytes. */
  readonly vocabularySize?: number;
}

/** Joins parts, each with one weight for all of its tokens. */
function joinParts(parts: readonly (readonly [readonly number[], number])[]): TokenDocument {
  return {
    tokens: Int32Array.from(parts.flatMap(([tokens]) => tokens)),
    weights: Float32Array.from(parts.flatMap(([tokens, weight]) => tokens.map(() => weight))),
  };
}

/** The part that ends a document. */
function ending(
  endOfText: number | undefined,
  weight: number,
): (readonly [readonly number[], number])[] {
  return endOfText === undefined ? [] : [[[endOfText], weight]];
}

/**
 * A plain text as a document: every token counts.
 *
 * @example
 * ```ts
 * import { textDocument } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const encode = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
 * const { tokens } = textDocument("ab", { encode, renderChat: () => "", endOfText: 0 });
 * assertEquals([...tokens], [97, 98, 0]);
 * ```
 */
export function textDocument(text: string, { encode, endOfText }: DocumentCodec): TokenDocument {
  return joinParts([[encode(text), 1], ...ending(endOfText, 1)]);
}

/**
 * A conversation as a document in which only the assistant's tokens count, its end of turn included.
 *
 * Prompts and answers are encoded apart, exactly as they are when the model answers.
 *
 * @example
 * ```ts
 * import { conversationDocument } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const codec = {
 *   encode: (text: string) => [...text].map((letter) => letter.charCodeAt(0)),
 *   renderChat: (messages: readonly { content: string }[], options: { addGenerationPrompt: boolean }) =>
 *     messages.map(({ content }) => `<${content}>`).join("") + (options.addGenerationPrompt ? "<" : ""),
 * };
 * const { weights } = conversationDocument(
 *   [{ role: "user", content: "a" }, { role: "assistant", content: "b" }],
 *   codec,
 * );
 * assertEquals([...weights], [0, 0, 0, 0, 1, 1]);
 * ```
 *
 * @param messages who says what
 * @param codec the tokenizer and chat template
 * @param promptWeight the weight of all other tokens, 0 unless prompts should be learnt too
 * @throws OutriderError where the chat template changes earlier turns when later ones follow
 */
export function conversationDocument(
  messages: readonly Message[],
  codec: DocumentCodec,
  promptWeight = 0,
): TokenDocument {
  const parts: (readonly [readonly number[], number])[] = [];
  let done = "";
  messages.forEach(({ role }, index) => {
    if (role !== "assistant") return;
    const before = codec.renderChat(messages.slice(0, index), { addGenerationPrompt: true });
    const after = codec.renderChat(messages.slice(0, index + 1), { addGenerationPrompt: false });
    const prompt = textAfter(before, done);
    const answer = textAfter(after, before);
    // What a template writes between two turns is not the assistant's to say.
    const said = answer.trimEnd();
    parts.push([codec.encode(prompt), promptWeight], [codec.encode(said), 1]);
    done = before + said;
  });
  const rest = textAfter(codec.renderChat(messages, { addGenerationPrompt: false }), done);
  parts.push([codec.encode(rest), promptWeight], ...ending(codec.endOfText, promptWeight));
  return joinParts(parts);
}

/** The text without the beginning that is already there. */
function textAfter(text: string, beginning: string): string {
  if (text.startsWith(beginning)) return text.slice(beginning.length);
  throw new OutriderError(
    "a chat template that keeps earlier turns as they are",
    "one that rewrites them",
    "train on conversations of one turn",
  );
}

/** A prompt and a response in tokens as a document in which only the response counts. */
export function responseDocument(
  prompt: ArrayLike<number>,
  response: ArrayLike<number>,
): TokenDocument {
  return joinParts([[Array.from(prompt), 0], [Array.from(response), 1]]);
}
