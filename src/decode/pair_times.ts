/**
 * Times of steps with and without a draft, in turns, on a text that is set back after each.
 *
 * @module
 */
import { keyOf } from "../core/random.ts";
import type { Decoder, Seconds } from "./decoder.ts";
import type { Draft } from "./draft.ts";
import type { DraftLength } from "./draft_length.ts";
import type { LanguageModel, TokenId } from "./language_model.ts";
import { speculative } from "./speculative.ts";
import { median } from "./step_times.ts";
import type { Clock } from "./text_state.ts";
import { useOnce } from "./use_once.ts";
import type { Verify } from "./verify.ts";
import type { Warp } from "./warp.ts";

/** Least and most pairs of steps; the first pair compiles and does not count. */
const PAIRS = { least: 4, most: 500 };
/** Seconds that pairs of one length take: fast models need many until engines are warm. */
const PAIRS_SECONDS = 0.12;
/** What is timed: a decoder's parts. */
export interface Parts<Cache, DraftState> {
  readonly target: LanguageModel<Cache>;
  readonly draft: Draft<DraftState, Cache>;
  readonly warp: Warp;
  readonly verify: Verify;
  readonly now: Clock;
}

/** Where the time of steps goes; all but the pass's seconds is over the time of a pass of one row. */
export interface PairTimes {
  /** Seconds of a target pass of one row. */
  readonly passSeconds: number;
  readonly plain: Seconds;
  readonly drafting: Seconds;
}

/** No draft and one of `gamma` tokens in turns, as they follow each other in decoding. */
function inTurns(gamma: number): DraftLength<number> {
  return { init: () => 0, gamma: (step) => step % 2 * gamma, step: (step) => step + 1 };
}

/** The later half of many times: in the earlier one engines still compile. */
function warm<T>(times: readonly T[]): readonly T[] {
  return times.length < 2 * PAIRS.least ? times : times.slice(times.length / 2);
}

/** Medians, since the fastest of each is not what is usual. */
function medians(times: readonly Seconds[]): Seconds {
  const of = (part: keyof Seconds) => median(times.map((seconds) => seconds[part]));
  return {
    prefill: of("prefill"),
    draft: of("draft"),
    target: of("target"),
    verify: of("verify"),
    host: of("host"),
  };
}

/** Times over those of a pass, which a coarse clock may not have seen. */
function over({ prefill, draft, target, verify, host }: Seconds, pass: Seconds): Seconds {
  const unit = Math.max(pass.target, Number.EPSILON);
  return {
    prefill: prefill / unit,
    draft: draft / unit,
    target: target / unit,
    verify: verify / unit,
    host: host / unit,
  };
}

/** Both steps of a pair are divided by the same pass, so that a slow moment slows all of it. */
function pairTimesOf(pairs: readonly (readonly [plain: Seconds, drafting: Seconds])[]): PairTimes {
  const known = warm(pairs);
  return {
    passSeconds: median(known.map(([plain]) => plain.target)),
    plain: medians(known.map(([plain]) => over(plain, plain))),
    drafting: medians(known.map(([plain, drafting]) => over(drafting, plain))),
  };
}

/**
 * Times of steps without a draft and with one of `gamma` tokens, in turns, on a text that is set back
 * after each; the draft model lags `lag` tokens behind what it needs to have read.
 */
export async function pairTimes<Cache, DraftState>(
  parts: Parts<Cache, DraftState>,
  gamma: number,
  tokens: number,
  lag: number,
): Promise<PairTimes> {
  const { target, draft } = parts;
  const text = new Array<number>(tokens).fill(0);
  const decoder = speculative({ ...parts, gamma: inTurns(gamma) });
  return await timesInTurns(decoder, text, parts.now, (next) => ({
    ...next,
    text,
    cache: target.truncate(next.cache, tokens - 1),
    draft: draft.commit(next.draft, tokens - 1 - lag),
    mark: useOnce("decoder state"),
  }));
}

/** Times of a decoder's steps without and with a draft, which it makes in turns, behind one text. */
export async function timesInTurns<State>(
  decoder: Decoder<State>,
  text: readonly TokenId[],
  now: Clock,
  setBack: (next: State) => State,
): Promise<PairTimes> {
  const pairs: [plain: Seconds, drafting: Seconds][] = [];
  let state: State = await decoder.init(text, keyOf(0));
  const secondsOfStep = async (): Promise<Seconds> => {
    const { state: next, report } = await decoder.step(state);
    state = setBack(next);
    return report.seconds;
  };
  try {
    const first = now();
    for (let pair = 0; pair < PAIRS.most; pair++) {
      const plain = await secondsOfStep();
      const drafting = await secondsOfStep();
      if (pair > 0) pairs.push([plain, drafting]);
      if (pair + 1 >= PAIRS.least && now() - first >= PAIRS_SECONDS) break;
    }
  } finally {
    decoder.close(state);
  }
  return pairTimesOf(pairs);
}
