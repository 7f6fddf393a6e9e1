/**
 * How many tokens to draft: what a rule is, and the simplest one.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { StepReport } from "./decoder.ts";

/** A rule for the number of tokens to draft, as pure init/step functions. */
export interface DraftLength<State> {
  /** The state before the first step. */
  init(): State;
  /**
   * How many tokens to draft next, 0 for none. `hasGuess` finds out whether the drafter has a guess,
   * which takes time: a rule that does not need it does not ask. Left out, there is none.
   */
  gamma(state: State, hasGuess?: () => boolean): number;
  /** The state after a step. */
  step(state: State, report: StepReport): State;
  /**
   * The state while so many drafted tokens are judged, for a decoder that begins another step before
   * it knows how many stand: as if none did. The state itself if left out.
   */
  awaiting?(state: State, drafted: number): State;
  /** Whether it never drafts, so that the drafter need not even read the prompt; no if left out. */
  readonly isPlain?: boolean;
}

/**
 * Always the same number of tokens.
 *
 * Throws an {@link OutriderError} for a gamma that is not a whole number from 0 on.
 *
 * @example
 * ```ts
 * import { fixedLength } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(fixedLength(4).gamma(null), 4);
 * ```
 */
export function fixedLength(gamma: number): DraftLength<null> {
  if (!(Number.isInteger(gamma) && gamma >= 0)) {
    throw new OutriderError("a gamma of 0 or more", `${gamma}`, "3 to 5 are usual");
  }
  return { init: () => null, gamma: () => gamma, step: () => null, isPlain: gamma === 0 };
}

/**
 * The gamma from 0 to `longest` with the most expected tokens per unit of time; the least of equals.
 *
 * @example
 * ```ts
 * import { bestLength } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(bestLength(0.9, 0, () => 1, 8), 8);
 * assertEquals(bestLength(0.2, 0.5, () => 1, 8), 0);
 * ```
 */
export function bestLength(
  acceptance: number,
  draftCost: number,
  rowsCost: (rows: number) => number,
  longest: number,
): number {
  let best = 0;
  let bestRate = 0;
  let tokens = 0;
  for (let gamma = 0; gamma <= longest; gamma++) {
    tokens += acceptance ** gamma;
    const rate = tokens / (rowsCost(gamma + 1) + gamma * draftCost);
    if (rate > bestRate) {
      best = gamma;
      bestRate = rate;
    }
  }
  return best;
}
