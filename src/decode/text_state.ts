/**
 * What decoders share: the text so far beside the target's cache, and the checks on both.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { Key } from "../core/random.ts";
import { type Coins, coinsOf } from "./coins.ts";
import type { LanguageModel, Logits, TokenId } from "./language_model.ts";
import { type UseOnce, useOnce } from "./use_once.ts";

/** The text so far and the target's cache, which holds all of it but the last token. */
export interface TextState<Cache> {
  /** All tokens, prompt included. */
  readonly text: readonly TokenId[];
  /** The target's live cache. */
  readonly cache: Cache;
  /** The coins of this text. */
  readonly coins: Coins;
  /** Seconds that `init` took, until a step has reported them. */
  readonly prefillSeconds: number;
  /** Makes the state use-once. */
  readonly mark: UseOnce;
}

/** A clock in seconds, from any origin. */
export type Clock = () => number;

/** The machine's own clock. */
export function machineClock(): number {
  return performance.now() / 1000;
}

/** Checks the prompt and runs all but its last token through the target. */
export async function readPrompt<Cache>(
  target: LanguageModel<Cache>,
  prompt: readonly TokenId[],
  key: Key,
  now: Clock,
): Promise<TextState<Cache>> {
  checkPrompt(target, prompt);
  const start = now();
  const seen = prompt.slice(0, -1);
  const opened = target.open();
  let cache = opened;
  if (seen.length > 0) {
    try {
      cache = (await target.forward(opened, seen, 0)).cache;
    } catch (error) {
      target.close(opened);
      throw error;
    }
  }
  const mark = useOnce("decoder state");
  return { text: [...prompt], cache, coins: coinsOf(key), prefillSeconds: now() - start, mark };
}

/** The state after `tokens`, with the cache that holds all of the new text but its last token. */
export function extendText<Cache>(
  state: TextState<Cache>,
  tokens: readonly TokenId[],
  cache: Cache,
): TextState<Cache> {
  const mark = useOnce("decoder state");
  return { ...state, text: [...state.text, ...tokens], cache, prefillSeconds: 0, mark };
}

/** Takes the state for a step; throws an {@link OutriderError} if it is dead or the context full. */
export function takeState<Cache>(target: LanguageModel<Cache>, state: TextState<Cache>): void {
  if (state.mark.takenBy === undefined && isFull(target, state)) {
    throw new OutriderError(
      `a text of at most ${target.contextLength} tokens`,
      `${state.text.length} and another step`,
      "end where a step reports that it finished",
    );
  }
  state.mark.take("step");
}

/** Whether no further row fits the target's context. */
export function isFull(
  target: { readonly contextLength: number },
  state: { readonly text: readonly TokenId[] },
): boolean {
  return state.text.length > target.contextLength;
}

/** Checks that a pass gave as many rows as were wanted, each as long as the vocabulary. */
export function checkLogits(rows: readonly Logits[], wanted: number, vocabulary: number): void {
  if (rows.length === wanted && rows.every((row) => row.length === vocabulary)) return;
  throw new OutriderError(
    `${wanted} logits rows of ${vocabulary}`,
    `${rows.length} rows of ${rows.map((row) => row.length).join(", ")}`,
    "correct the model's forward",
  );
}

/** Checks that a prompt is of the target's tokens and fits it. Throws an {@link OutriderError} if not. */
export function checkPrompt(
  target: { readonly vocabulary: number; readonly contextLength: number },
  prompt: readonly TokenId[],
): void {
  if (prompt.length === 0) {
    throw new OutriderError(
      "a prompt of at least one token",
      "an empty prompt",
      "begin with the model's beginning-of-text token",
    );
  }
  if (prompt.length > target.contextLength) {
    throw new OutriderError(
      `a prompt of at most ${target.contextLength} tokens`,
      `${prompt.length}`,
      "shorten the prompt or choose a model with a longer context",
    );
  }
  const isToken = (id: TokenId) => Number.isInteger(id) && id >= 0 && id < target.vocabulary;
  const foreign = prompt.findIndex((id) => !isToken(id));
  if (foreign >= 0) {
    throw new OutriderError(
      `prompt tokens from 0 to ${target.vocabulary - 1}`,
      `${prompt[foreign]} at place ${foreign}`,
      "use the model's own tokenizer",
    );
  }
}
