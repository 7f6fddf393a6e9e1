/**
 * As many drafted tokens as pay by the acceptance and the times seen so far, on an account that
 * keeps what drafts may lose within a small share of the text.
 *
 * @module
 */

import type { StepReport } from "./decoder.ts";
import {
  type AutomaticLengthOptions,
  bestOf,
  type Choice,
  DRAFTING_GAIN,
  rateOf,
  type Settings,
  settingsOf,
} from "./draft_choices.ts";
import type { DraftLength } from "./draft_length.ts";
import {
  afterDraftStep,
  afterPlainStep,
  forgetful,
  isTimed,
  NO_STEPS,
  plainSeconds,
  type StepTimes,
} from "./step_times.ts";

/** What {@link automaticLength} has seen. Times are in steps without a draft. */
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
  /** The longest draft so far. */
  readonly reached: number;
  /** Tokens written. */
  readonly written: number;
  /** Tokens whose share of time to lose was given before they were written. */
  readonly advance: number;
  /** Time that may be lost: what drafts have gained, and a small share of all tokens. */
  readonly credit: number;
  /** What steps take. */
  readonly times: StepTimes;
}

/** Tokens that count as the beginning of a text, and the time that each lets be lost, in steps. */
const BEGINNING = { tokens: 64, share: 0.025 };
/** Tokens whose share is given in advance where there is reason to begin at once. */
const ADVANCE = 16;
/** Judged tokens that are such a reason if they speak for drafting. */
const ENOUGH_EVIDENCE = 4;
/** Time that each later token lets be lost, in steps. */
const LATER_SHARE = 0.01;
/** Gains of good times do not pay for more than this in bad ones. */
const MOST_CREDIT = 8;
/** What a draft is charged over what it is thought to take. */
const CAUTION = 1.05;
/** Another length must promise this much over the present one. */
const CHANGING_GAIN = 1.02;
/** Judged tokens that are never forgotten, so that a single one does not decide. */
const LEAST_EVIDENCE = 4;

/** Before the first step; the estimate is as if three tokens had been judged and two stood. */
const UNSEEN = {
  accepted: 2,
  judged: 3,
  idle: 0,
  length: 0,
  reached: 0,
  written: 0,
  times: NO_STEPS,
};

/** The state with the length to go on with, by what has been seen. */
function settled(state: AutomaticLengthState, choices: readonly Choice[]): AutomaticLengthState {
  const { accepted, judged, length, times: { correction } } = state;
  const acceptance = accepted / judged;
  const best = bestOf(choices, acceptance, correction);
  const rate = rateOf(best, acceptance, correction);
  if (length === 0) return rate < DRAFTING_GAIN ? state : { ...state, length: best.gamma };
  if (rate < DRAFTING_GAIN / CHANGING_GAIN) return { ...state, length: 0 };
  const present = choices.find(({ gamma }) => gamma === length) ?? choices[0];
  const isBetter = rate >= CHANGING_GAIN * rateOf(present, acceptance, correction);
  return isBetter ? { ...state, length: best.gamma } : state;
}

/** The state with what is learned from tokens that were judged, or compared with a guess. */
function taught(
  state: AutomaticLengthState,
  accepted: number,
  judged: number,
  { memory, choices }: Settings,
): AutomaticLengthState {
  const older = forgotten(state, judged, memory);
  const next = { ...older, accepted: older.accepted + accepted, judged: older.judged + judged };
  return settled(next, choices);
}

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

/** Time that may be lost after so many tokens, some of them still to come. */
function allowance(written: number, advance: number): number {
  const counted = Math.max(written, advance);
  const early = Math.min(counted, BEGINNING.tokens);
  return early * BEGINNING.share + (counted - early) * LATER_SHARE;
}

/** The state with `tokens` more written, `lost` time less to lose, and perhaps a larger advance. */
function charged(
  state: AutomaticLengthState,
  tokens: number,
  lost: number,
  advance = state.advance,
): AutomaticLengthState {
  const written = state.written + tokens;
  const allowed = allowance(written, advance) - allowance(state.written, state.advance);
  const credit = Math.min(MOST_CREDIT, state.credit + allowed - lost);
  return { ...state, written, advance, credit };
}

/** Time that a draft loses if none of it stands. */
function lossOf(expected: number, { correction }: StepTimes): number {
  return Math.max(1, correction) * expected - 1;
}

/**
 * The longest draft up to the wanted one whose loss can be afforded if none of it stands. Lengths
 * grow by steps, so that a longer one is paid with what a shorter one has shown of costs; those too
 * short to pay, as short ones of a block drafter are, are not drafted.
 */
function gammaOf(settings: Settings, state: AutomaticLengthState): number {
  const { idle, wait, length, reached, credit, times } = state;
  if (!isTimed(times)) return 0;
  const trial = settings.trial(times.correction);
  const wanted = length === 0 && wait <= 0 ? trial : length;
  if (wanted === 0) return 0;
  const least = Math.min(wanted, trial);
  const most = Math.min(wanted, Math.max(least, settings.choices[1].gamma, 2 * reached + 1));
  const affordable = settings.choices.findLast(({ gamma, time }) =>
    gamma === 0 ||
    gamma >= least && gamma <= most && lossOf(time + idle * settings.lagTime, times) <= credit
  );
  return affordable?.gamma ?? 0;
}

