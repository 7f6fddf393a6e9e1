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
  /** Time that a token written without a draft adds to the next draft; 0 if left out. */
  readonly catchUpCost?: number;
  /** The longest draft; 8 if left out. */
  readonly longest?: number;
  /** Lengths to choose from; all from 1 on if left out. Those not measured compile in the text. */
  readonly lengths?: readonly number[];
  /** How many judged tokens the estimate remembers; 64 if left out. */
  readonly memory?: number;
  /** After how many steps without a draft to try one token, at the earliest; 32 if left out. */
  readonly retry?: number;
}

/** What {@link automaticLength} has seen. Times are in target passes of one row. */
export interface AutomaticLengthState {
  /** Accepted tokens, older ones weighing less. */
  readonly accepted: number;
  /** Judged tokens, older ones weighing less. */
  readonly judged: number;
  /** Steps since the last draft. */
  readonly idle: number;
  /** Steps until a token is tried while plain decoding is better. */
  readonly wait: number;
  /** The length that is kept until another is clearly better; 0 while plain decoding is. */
  readonly length: number;
  /** Time that may be lost: what drafts have gained, and a small share of all tokens. */
  readonly credit: number;
}

/** Time that may be lost before anything is gained, in target passes. */
const FIRST_CREDIT = 0.5;
/** Time that may be lost per token, in target passes. */
const CREDIT_PER_TOKEN = 0.01;
/** Gains of good times do not pay for more than this in bad ones. */
const MOST_CREDIT = 8;
/** A draft must promise this much over plain decoding, since costs are measured, not known. */
const DRAFTING_GAIN = 1.05;
/** Another length must promise this much over the present one. */
const CHANGING_GAIN = 1.02;
/** Judged tokens that are never forgotten, so that a single one does not decide. */
const LEAST_EVIDENCE = 4;

/** Forgets what is older than `steps`, down to the least evidence. */
function forgotten(
  state: AutomaticLengthState,
  steps: number,
  memory: number,
): AutomaticLengthState {
  const least = Math.min(1, LEAST_EVIDENCE / state.judged);
  const keep = Math.max(least, (1 - 1 / memory) ** steps);
  return { ...state, accepted: state.accepted * keep, judged: state.judged * keep };
}

/**
 * The number of tokens that gives the most tokens per second by the running acceptance estimate
 * (Leviathan et al. 2023, section 3.3): `(1 - a^(gamma+1)) / (1 - a)` tokens for
 * `rowsCost(gamma + 1) + gamma * draftCost` of time. It changes only where another length is clearly
 * better, and is 0, that is plain decoding, where no draft clearly pays.
 *
 * A draft is never longer than what may be lost if none of it stands: the gains so far and a small
 * share of the tokens. So by the given costs no text, however the draft misleads, takes longer than
 * 1.01 times plain decoding and half a pass. That share also pays for a token tried now and then
 * while plain decoding is faster, in case the text has become easier.
 *
 * @example
 * ```ts
 * import { automaticLength } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const [useless, free] = [automaticLength({ draftCost: 1 }), automaticLength({ draftCost: 0 })];
 * assertEquals([useless.gamma(useless.init()), free.gamma(free.init())], [0, 8]);
 * ```
 */
export function automaticLength(
  options: AutomaticLengthOptions,
): DraftLength<AutomaticLengthState> {
  const { draftCost, rowsCost = () => 1, catchUpCost = 0 } = options;
  const { longest = 8, memory = 64, retry = 32, lengths } = options;
  if (!(draftCost >= 0 && catchUpCost >= 0 && longest >= 0 && memory > 0 && retry > 0)) {
    throw new OutriderError(
      "a draft cost and a longest draft of 0 or more, a memory and a retry above 0",
      `${draftCost}, ${longest}, ${memory}, ${retry}`,
      "measure the draft cost, leave the others out",
    );
  }
  const choices = [0, ...lengths ?? Array.from({ length: longest }, (_, i) => i + 1)]
    .filter((length) => length <= longest).toSorted((a, b) => a - b);
  const timeOf = (gamma: number): number => rowsCost(gamma + 1) + gamma * draftCost;
  const lossOf = (gamma: number, idle: number): number =>
    gamma === 0 ? 0 : timeOf(gamma) - 1 + idle * catchUpCost;
  const rateOf = (acceptance: number, gamma: number): number =>
    expectedTokens(acceptance, gamma) / timeOf(gamma);
  const bestOf = (acceptance: number): number =>
    choices.reduce((best, gamma) =>
      rateOf(acceptance, gamma) > rateOf(acceptance, best) ? gamma : best
    );
  /** Whether a draft of which all stands would pay; if not, none is ever tried. */
  const canPay = rateOf(1, bestOf(1)) >= DRAFTING_GAIN * rateOf(1, 0);
  /** The length to go on with, by what has been seen. */
  const lengthAfter = ({ accepted, judged, length }: AutomaticLengthState): number => {
    const acceptance = accepted / judged;
    const best = bestOf(acceptance);
    const rate = rateOf(acceptance, best);
    if (length === 0) return rate >= DRAFTING_GAIN * rateOf(acceptance, 0) ? best : 0;
    if (rate < DRAFTING_GAIN / CHANGING_GAIN * rateOf(acceptance, 0)) return 0;
    return rate >= CHANGING_GAIN * rateOf(acceptance, length) ? best : length;
  };
  const settled = (state: AutomaticLengthState) => ({ ...state, length: lengthAfter(state) });
  return {
    init: () =>
      settled({ accepted: 2, judged: 3, idle: 0, wait: retry, length: 0, credit: FIRST_CREDIT }),
    gamma: ({ idle, wait, length, credit }) => {
      const wanted = length === 0 && wait <= 0 && canPay ? choices[1] : length;
      return choices.findLast((gamma) => gamma <= wanted && lossOf(gamma, idle) <= credit) ?? 0;
    },
    step: (state, { drafted, accepted }) => {
      const { idle, credit } = state;
      const earned = accepted + (accepted + 1) * CREDIT_PER_TOKEN - lossOf(drafted, idle);
      const next = { ...state, credit: Math.min(MOST_CREDIT, credit + earned) };
      // Where a draft was wanted but none came, the estimate stands.
      if (drafted === 0) {
        const older = state.length === 0 ? forgotten(next, 1, memory) : next;
        return { ...older, idle: idle + 1, wait: state.wait - 1 };
      }
      const judged = Math.min(drafted, accepted + 1);
      const older = forgotten(next, judged, memory);
      return settled({
        ...older,
        accepted: older.accepted + accepted,
        judged: older.judged + judged,
        idle: 0,
        // A try that succeeds is followed by the next one at once.
        wait: accepted === drafted ? 0 : retry,
      });
    },
  };
}

/** Tokens that a pass over `gamma` drafted ones gives, each standing with a probability. */
function expectedTokens(acceptance: number, gamma: number): number {
  let tokens = 0;
  for (let i = 0; i <= gamma; i++) tokens += acceptance ** i;
  return tokens;
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
