/**
 * Prompt lookup: the text itself as drafter.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { Draft } from "./draft.ts";
import { oneHot, type TokenId } from "./language_model.ts";
import { lazyRows } from "./lazy_rows.ts";

/** The lengths of suffix that prompt lookup tries, longest first. */
export interface PromptLookupOptions {
  /** The longest suffix to look for, in tokens; 3 if left out. */
  readonly longest?: number;
  /** The shortest suffix to look for, in tokens; 1 if left out. */
  readonly shortest?: number;
}

/**
 * Drafts what followed the last earlier occurrence of the text's longest repeated suffix (Saxena
 * 2023, prompt lookup decoding). Its distributions are one-hot, so it is exact at any temperature.
 *
 * Throws an {@link OutriderError} unless `1 <= shortest <= longest`.
 *
 * @example
 * ```ts
 * import { draftPromptLookup, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const draft = draftPromptLookup();
 * const request = { context: [7, 8, 9, 5, 7, 8], gamma: 2, vocabulary: 10 };
 * const { tokens } = await draft.propose(null, { ...request, warp: temperature(0), coin: () => 0 });
 * assertEquals(tokens, [9, 5]);
 * ```
 */
export function draftPromptLookup(options: PromptLookupOptions = {}): Draft<null> {
  const { longest = 3, shortest = 1 } = options;
  const whole = Number.isInteger(longest) && Number.isInteger(shortest);
  if (!(whole && shortest >= 1 && longest >= shortest)) {
    throw new OutriderError(
      "suffix lengths with 1 <= shortest <= longest",
      `shortest ${shortest} and longest ${longest}`,
      "1 and 3 are usual",
    );
  }
  return {
    init: () => Promise.resolve(null),
    propose: (_state, { context, gamma, vocabulary }) => {
      const tokens = lookUp(context, gamma, longest, shortest);
      const probs = lazyRows(tokens.length, (place) => oneHot(vocabulary, tokens[place]));
      return Promise.resolve({ state: null, tokens, probs });
    },
    guess: (_state, context) => lookUp(context, 1, longest, shortest)[0],
    commit: () => null,
    close: () => {},
  };
}

/**
 * The `gamma` tokens that followed the last earlier occurrence of the longest suffix of `context`
 * between `longest` and `shortest` tokens, or none. Past the text's end it goes on with what it has
 * copied, so a text that repeats itself is continued in its rhythm.
 *
 * @example
 * ```ts
 * import { lookUp } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(lookUp([1, 2, 1, 2], 3, 2, 1), [1, 2, 1]);
 * ```
 */
export function lookUp(
  context: readonly TokenId[],
  gamma: number,
  longest: number,
  shortest: number,
): TokenId[] {
  let bestLength = shortest - 1;
  let bestEnd = -1;
  const last = context[context.length - 1];
  for (let end = context.length - 1; end > 0 && bestLength < longest; end--) {
    // Most places differ in their last token already; a step without a draft must cost nothing.
    if (context[end - 1] !== last) continue;
    const length = sharedSuffix(context, end, longest);
    if (length > bestLength) {
      bestLength = length;
      bestEnd = end;
    }
  }
  if (bestEnd < 0) return [];
  const text = [...context];
  for (let i = 0; i < gamma; i++) text.push(text[bestEnd + i]);
  return text.slice(context.length);
}

/** How many tokens (at most `most`) before `end` equal the text's last ones. */
function sharedSuffix(context: readonly TokenId[], end: number, most: number): number {
  let length = 0;
  while (
    length < most && length < end &&
    context[end - 1 - length] === context[context.length - 1 - length]
  ) length++;
  return length;
}
