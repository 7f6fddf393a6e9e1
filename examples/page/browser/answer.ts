/**
 * One answer, written twice: by the target alone and with a draft running ahead.
 *
 * @module
 */
import type { Costs } from "@outrider/outrider/decode";
import { type ChatMessage, encodeChat } from "@outrider/outrider/io";
import { turnsEvery } from "@outrider/outrider/runtime";
import { agreementOf } from "./agreement.ts";
import { type Models, startPlain, startSpeculative } from "./decoders.ts";
import { createOutbox } from "./outbox.ts";
import type { Target } from "./open_models.ts";
import type { AnsweredEvent, AnswerOptions, Progress } from "./protocol.ts";
import { race, type Racer } from "./race.ts";
import type { Run } from "./run.ts";
import { createViewer } from "./step_views.ts";

/** How often, in milliseconds, the worker listens to the page. */
const LISTENING = 20;
/** Tokens that are written once, so that kernels are compiled before anything is timed. */
const WARM_TOKENS = 16;

/** What a conversation is in tokens; a model without a chat template goes on with the last text. */
export function promptOf(
  { tokenizer }: Pick<Target, "tokenizer">,
  messages: readonly ChatMessage[],
): number[] {
  if (tokenizer.chatTemplate !== undefined) return encodeChat(tokenizer, messages);
  return tokenizer.encode(messages[messages.length - 1].content);
}

/** How an answer is written. */
export interface AnswerRun {
  readonly prompt: readonly number[];
  readonly options: AnswerOptions;
  /** Tokens to draft per step, or what to choose them by. */
  readonly length: number | Costs;
  readonly signal: AbortSignal;
  readonly send: (progress: Progress) => void;
}

/** One side's text as it grows. */
interface Writing extends Racer {
  readonly tokens: number[];
  /** Sends what is left, and releases the caches. */
  end(): void;
}

function writing(
  { tokenizer }: Target,
  side: "plain" | "speculative",
  run: Run,
  { send, drafted }: {
    readonly send: (progress: Progress) => void;
    /** What was drafted for the step that has just been made. */
    readonly drafted: () => readonly number[];
  },
): Writing {
  const tokens: number[] = [];
  const viewer = createViewer(tokenizer);
  const outbox = createOutbox(side, send);
  return {
    run,
    tokens,
    onStep(step) {
      tokens.push(...step.tokens);
      const proposal = step.report.drafted > 0 ? drafted() : [];
      outbox.add(viewer.view(step, proposal), step.report);
    },
    end() {
      outbox.flush();
      run.close();
    },
  };
}

/** Writes an answer side by side, to its end or until the signal aborts. */
export async function writeAnswer(models: Models, answer: AnswerRun): Promise<AnsweredEvent> {
  const { target } = models;
  const { prompt, options, length, signal, send } = answer;
  let drafted: readonly number[] = [];
  const onProposal = (tokens: readonly number[]): void => void (drafted = tokens);
  const sides: Writing[] = [];
  try {
    const plain = writing(target, "plain", await startPlain(models, options, prompt), {
      send,
      drafted: () => [],
    });
    sides.push(plain);
    const ahead = await startSpeculative(models, options, prompt, { length, onProposal });
    const speculative = writing(target, "speculative", ahead, { send, drafted: () => drafted });
    sides.push(speculative);
    const whole = await race(sides, signal, turnsEvery(LISTENING));
    return {
      kind: "answered",
      whole,
      agreement: agreementOf(plain.tokens, speculative.tokens, whole),
      text: target.tokenizer.decode(plain.tokens),
    };
  } finally {
    for (const side of sides) side.end();
  }
}

/** Writes a few tokens unseen, so that the kernels of both sides are compiled. */
export async function warmUp(models: Models, answer: AnswerRun): Promise<void> {
  const maxTokens = Math.min(WARM_TOKENS, answer.options.maxTokens);
  const options = { ...answer.options, maxTokens };
  await writeAnswer(models, { ...answer, options, send: () => {} });
}
