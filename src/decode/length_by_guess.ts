/**
 * Lengths of drafts from two accounts: one for where the drafter has a guess, one for elsewhere.
 *
 * @module
 */
import type { DraftLength } from "./draft_length.ts";

/** The states of both rules of a {@link lengthByGuess}. */
export interface LengthByGuessState<Guessed, Other> {
  /** The state of the rule for steps before which the drafter had a guess. */
  readonly guessed: Guessed;
  /** The state of the rule for all other steps. */
  readonly other: Other;
}

/**
 * One rule where the drafter has a guess and another where it has none: for two drafters as one, such
 * as the text itself in front of a draft model, which differ in what they cost and how often they are
 * right. Each rule sees its own steps only, so each keeps the account that it promises.
 *
 * @example
 * ```ts
 * import { fixedLength, lengthByGuess } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const rule = lengthByGuess(fixedLength(5), fixedLength(1));
 * const state = rule.init();
 * assertEquals([rule.gamma(state, () => true), rule.gamma(state, () => false)], [5, 1]);
 * ```
 */
export function lengthByGuess<Guessed, Other>(
  guessed: DraftLength<Guessed>,
  other: DraftLength<Other>,
): DraftLength<LengthByGuessState<Guessed, Other>> {
  const isPlain = guessed.isPlain === true && other.isPlain === true;
  return {
    init: () => ({ guessed: guessed.init(), other: other.init() }),
    gamma: (state, hasGuess) =>
      !isPlain && hasGuess?.() === true
        ? guessed.gamma(state.guessed, () => true)
        : other.gamma(state.other, () => false),
    step: (state, report) =>
      report.hasGuess === true
        ? { ...state, guessed: guessed.step(state.guessed, report) }
        : { ...state, other: other.step(state.other, report) },
    isPlain,
  };
}
