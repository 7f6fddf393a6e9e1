/**
 * The costs that decide whether speculation pays: v(M), the time of M rows over that of one, the
 * time of a draft step and that of the host's own work.
 *
 * @module
 */
import { keyOf } from "../core/random.ts";
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { Seconds } from "./decoder.ts";
import type { Draft } from "./draft.ts";
import type { DraftLength } from "./draft_length.ts";
import { draftModel } from "./draft_model.ts";
import { type LanguageModel, oneHot } from "./language_model.ts";
import { speculative } from "./speculative.ts";
import { median } from "./step_times.ts";
import { type Clock, machineClock } from "./text_state.ts";
import { useOnce } from "./use_once.ts";
import type { Verify } from "./verify.ts";
import { verifyBlock } from "./verify_block.ts";
import { temperature, type Warp } from "./warp.ts";

/** What `automaticLength` decides from; times are over that of a target pass of one row. */
export interface Costs {
  /** Time of one drafted token; 0 without a draft model. */
  readonly draftCost: number;
  /** Time that each further token adds to a draft model's first pass; 0 without a draft model. */
  readonly catchUpCost: number;
  /** v(M): time of a target pass of M rows. */
  readonly rowsCost: (rows: number) => number;
  /** Time of a step's work outside both models, by the number of drafted tokens. */
  readonly hostCost: (drafted: number) => number;
  /** The measured points of v(M), by M. */
  readonly points: readonly (readonly [rows: number, cost: number])[];
  /** The lengths of drafts whose passes were measured. */
  readonly lengths: readonly number[];
  /** Seconds of a target pass of one row. */
  readonly passSeconds: number;
}

/** How decoding will go on, where that matters for its costs. */
export interface MeasureOptions {
  /** What will shape the distributions; `temperature(0)` if left out. */
  readonly warp?: Warp;
  /** The rule that will judge; `verifyBlock` if left out. */
  readonly verify?: Verify;
  /** A clock in seconds; the machine's if left out. */
  readonly now?: Clock;
  /** The draft model's vocabulary, where it is trimmed. */
  readonly vocabulary?: TrimmedVocabulary;
}

/** Lengths of drafts that are measured, up to where longer ones cannot pay; between is linear. */
const MEASURED_LENGTHS = [1, 3, 7, 15];
/** Tokens that a draft model is let lag behind, to see what catching up takes. */
const MEASURED_LAG = 7;
/** Least and most pairs of steps; the first pair compiles and does not count. */
const PAIRS = { least: 4, most: 500 };
/** Seconds that pairs of one length take: fast models need many until engines are warm. */
const PAIRS_SECONDS = 0.12;
/** Tokens of the text while measuring. */
const CONTEXT_TOKENS = 16;

/** What is timed: a decoder's parts. */
interface Parts<Cache, DraftState> {
  readonly target: LanguageModel<Cache>;
  readonly draft: Draft<DraftState, Cache>;
  readonly warp: Warp;
  readonly verify: Verify;
  readonly now: Clock;
}

/** Where the time of steps goes; all but the pass's seconds is over the time of a pass of one row. */
interface PairTimes {
  /** Seconds of a target pass of one row. */
  readonly passSeconds: number;
  readonly plain: Seconds;
  readonly drafting: Seconds;
}

