/**
 * The costs that decide whether speculation pays: v(M), the time of M rows over that of one, the
 * time of a draft step and that of the host's own work.
 *
 * @module
 */
import type { TrimmedVocabulary } from "../nn/trimmed_vocabulary.ts";
import type { Seconds } from "./decoder.ts";
import type { Draft } from "./draft.ts";
import { draftModel } from "./draft_model.ts";
import { type LanguageModel, oneHot } from "./language_model.ts";
import { type PairTimes, pairTimes, type Parts } from "./pair_times.ts";
import { median } from "./step_times.ts";
import { type Clock, machineClock } from "./text_state.ts";
import type { Verify } from "./verify.ts";
import { verifyBlock } from "./verify_block.ts";
import { temperature, type Warp } from "./warp.ts";

/** What `automaticLength` decides from; times are over that of a target pass of one row. */
export interface Costs {
  /** Time that each drafted token takes; 0 without a draft model. */
  readonly draftCost: number;
  /** Time that a draft takes besides, whatever its length: that of a block drafter's pass. */
  readonly blockCost: number;
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

/** The same for a drafter of blocks. */
export interface MeasureBlockOptions extends Omit<MeasureOptions, "vocabulary"> {
  /** The most tokens that it drafts at once. */
  readonly block: number;
}

/** Times that drafting takes, in target passes. */
type DraftingCosts = Pick<Costs, "draftCost" | "blockCost" | "catchUpCost">;

/** Lengths of drafts that are measured, up to where longer ones cannot pay; between is linear. */
const MEASURED_LENGTHS = [1, 3, 7, 15];
/** Tokens that a draft model is let lag behind, to see what catching up takes. */
const MEASURED_LAG = 7;
/** Tokens of the text while measuring. */
const CONTEXT_TOKENS = 16;

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

/** All of a step but the prompt. */
export function wholeOf({ draft, target, verify, host }: Seconds): number {
  return draft + target + verify + host;
}

/** Times by length, until a longer draft gains nothing even if all of it stands. */
async function timesByLength<Cache, DraftState>(
  parts: Parts<Cache, DraftState>,
  measured: readonly number[],
  room: number,
): Promise<ReadonlyMap<number, PairTimes>> {
  const found = new Map<number, PairTimes>();
  const lengths = measured.filter((gamma) => gamma < room);
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
export function interpolated(points: readonly (readonly [number, number])[], at: number): number {
  const after = points.findIndex(([measured]) => measured >= at);
  const right = after === -1 ? points.length - 1 : Math.max(1, after);
  const [[x0, y0], [x1, y1]] = [points[right - 1], points[right]];
  return y0 + (y1 - y0) * (at - x0) / (x1 - x0);
}

/** What drafts take, by their length: so much for each token. */
function costByToken(times: ReadonlyMap<number, PairTimes>): Omit<DraftingCosts, "catchUpCost"> {
  const draftCost = median(
    [...times].map(([length, { plain, drafting }]) =>
      drafting.draft / Math.max(1, length) / plain.target
    ),
  );
  return { draftCost, blockCost: 0 };
}

/** What blocks take, by their length: a pass, and what each token that is drawn from it adds. */
function costByBlock(times: ReadonlyMap<number, PairTimes>): Omit<DraftingCosts, "catchUpCost"> {
  const points = Array.from(
    times,
    ([length, { plain, drafting }]) => [length, drafting.draft / plain.target] as const,
  );
  const [first, last] = [points[0], points[points.length - 1]];
  const tokens = Math.max(1, last[0] - first[0]);
  const draftCost = Math.max(0, last[1] - first[1]) / tokens;
  const blockCost = median(points.map(([length, cost]) => Math.max(0, cost - length * draftCost)));
  return { draftCost, blockCost };
}

/** What catching up takes besides a draft of the shortest length, in target passes. */
async function catchUpCost<Cache, DraftState>(
  parts: Parts<Cache, DraftState>,
  room: number,
  times: ReadonlyMap<number, PairTimes>,
  { draftCost, blockCost }: Omit<DraftingCosts, "catchUpCost">,
): Promise<number> {
  const [gamma] = times.keys();
  const tokens = Math.min(CONTEXT_TOKENS, room - gamma);
  const lag = Math.min(MEASURED_LAG, tokens - 1);
  if (lag === 0) return draftCost;
  const { drafting } = await pairTimes(parts, gamma, tokens, lag);
  return Math.max(0, drafting.draft - blockCost - gamma * draftCost) / lag;
}

/** The costs that times of steps come down to. */
function costsOf(
  times: ReadonlyMap<number, PairTimes>,
  drafting: DraftingCosts,
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
    const proposing = drafting.draftCost + drafting.blockCost === 0 ? step.draft : 0;
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
  const shared = { target, ...howOf(options) };
  if (draft === undefined) {
    const parts = { ...shared, draft: zeros };
    const times = await timesByLength(parts, MEASURED_LENGTHS, target.contextLength);
    return costsOf(times, { draftCost: 0, blockCost: 0, catchUpCost: 0 });
  }
  const parts = { ...shared, draft: draftModel(draft, { vocabulary: options.vocabulary }) };
  const room = Math.min(target.contextLength, draft.contextLength);
  const times = await timesByLength(parts, MEASURED_LENGTHS, room);
  const byToken = costByToken(times);
  return costsOf(times, {
    ...byToken,
    catchUpCost: await catchUpCost(parts, room, times, byToken),
  });
}

/**
 * Measures the costs of a target and a drafter whose pass gives a whole block of tokens, such as a
 * `blockDraft`, as {@link measureCosts} measures those of a draft model.
 *
 * @example
 * ```ts
 * import { type Draft, functionModel, measureBlockCosts, oneHot } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const model = functionModel({ vocabulary: 2, contextLength: 64, logits: () => [0, 1] });
 * let time = 0; // the time of a clock by which a target's pass takes 4 s and a block 1 s
 * const forward: typeof model.forward = (...rows) => (time += 4, model.forward(...rows));
 * const draft: Draft<null> = {
 *   init: () => Promise.resolve(null),
 *   propose: (state, { gamma }) => {
 *     time += 1;
 *     const tokens = Array<number>(gamma).fill(1);
 *     return Promise.resolve({ state, tokens, probs: tokens.map((token) => oneHot(2, token)) });
 *   },
 *   commit: (state) => state,
 *   close: () => {},
 * };
 * const options = { block: 4, now: () => time };
 * const costs = await measureBlockCosts({ ...model, forward }, draft, options);
 * assertEquals([costs.blockCost, costs.draftCost, costs.lengths], [0.25, 0, [1, 3, 4]]);
 * ```
 */
export async function measureBlockCosts<Cache, DraftState>(
  target: LanguageModel<Cache>,
  draft: Draft<DraftState, Cache>,
  options: MeasureBlockOptions,
): Promise<Costs> {
  const { block } = options;
  const parts = { target, draft, ...howOf(options) };
  const shorter = MEASURED_LENGTHS.filter((length) => length < block);
  const times = await timesByLength(parts, [...shorter, block], target.contextLength);
  const byBlock = costByBlock(times);
  const caughtUp = await catchUpCost(parts, target.contextLength, times, byBlock);
  return costsOf(times, { ...byBlock, catchUpCost: caughtUp });
}

function howOf(
  { warp = temperature(0), verify = verifyBlock, now = machineClock }: MeasureOptions,
): Pick<Parts<unknown, unknown>, "warp" | "verify" | "now"> {
  return { warp, verify, now };
}
