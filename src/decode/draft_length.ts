/**
 * How many tokens to draft: a fixed number, or what pays by the acceptance seen so far.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import type { StepReport } from "./decoder.ts";

/** A rule for the number of tokens to draft, as pure init/step functions. */
export interface DraftLength<State> {
  /** The state before the first step. */
  init(): State;
  /** How many tokens to draft next, 0 for none. */
  gamma(state: State): number;
  /** The state after a step. */
  step(state: State, report: StepReport): State;
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
  return { init: () => null, gamma: () => gamma, step: () => null };
}

/** What {@link automaticLength} knows of the machine and how it learns. */
export interface AutomaticLengthOptions {
  /** Time of one drafted token over time of a target pass of one row. */
  readonly draftCost: number;
  /** Time of a target pass of `rows` rows over that of one row; 1 if left out. */
  readonly rowsCost?: (rows: number) => number;
  /** The longest draft; 8 if left out. */
  readonly longest?: number;
  /** How many judged tokens the estimate remembers; 64 if left out. */
  readonly memory?: number;
  /** After how many steps without a draft to try one token again; 32 if left out. */
  readonly retry?: number;
}

/** What {@link automaticLength} has seen. */
export interface AutomaticLengthState {
  /** Accepted tokens, older ones weighing less. */
  readonly accepted: number;
  /** Judged tokens, older ones weighing less. */
  readonly judged: number;
  /** Steps since the last draft. */
  readonly idle: number;
}

/**
 * The number of tokens that gives the most tokens per second by the running acceptance estimate
 * (Leviathan et al. 2023, section 3.3): `(1 - a^(gamma+1)) / (1 - a)` tokens for
 * `rowsCost(gamma + 1) + gamma * draftCost` of time. Where no draft pays it is 0, that is plain
 * decoding, with a single token tried now and then in case the text has become easier.
 *
 * @example
 * ```ts
 * import { automaticLength } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const rule = automaticLength({ draftCost: 1 });
 * assertEquals(rule.gamma({ accepted: 1, judged: 10, idle: 0 }), 0);
 * ```
 */
export function automaticLength(
  options: AutomaticLengthOptions,
): DraftLength<AutomaticLengthState> {
  const { draftCost, rowsCost = () => 1, longest = 8, memory = 64, retry = 32 } = options;
  if (!(draftCost >= 0 && longest >= 0 && memory > 0 && retry > 0)) {
    throw new OutriderError(
      "a draft cost and a longest draft of 0 or more, a memory and a retry above 0",
      `${draftCost}, ${longest}, ${memory}, ${retry}`,
      "measure the draft cost, leave the others out",
    );
  }
  return {
    init: () => ({ accepted: 2, judged: 3, idle: 0 }),
    gamma: ({ accepted, judged, idle }) => {
      const best = bestLength(accepted / judged, draftCost, rowsCost, longest);
      return best === 0 && idle >= retry ? Math.min(1, longest) : best;
    },
    step: (state, { drafted, accepted }) => {
      if (drafted === 0) return { ...state, idle: state.idle + 1 };
      const judged = Math.min(drafted, accepted + 1);
      const keep = (1 - 1 / memory) ** judged;
      return {
        accepted: state.accepted * keep + accepted,
        judged: state.judged * keep + judged,
        idle: 0,
      };
    },
  };
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
