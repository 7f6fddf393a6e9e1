/**
 * The cost curve that decides whether speculation pays: v(M), the time of M rows over that of one,
 * and the time of a draft step over that of a target pass.
 *
 * @module
 */
import type { LanguageModel } from "./language_model.ts";
import { type Clock, machineClock } from "./text_state.ts";

/** What `automaticLength` decides from. */
export interface Costs {
  /** Time of one drafted token over that of a target pass of one row; 0 without a draft model. */
  readonly draftCost: number;
  /** Time that each further token adds to a draft model's first pass; 0 without a draft model. */
  readonly catchUpCost: number;
  /** v(M): time of a target pass of M rows over that of one row. */
  readonly rowsCost: (rows: number) => number;
  /** The measured points of v(M), by M. */
  readonly points: readonly (readonly [rows: number, cost: number])[];
  /** The lengths of drafts whose passes were measured. */
  readonly lengths: readonly number[];
  /** Seconds of a target pass of one row. */
  readonly passSeconds: number;
}

/** Row counts that are measured; between them v(M) is linear. */
const MEASURED_ROWS = [1, 2, 4, 8];
/** Those of a draft model, which reads what was written without it. */
const MEASURED_DRAFT_ROWS = [1, 8];
/** Least and most pairs of passes; the first pair compiles and does not count. */
const PAIRS = { least: 4, most: 500 };
/** Seconds that pairs of one row count take: fast models need many until engines are warm. */
const PAIRS_SECONDS = 0.12;
/** Rows in the cache while measuring. */
const CONTEXT_ROWS = 16;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

/** The later half of many times: in the earlier one engines still compile. */
function warm(times: readonly number[]): readonly number[] {
  return times.length < 2 * PAIRS.least ? times : times.slice(times.length / 2);
}

/**
 * Times of passes of one row and of `rows` rows, in turns as in decoding, where a pass also costs
 * what the other one left behind. Medians, since the fastest pass of each is not what is usual.
 */
async function pairSeconds(
  pass: (rows: number) => Promise<void>,
  rows: number,
  now: Clock,
): Promise<{ readonly single: number; readonly many: number }> {
  const first = now();
  const [singles, manies]: [number[], number[]] = [[], []];
  for (let pair = 0; pair < PAIRS.most; pair++) {
    const started = now();
    await pass(1);
    const between = now();
    await pass(rows);
    const ended = now();
    if (pair > 0) {
      singles.push(between - started);
      manies.push(ended - between);
    }
    if (pair + 1 >= PAIRS.least && ended - first >= PAIRS_SECONDS) break;
  }
  return { single: median(warm(singles)), many: median(warm(manies)) };
}

/** What passes of some row counts take: the seconds of one row, and the others' times over it. */
async function curveOf<Cache>(
  model: LanguageModel<Cache>,
  rowCounts: readonly number[],
  now: Clock,
): Promise<{ readonly seconds: number; readonly costs: readonly number[] }> {
  const room = Math.max(1, Math.min(CONTEXT_ROWS, model.contextLength - Math.max(...rowCounts)));
  const context = new Array<number>(room).fill(0);
  const costs: number[] = [];
  let seconds = 0;
  let cache = model.open();
  const pass = async (rows: number): Promise<void> => {
    const result = await model.forward(cache, new Array<number>(rows).fill(0), rows);
    cache = model.truncate(result.cache, room);
  };
  try {
    cache = (await model.forward(cache, context, 0)).cache;
    for (const rows of rowCounts) {
      const { single, many } = await pairSeconds(pass, rows, now);
      seconds = single;
      costs.push(rows === 1 ? 1 : many / single);
    }
  } finally {
    model.close(cache);
  }
  return { seconds, costs };
}

/** Linear between measured points, and on along the last two beyond them. */
function interpolated(points: readonly (readonly [number, number])[], rows: number): number {
  const after = points.findIndex(([measured]) => measured >= rows);
  const right = after === -1 ? points.length - 1 : Math.max(1, after);
  const [[x0, y0], [x1, y1]] = [points[right - 1], points[right]];
  return y0 + (y1 - y0) * (rows - x0) / (x1 - x0);
}

/** What a draft model takes, in target passes of the given seconds. */
async function draftCosts<Cache>(
  draft: LanguageModel<Cache>,
  passSeconds: number,
  now: Clock,
): Promise<Pick<Costs, "draftCost" | "catchUpCost">> {
  const [one, many] = MEASURED_DRAFT_ROWS;
  const counts = many < draft.contextLength ? [one, many] : [one];
  const { seconds, costs: [single, more = single] } = await curveOf(draft, counts, now);
  const draftCost = seconds / passSeconds;
  return { draftCost, catchUpCost: draftCost * Math.max(0, more - single) / (many - one) };
}

/**
 * Measures the costs of a target and a draft model, on this machine, now.
 *
 * @example
 * ```ts
 * import { functionModel, measureCosts } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const target = functionModel({ vocabulary: 2, contextLength: 64, logits: () => [0, 1] });
 * let time = 0; // a clock that says that every pass takes a second
 * const costs = await measureCosts(target, undefined, () => time++);
 * assertEquals([costs.rowsCost(1), costs.rowsCost(6), costs.draftCost], [1, 1, 0]);
 * ```
 */
export async function measureCosts<Target, Draft>(
  target: LanguageModel<Target>,
  draft?: LanguageModel<Draft>,
  now: Clock = machineClock,
): Promise<Costs> {
  const counts = MEASURED_ROWS.filter((rows) => rows === 1 || rows < target.contextLength);
  const { seconds, costs } = await curveOf(target, counts, now);
  const points = counts.map((rows, i) => [rows, costs[i]] as const);
  const drafting = draft === undefined ? { draftCost: 0, catchUpCost: 0 } : await draftCosts(
    draft,
    seconds,
    now,
  );
  return {
    ...drafting,
    rowsCost: (rows) => points.length < 2 ? rows : interpolated(points, rows),
    points,
    lengths: counts.slice(1).map((rows) => rows - 1),
    passSeconds: seconds,
  };
}
