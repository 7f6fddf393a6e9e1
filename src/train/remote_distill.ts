/**
 * Stage B of the recipe with a target behind HTTP: another machine writes the distillation set.
 *
 * @module
 */
import { foldIn, keyOf, uniformInteger } from "../core/random.ts";
import { openAnswerLog } from "../data/answer_log.ts";
import type { DistillationEntry } from "../data/distillation_set.ts";
import type { RetryPolicy } from "../data/http_retry.ts";
import type { Message } from "../data/language.ts";
import {
  type RemoteAnswer,
  remoteAnswers,
  type RemoteRequest,
  type RemoteServer,
} from "../data/remote_teacher.ts";
import type { TokenId } from "../decode/language_model.ts";
import { encodeChat } from "../io/chat_template.ts";
import type { Tokenizer } from "../io/tokenizer.ts";

/** What {@link remoteEntries} needs. */
export interface RemoteDistillOptions {
  /** Who answers. */
  readonly server: RemoteServer;
  /** The tokenizer of the target, which the server should be running. */
  readonly tokenizer: Tokenizer;
  /** What to answer: conversations that end with the user. */
  readonly prompts: readonly (readonly Message[])[];
  /** Entries done by an earlier run; the first prompts are skipped. */
  readonly done: number;
  /** The file of answers as they come; see {@link openAnswerLog}. */
  readonly log: string;
  /** Prompt i is answered at temperature `temperatures[i % length]`. */
  readonly temperatures: readonly number[];
  /** The share of probability that sampling is restricted to. */
  readonly topP: number;
  /** Most tokens of a response. */
  readonly maximumTokens: number;
  /** Decides each request's seed, and the waits between attempts. */
  readonly seed: number;
  /** Requests at work together. */
  readonly concurrency: number;
  /** Attempts and waits. */
  readonly policy?: RetryPolicy;
  /** Is told of every new answer, in the order in which they come. */
  readonly onAnswer?: (answer: RemoteAnswer) => void;
  /** Ends the run; answers that were given stand. */
  readonly signal?: AbortSignal;
}

/** What is asked about a prompt. */
function requestOf(options: RemoteDistillOptions, index: number): RemoteRequest {
  const { prompts, temperatures, topP, maximumTokens, seed } = options;
  return {
    index,
    messages: prompts[index],
    temperature: temperatures[index % temperatures.length],
    topP,
    seed: uniformInteger(foldIn(keyOf(seed), index), 2 ** 31),
    maximumTokens,
  };
}

/**
 * A server's text in the tokens that the target would have written, its end of turn included where
 * the model ended it.
 *
 * @param tokenizer the target's tokenizer, with a chat template
 * @param messages what was answered
 * @param answer the answer
 * @throws OutriderError where the tokenizer has no chat template
 */
export function responseTokens(
  tokenizer: Tokenizer,
  messages: readonly Message[],
  { text, finishReason }: Pick<RemoteAnswer, "text" | "finishReason">,
): readonly TokenId[] {
  const { endOfTurn, eos } = tokenizer;
  const prompt = encodeChat(tokenizer, messages);
  const answered = [...messages, { role: "assistant", content: text }];
  const whole = encodeChat(tokenizer, answered, { addGenerationPrompt: false });
  const end = whole.findIndex((id, at) => at >= prompt.length && endOfTurn.has(id));
  const last = end < 0 ? eos : whole[end];
  // Where a token would reach over the border, the answer is encoded by itself, as it was written.
  const isParted = end >= 0 && prompt.every((id, at) => id === whole[at]);
  const tokens = isParted
    ? whole.slice(prompt.length, end)
    : tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
  return finishReason === "stop" && last !== undefined ? [...tokens, last] : tokens;
}

/**
 * The server's responses as entries of a distillation set, in the order of the prompts. Every answer
 * is written to the log as soon as it is there, so that a run that was killed asks for nothing twice.
 * A prompt that the server refuses has an empty response.
 *
 * @throws OutriderError where the server fails for good, or the log is of another run
 */
export async function* remoteEntries(
  options: RemoteDistillOptions,
): AsyncGenerator<DistillationEntry> {
  const { prompts, tokenizer, server, done, onAnswer } = options;
  const request = (index: number): RemoteRequest | undefined =>
    index < prompts.length ? requestOf(options, index) : undefined;
  const log = await openAnswerLog(options.log, request);
  const ready = new Map(log.answers);
  const missing = function* (): Generator<RemoteRequest> {
    for (let index = done; index < prompts.length; index++) {
      if (!log.answers.has(index)) yield requestOf(options, index);
    }
  };
  let next = done;
  const inOrder = function* (): Generator<DistillationEntry> {
    for (let answer = ready.get(next); answer !== undefined; answer = ready.get(next)) {
      const { messages, temperature, topP, seed } = requestOf(options, next);
      const response = answer.refusal === undefined
        ? responseTokens(tokenizer, messages, answer)
        : [];
      ready.delete(next++);
      yield { prompt: encodeChat(tokenizer, messages), response, temperature, topP, seed };
    }
  };
  try {
    yield* inOrder();
    for await (const answer of remoteAnswers(server, missing(), options)) {
      await log.append(requestOf(options, answer.index), answer);
      onAnswer?.(answer);
      ready.set(answer.index, answer);
      yield* inOrder();
    }
  } finally {
    await log.close();
  }
}
