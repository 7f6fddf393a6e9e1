/**
 * The shape of every decoder: an init/step pair that combinators wrap and return again.
 *
 * @module
 */

import type { Key } from "../core/random.ts";
import type { TokenId } from "./language_model.ts";

/** Why a decoder ended. */
export type Finish =
  /** The context is full. */
  | "context"
  /** The wanted number of tokens is reached. */
  | "limit"
  /** A stop token came. */
  | "stopToken"
  /** A stop string came. */
  | "stopText";

/** Where the time of a step went, in seconds. */
export interface Seconds {
  /** Both models' passes over the prompt; reported by the first step. */
  readonly prefill: number;
  /** Drafting, its catching up and rolling back included. */
  readonly draft: number;
  /** The target's passes. */
  readonly target: number;
  /** Warps, verification and sampling. */
  readonly verify: number;
  /** All else inside the step. */
  readonly host: number;
}

/** What one step did: one target pass. */
export interface StepReport {
  /** Tokens that the draft proposed. */
  readonly drafted: number;
  /** Proposed tokens that stand. */
  readonly accepted: number;
  /** Tokens given out; combinators that cut the text lower it. */
  readonly emitted: number;
  /**
   * Whether the token that came is the one that the drafter, which was not asked to draft, would have
   * drafted; left out where it had none or does not guess.
   */
  readonly guessed?: boolean;
  /** True where the drafter was asked for a guess before the step and had one. */
  readonly hasGuess?: boolean;
  /** Where the time went. */
  readonly seconds: Seconds;
}

/** What a step returns. */
export interface Step<State> {
  /** The decoder's next state; the old one is dead. */
  readonly state: State;
  /** The new tokens; at least one, unless a combinator cut or holds them back. */
  readonly tokens: readonly TokenId[];
  /** What the step did. */
  readonly report: StepReport;
  /** Why no step may follow, or `undefined` if one may. */
  readonly finish: Finish | undefined;
}

/**
 * A decoder as init/step functions over an inferred state, which is use-once.
 *
 * Whoever holds a state closes it; a call that fails has released what its state held.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { autoregressive, type Decoder, functionModel, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const firstToken = async <State>(decoder: Decoder<State>): Promise<number> => {
 *   const { state, tokens } = await decoder.step(await decoder.init([0], keyOf(1)));
 *   decoder.close(state);
 *   return tokens[0];
 * };
 * const target = functionModel({ vocabulary: 2, contextLength: 4, logits: () => [0, 1] });
 * assertEquals(await firstToken(autoregressive({ target, warp: temperature(0) })), 1);
 * ```
 */
export interface Decoder<State> {
  /** Reads a prompt (one token or more) under a random key. */
  init(prompt: readonly TokenId[], key: Key): Promise<State>;
  /** Runs one target pass and gives out its tokens. */
  step(state: State): Promise<Step<State>>;
  /** Releases what a live state holds; a taken one is let through silently. */
  close(state: State): void;
}