/** What is learned while no draft is judged costs next to nothing: this runs at every plain step. */
function afterPlain(
  settings: Settings,
  state: AutomaticLengthState,
  report: StepReport,
): AutomaticLengthState {
  const { retry, memory } = settings;
  const { guessed } = report;
  const idle = state.idle + 1;
  const learned = afterPlainStep(state.times, report);
  const times = idle % retry === 0 ? forgetful(learned) : learned;
  if (guessed !== undefined) {
    // Guesses tell what tries would, for nothing.
    const next = { ...charged(state, 1, 0), idle, times, wait: retry };
    const wiser = taught(next, guessed ? 1 : 0, 1, settings);
    const isSure = wiser.length > 0 && wiser.judged >= UNSEEN.judged + ENOUGH_EVIDENCE;
    return isSure && wiser.advance < ADVANCE ? charged(wiser, 0, 0, ADVANCE) : wiser;
  }
  const wait = state.wait - 1;
  // A drafter that was asked and had nothing to propose may have taken its time.
  const lost = report.seconds.draft === 0
    ? 0
    : Math.min(1, report.seconds.draft / Math.max(Number.EPSILON, plainSeconds(state.times)));
  // Where a draft was wanted but none came, the estimate stands.
  const known = state.length === 0 ? forgotten(state, 1, memory) : state;
  return { ...charged(known, 1, lost), idle, times, wait };
}

/** Time of a step with so many drafted tokens, as far as it is known. */
function expectedTime(
  { timeOf, lagTime }: Settings,
  { idle }: AutomaticLengthState,
  gamma: number,
) {
  return timeOf(gamma) + idle * lagTime;
}

/** What a draft is charged if none of it stands. */
function chargeOf(expected: number, times: StepTimes): number {
  return CAUTION * (lossOf(expected, times) + 1) - 1;
}

/** A draft that is under way is charged and not followed by a try; a step without one adds a lag. */
function whileJudged(
  settings: Settings,
  state: AutomaticLengthState,
  drafted: number,
): AutomaticLengthState {
  if (drafted === 0) return { ...state, idle: state.idle + 1 };
  const lost = chargeOf(expectedTime(settings, state, drafted), state.times);
  return { ...charged(state, 1, lost), idle: 0, wait: settings.retry };
}

function afterDraft(
  settings: Settings,
  state: AutomaticLengthState,
  report: StepReport,
): AutomaticLengthState {
  const { drafted, accepted } = report;
  const expected = expectedTime(settings, state, drafted);
  const times = afterDraftStep(state.times, report, expected);
  const lost = chargeOf(expected, times) - accepted;
  // A try that succeeds is followed by the next one at once.
  const wait = accepted === drafted ? 0 : settings.retry;
  const next = {
    ...charged(state, accepted + 1, lost),
    times,
    wait,
    idle: 0,
    reached: Math.max(state.reached, drafted),
  };
  return taught(next, accepted, Math.min(drafted, accepted + 1), settings);
}

/**
 * The number of tokens that gives the most tokens per second by the running acceptance estimate
 * (Leviathan et al. 2023, section 3.3): `(1 - a^(gamma+1)) / (1 - a)` tokens for a step's time, the
 * pass, the draft and the host's work together. It changes only where another length is clearly
 * better, and is 0, that is plain decoding, where no draft clearly pays.
 *
 * A draft is never longer than what may be lost if none of it stands: the gains so far, .025 of the
 * first 64 tokens and .01 of the later ones. So a text of 16 tokens or more, however the draft
 * misleads, takes no longer than 1.025 times plain decoding, and a shorter one .4 of a step at most:
 * the share of 16 tokens is given in advance to drafts that take time, which lag the more the longer
 * they wait, and to those whose guesses came true. The share also pays for a token tried now and then
 * while plain decoding is faster, in case the text has become easier; drafts that guess need no tries.
 *
 * Times begin as the given costs and follow what steps report of themselves, against those of steps
 * without a draft: a text begins with two of these, and one comes after 32 drafts. Reports without
 * times leave the costs as they are. Lengths may follow the clock, texts do not: any length is exact.
 *
 * @example
 * ```ts
 * import { automaticLength } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const seconds = { prefill: 0, draft: 0, target: 1, verify: 0, host: 0 };
 * const plain = { drafted: 0, accepted: 0, emitted: 1, guessed: true, seconds };
 * const lengthsOf = (draftCost: number) => {
 *   const rule = automaticLength({ draftCost });
 *   const second = rule.step(rule.step(rule.init(), plain), plain);
 *   const third = rule.step(second, { ...plain, drafted: 1, accepted: 1, emitted: 2 });
 *   return [rule.init(), second, third].map((state) => rule.gamma(state));
 * };
 * assertEquals([lengthsOf(1), lengthsOf(0)], [[0, 0, 0], [0, 1, 3]]);
 * ```
 */
export function automaticLength(
  options: AutomaticLengthOptions,
): DraftLength<AutomaticLengthState> {
  const settings = settingsOf(options);
  // A draft that takes time does not guess and lags the more the longer it waits.
  const advance = options.draftCost + (options.blockCost ?? 0) > 0 ? ADVANCE : 0;
  const start = { ...UNSEEN, wait: settings.retry, advance, credit: allowance(0, advance) };
  const first = settled(start, settings.choices);
  // Where no draft can pay there is nothing to learn, and steps cost what plain ones do.
  const isPlain = settings.trial(1) === 0;
  if (isPlain) return { init: () => first, gamma: () => 0, step: (state) => state, isPlain };
  return {
    init: () => first,
    gamma: (state) => gammaOf(settings, state),
    awaiting: (state, drafted) => whileJudged(settings, state, drafted),
    step: (state, report) =>
      report.drafted === 0
        ? afterPlain(settings, state, report)
        : afterDraft(settings, state, report),
  };
}
