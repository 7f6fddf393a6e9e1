/**
 * What a speculative decoder needs of a drafter.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { Probs, TokenId } from "./language_model.ts";
import type { Warp } from "./warp.ts";

/** A request for a block of drafted tokens. */
export interface DraftRequest<Cache = unknown> {
  /** All tokens so far, prompt included; at least one. */
  readonly context: readonly TokenId[];
  /** How many tokens are wanted at most, 1 or more. */
  readonly gamma: number;
  /** The target's vocabulary. */
  readonly vocabulary: number;
  /** The warp that shapes the target's distributions, to shape the drafter's alike. */
  readonly warp: Warp;
  /** The coin in [0, 1) that draws the token at an absolute position. */
  readonly coin: (position: number) => number;
  /**
   * The target's live cache, of all the context but its last token: for drafters that read what the
   * target knows, to look at and not to take.
   */
  readonly cache?: Cache;
}

/** A drafted block, which may be shorter than what was wanted, or empty. */
export interface Proposal<State> {
  /** The drafter's next state. */
  readonly state: State;
  /** The drafted tokens, `[count]`. */
  readonly tokens: readonly TokenId[];
  /**
   * The distributions that they were drawn from, `[count][vocabulary]`: an array, or rows that are
   * made when they are first read, which nobody does where the warp leaves one token.
   */
  readonly probs: ArrayLike<Probs>;
}

/**
 * A drafter as init/step functions. States are use-once: each call takes the state that it is given.
 * A call that fails has released what its state held. `Cache` is the handle of the target that a
 * drafter can look into; most look into none.
 *
 * @example
 * ```ts
 * import { type Draft, oneHot } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * // A drafter that says the last token once more.
 * const echo: Draft<null> = {
 *   init: () => Promise.resolve(null),
 *   propose: (state, { context, vocabulary }) => {
 *     const tokens = context.slice(-1);
 *     const probs = tokens.map((token) => oneHot(vocabulary, token));
 *     return Promise.resolve({ state, tokens, probs });
 *   },
 *   commit: (state) => state,
 *   close: () => {},
 * };
 * assertEquals(await echo.init([1]), null);
 * ```
 */
export interface Draft<State, Cache = unknown> {
  /** A state that has seen `prompt` (at least one token) in whole or in part. */
  init(prompt: readonly TokenId[]): Promise<State>;
  /** Drafts up to `gamma` tokens after the context. */
  propose(state: State, request: DraftRequest<Cache>): Promise<Proposal<State>>;
  /**
   * The first token that it would draft after the context, if that is known at no cost worth naming:
   * so a decoder that drafts nothing sees whether it should. Such a draft must put probability 1 on
   * its tokens.
   */
  guess?(state: State, context: readonly TokenId[]): TokenId | undefined;
  /** Drops what was drafted beyond the first `length` tokens of the text, which stand. */
  commit(state: State, length: number): State;
  /** Releases what a live state holds; a taken one is let through silently. */
  close(state: State): void;
}

/**
 * Checks what exactness rests on: every drafted token has a distribution over the target's vocabulary
 * that can have drawn it. Throws an {@link OutriderError} if not.
 */
export function checkProposal<State>(proposal: Proposal<State>, vocabulary: number): void {
  const { tokens, probs } = proposal;
  checkTokens(proposal, vocabulary);
  const sound = tokens.length === probs.length &&
    tokens.every((token, i) => probs[i].length === vocabulary && probs[i][token] > 0);
  if (sound) return;
  throw new OutriderError(
    `for each drafted token its distribution over ${vocabulary} tokens`,
    `${tokens.length} tokens, ${probs.length} distributions, or a token of probability 0`,
    "correct the drafter",
  );
}

/** Checks that drafted tokens are some of the target's. Throws an {@link OutriderError} if not. */
export function checkTokens<State>({ tokens }: Proposal<State>, vocabulary: number): void {
  const wrong = tokens.find((token) =>
    !(Number.isInteger(token) && token >= 0 && token < vocabulary)
  );
  if (wrong === undefined) return;
  throw new OutriderError(`drafted tokens below ${vocabulary}`, `${wrong}`, "correct the drafter");
}
