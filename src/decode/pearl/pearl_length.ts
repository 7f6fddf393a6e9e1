/**
 * How many tokens PEARL drafts during a target pass.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { DraftLength } from "../draft_length.ts";
import { type PearlCosts, pearlRate } from "./pearl_rate.ts";

/** Longer drafts are wasted more often than not, whatever they cost. */
const LONGEST = 16;

/** What {@link pearlLength} assumes. */
export interface PearlLengthOptions {
  /** The probability that a drafted token is accepted; 0.8 if left out. */
  readonly acceptance?: number;
  /** Most tokens; 16 if left out. */
  readonly longest?: number;
}

/**
 * The length from 1 to `longest` at which PEARL writes most tokens per unit of time, the least of
 * equals.
 *
 * Where passes of all row counts take as long, that is the ratio of both models' times whatever the
 * acceptance, as in Liu et al. 2025 (arXiv 2408.11850): fewer tokens leave the draft idle, more let the
 * target wait. Where rows cost time, long drafts have to be accepted to be worth theirs.
 *
 * @throws OutriderError for a longest length that is not a whole number from 1 on
 * @example
 * ```ts
 * import { pearlLength } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(pearlLength({ draftCost: 0.25, rowsCost: () => 1 }), 4);
 * assertEquals(pearlLength({ draftCost: 2, rowsCost: () => 1 }), 1);
 * assertEquals(pearlLength({ draftCost: 0.03, rowsCost: (rows) => 0.6 + 0.4 * rows }), 3);
 * ```
 */
export function pearlLength(
  costs: PearlCosts,
  { acceptance = 0.8, longest = LONGEST }: PearlLengthOptions = {},
): number {
  checkLongest(longest);
  let best = 1;
  for (let gamma = 2; gamma <= longest; gamma++) {
    // A hair's breadth is no reason to draft one more.
    const rate = pearlRate(acceptance, gamma, costs) * (1 - 1e-9);
    if (rate > pearlRate(acceptance, best, costs)) best = gamma;
  }
  return best;
}

function checkLongest(longest: number): void {
  if (Number.isInteger(longest) && longest >= 1) return;
  throw new OutriderError("a longest draft of 1 or more", `${longest}`, "16 is usual");
}

/** What {@link balancedLength} has seen. */
export interface BalancedState {
  /** How many tokens are drafted now. */
  readonly gamma: number;
  /** Steps that spoke for one more, less those that spoke for one fewer, since the last change. */
  readonly balance: number;
}

/** Where a balanced draft begins and how far it may go. */
export interface BalancedOptions {
  /** Tokens that the first steps draft, such as `pearlLength(costs)`; 4 if left out. */
  readonly first?: number;
  /** Most tokens, for targets whose passes take longer with every row; 16 if left out. */
  readonly longest?: number;
}

/** So much of a step, spent waiting for the target, speaks for a longer draft. */
const WAITED_SHARE = 0.05;
/** Steps on one side before the length changes: one may have been a pause of the machine. */
const STEPS_TO_CHANGE = 2;

/**
 * A rule that keeps both models of `pearl` busy: one token more where the target was waited for, one
 * fewer where it was not. It goes by the clock, on which the text of `pearl` does not depend.
 *
 * @throws OutriderError for lengths that are not whole numbers from 1 on
 * @example
 * ```ts
 * import { balancedLength } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const { init, gamma, step } = balancedLength({ first: 3 });
 * const seconds = { prefill: 0, draft: 1, target: 0.5, verify: 0, host: 0 };
 * const slowTarget = { drafted: 1, accepted: 1, emitted: 1, seconds };
 * assertEquals(gamma(step(step(init(), slowTarget), slowTarget)), 4);
 * ```
 */
export function balancedLength(
  { first = 4, longest = LONGEST }: BalancedOptions = {},
): DraftLength<BalancedState> {
  checkLongest(longest);
  if (!(Number.isInteger(first) && first >= 1 && first <= longest)) {
    throw new OutriderError(`a first length of 1 to ${longest}`, `${first}`, "4 is usual");
  }
  return {
    init: () => ({ gamma: first, balance: 0 }),
    gamma: ({ gamma }) => gamma,
    step: ({ gamma, balance }, { seconds: { draft, target } }) => {
      const change = target > WAITED_SHARE * (draft + target) ? 1 : -1;
      const next = Math.sign(balance) === -change ? change : balance + change;
      if (Math.abs(next) < STEPS_TO_CHANGE) return { gamma, balance: next };
      return { gamma: Math.min(longest, Math.max(1, gamma + change)), balance: 0 };
    },
  };
}
