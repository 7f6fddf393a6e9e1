/**
 * Where a text ends: combinators that return a decoder again.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { Decoder, Finish, Step } from "./decoder.ts";
import type { TokenId } from "./language_model.ts";

/**
 * Ends a decoder at the first of some tokens, such as the model's end-of-text; that token is the last
 * one given out.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { autoregressive, functionModel, generate, temperature, untilToken } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [0, 1, 2].map((id) => id === prefix.length % 3 ? 9 : 0);
 * const target = functionModel({ vocabulary: 3, contextLength: 8, logits });
 * const decoder = untilToken(autoregressive({ target, warp: temperature(0) }), [2]);
 * const { tokens, finish } = await generate(decoder, [0], { key: keyOf(1) });
 * assertEquals([tokens, finish], [[1, 2], "stopToken"]);
 * ```
 */
export function untilToken<State>(
  decoder: Decoder<State>,
  stops: Iterable<TokenId>,
): Decoder<Ending<State>> {
  const stopSet = new Set(stops);
  return ending(decoder, 0, (step) => {
    const place = step.tokens.findIndex((token) => stopSet.has(token));
    return place < 0 ? { step, memory: 0 } : { step: cut(step, place + 1, "stopToken"), memory: 0 };
  });
}

/**
 * Ends a decoder after `count` tokens.
 *
 * Throws an {@link OutriderError} for a count that is not a whole number from 1 on.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { autoregressive, functionModel, generate, limit, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const target = functionModel({ vocabulary: 2, contextLength: 8, logits: () => [0, 1] });
 * const decoder = limit(autoregressive({ target, warp: temperature(0) }), 3);
 * assertEquals((await generate(decoder, [0], { key: keyOf(1) })).tokens, [1, 1, 1]);
 * ```
 */
export function limit<State>(decoder: Decoder<State>, count: number): Decoder<Ending<State>> {
  if (!(Number.isInteger(count) && count >= 1)) {
    throw new OutriderError("a limit of 1 token or more", `${count}`, "ask for at least one token");
  }
  return ending(decoder, count, (step, left) => {
    const memory = left - step.tokens.length;
    return { step: memory <= 0 ? cut(step, left, "limit") : step, memory };
  });
}

/** The state of a decoder that a combinator ends. */
export interface Ending<State> {
  /** The wrapped decoder's state. */
  readonly inner: State;
  /** What the combinator keeps count of. */
  readonly memory: number;
  /** Why the text has ended, if it has. */
  readonly finish: Finish | undefined;
}

/** Wraps a decoder with a rule that may shorten and end its steps. */
function ending<State>(
  decoder: Decoder<State>,
  memory: number,
  rule: (step: Step<State>, memory: number) => { step: Step<State>; memory: number },
): Decoder<Ending<State>> {
  return {
    init: async (prompt, key) => ({
      inner: await decoder.init(prompt, key),
      memory,
      finish: undefined,
    }),
    step: async (state) => {
      refuseAfterEnd(state.finish);
      const ruled = rule(await decoder.step(state.inner), state.memory);
      const { finish, state: inner } = ruled.step;
      return { ...ruled.step, state: { inner, memory: ruled.memory, finish } };
    },
    close: (state) => decoder.close(state.inner),
  };
}

/** Throws an {@link OutriderError} if a text has already ended. */
export function refuseAfterEnd(finish: Finish | undefined): void {
  if (finish === undefined) return;
  throw new OutriderError("a text that goes on", `one ended by ${finish}`, "begin a new text");
}

/** The first `count` tokens of a step, as its last. */
function cut<State>(step: Step<State>, count: number, finish: Finish): Step<State> {
  const tokens = step.tokens.slice(0, count);
  return { ...step, tokens, report: { ...step.report, emitted: tokens.length }, finish };
}