/** A drafter without a model: what it proposes costs nothing to find. */
const zeros: Draft<null> = {
  init: () => Promise.resolve(null),
  propose: (state, { gamma, vocabulary }) => {
    const tokens = new Array<number>(gamma).fill(0);
    const probs = tokens.map((token) => oneHot(vocabulary, token));
    return Promise.resolve({ state, tokens, probs });
  },
  commit: () => null,
  close: () => {},
};

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
async function pairTimes<Cache, DraftState>(
  parts: Parts<Cache, DraftState>,
  gamma: number,
  tokens: number,
  lag: number,
): Promise<PairTimes> {
  const { target, draft, now } = parts;
  const text = new Array<number>(tokens).fill(0);
  const decoder = speculative({ ...parts, gamma: inTurns(gamma) });
  const pairs: [plain: Seconds, drafting: Seconds][] = [];
  let state = await decoder.init(text, keyOf(0));
  const secondsOfStep = async (): Promise<Seconds> => {
    const { state: next, report } = await decoder.step(state);
    state = {
      ...next,
      text,
      cache: target.truncate(next.cache, tokens - 1),
      draft: draft.commit(next.draft, tokens - 1 - lag),
      mark: useOnce("decoder state"),
    };
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

/** All of a step. */
function wholeOf({ draft, target, verify, host }: Seconds): number {
  return draft + target + verify + host;
}

/** Times by length, until a longer draft gains nothing even if all of it stands. */
async function timesByLength<Cache, DraftState>(
  parts: Parts<Cache, DraftState>,
  room: number,
): Promise<ReadonlyMap<number, PairTimes>> {
  const found = new Map<number, PairTimes>();
  const lengths = MEASURED_LENGTHS.filter((gamma) => gamma < room);
  let bestRate = 0;
  for (const gamma of lengths.length === 0 ? [0] : lengths) {
    const times = await pairTimes(parts, gamma, Math.min(CONTEXT_TOKENS, room - gamma), 0);
    found.set(gamma, times);
    const rate = (gamma + 1) * wholeOf(times.plain) / wholeOf(times.drafting);
    if (rate < bestRate) break;
    bestRate = rate;
  }
  return found;
}

/** Linear between measured points, and on along the last two beyond them. */
function interpolated(points: readonly (readonly [number, number])[], at: number): number {
  const after = points.findIndex(([measured]) => measured >= at);
  const right = after === -1 ? points.length - 1 : Math.max(1, after);
  const [[x0, y0], [x1, y1]] = [points[right - 1], points[right]];
  return y0 + (y1 - y0) * (at - x0) / (x1 - x0);
}

/** What a draft model takes, in target passes. */
async function draftCosts<Cache, DraftState>(
  parts: Parts<Cache, DraftState>,
  room: number,
  times: ReadonlyMap<number, PairTimes>,
): Promise<Pick<Costs, "draftCost" | "catchUpCost">> {
  const [gamma] = times.keys();
  const draftCost = median(
    [...times].map(([length, { plain, drafting }]) =>
      drafting.draft / Math.max(1, length) / plain.target
    ),
  );
  const tokens = Math.min(CONTEXT_TOKENS, room - gamma);
  const lag = Math.min(MEASURED_LAG, tokens - 1);
  if (lag === 0) return { draftCost, catchUpCost: draftCost };
  const { drafting } = await pairTimes(parts, gamma, tokens, lag);
  const more = drafting.draft - gamma * draftCost;
  return { draftCost, catchUpCost: Math.max(0, more) / lag };
}

/** The costs that times of steps come down to. */
function costsOf(
  times: ReadonlyMap<number, PairTimes>,
  drafting: Pick<Costs, "draftCost" | "catchUpCost">,
): Costs {
  const measured = [...times].filter(([gamma]) => gamma > 0);
  const all = [...times.values()];
  const points: [number, number][] = [[1, 1]];
  const hostPoints: [number, number][] = [
    [0, median(all.map(({ plain }) => plain.verify + plain.host))],
  ];
  for (const [gamma, { drafting: step }] of measured) {
    points.push([gamma + 1, step.target]);
    // Without a draft model, what proposing takes is the host's work as well.
    const proposing = drafting.draftCost === 0 ? step.draft : 0;
    hostPoints.push([gamma, proposing + step.verify + step.host]);
  }
  return {
    ...drafting,
    rowsCost: (rows) => points.length < 2 ? rows : interpolated(points, rows),
    hostCost: (drafted) => points.length < 2 ? hostPoints[0][1] : interpolated(hostPoints, drafted),
    points,
    lengths: measured.map(([gamma]) => gamma),
    passSeconds: median(all.map(({ passSeconds }) => passSeconds)),
  };
}

/**
 * Measures the costs of a target and a draft model, on this machine, now: steps without and with a
 * draft in turns, .12 seconds or four pairs for each length of draft.
 *
 * @example
 * ```ts
 * import { functionModel, measureCosts } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const model = functionModel({ vocabulary: 2, contextLength: 64, logits: () => [0, 1] });
 * let time = 0; // the time of a clock by which every pass takes a second
 * const forward: typeof model.forward = (...rows) => (time++, model.forward(...rows));
 * const costs = await measureCosts({ ...model, forward }, undefined, { now: () => time });
 * assertEquals([costs.rowsCost(1), costs.rowsCost(6), costs.draftCost], [1, 1, 0]);
 * ```
 */
export async function measureCosts<Target, Draft>(
  target: LanguageModel<Target>,
  draft?: LanguageModel<Draft>,
  options: MeasureOptions = {},
): Promise<Costs> {
  const { warp = temperature(0), verify = verifyBlock, now = machineClock, vocabulary } = options;
  const shared = { target, warp, verify, now };
  if (draft === undefined) {
    const times = await timesByLength({ ...shared, draft: zeros }, target.contextLength);
    return costsOf(times, { draftCost: 0, catchUpCost: 0 });
  }
  const parts = { ...shared, draft: draftModel(draft, { vocabulary }) };
  const room = Math.min(target.contextLength, draft.contextLength);
  const times = await timesByLength(parts, room);
  return costsOf(times, await draftCosts(parts, room, times));
}
