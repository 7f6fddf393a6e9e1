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
  /** Seconds of a target pass of one row. */
  readonly passSeconds: number;
}

/** Row counts that are measured; between them v(M) is linear. */
const MEASURED_ROWS = [1, 2, 4, 8];
/** Those of a draft model, which reads what was written without it. */
const MEASURED_DRAFT_ROWS = [1, 8];
/** Passes per row count: the first compiles and warms up, the fastest of the others counts. */
const PASSES = 4;
/** Rows in the cache while measuring. */
const CONTEXT_ROWS = 16;

async function secondsOf<Cache>(
  model: LanguageModel<Cache>,
  rowCounts: readonly number[],
  now: Clock,
): Promise<number[]> {
  const room = Math.max(1, Math.min(CONTEXT_ROWS, model.contextLength - Math.max(...rowCounts)));
  const context = new Array<number>(room).fill(0);
  const found: number[] = [];
  let cache = model.open();
  try {
    cache = (await model.forward(cache, context, 0)).cache;
    for (const rows of rowCounts) {
      const times: number[] = [];
      for (let pass = 0; pass < PASSES; pass++) {
        const started = now();
        const result = await model.forward(cache, new Array<number>(rows).fill(0), rows);
        times.push(now() - started);
        cache = model.truncate(result.cache, room);
      }
      found.push(Math.min(...times.slice(1)));
    }
  } finally {
    model.close(cache);
  }
  return found;
}

/** Linear between measured points, and on along the last two beyond them. */
function interpolated(points: readonly (readonly [number, number])[], rows: number): number {
  const after = points.findIndex(([measured]) => measured >= rows);
  const right = after === -1 ? points.length - 1 : Math.max(1, after);
  const [[x0, y0], [x1, y1]] = [points[right - 1], points[right]];
  return y0 + (y1 - y0) * (rows - x0) / (x1 - x0);
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
  const counts = MEASURED_ROWS.filter((rows) => rows < target.contextLength);
  const seconds = await secondsOf(target, counts, now);
  const [single] = seconds;
  const points = counts.map((rows, i) => [rows, seconds[i] / single] as const);
  const draftContext = draft?.contextLength ?? 0;
  const draftCounts = MEASURED_DRAFT_ROWS.filter((rows) => rows === 1 || rows < draftContext);
  const draftSeconds = draft === undefined ? [0] : await secondsOf(draft, draftCounts, now);
  const [draftOne, draftMany = draftOne] = draftSeconds;
  const [, most = 2] = draftCounts;
  return {
    draftCost: draftOne / single,
    catchUpCost: Math.max(0, draftMany - draftOne) / (most - 1) / single,
    rowsCost: (rows) => points.length < 2 ? rows : interpolated(points, rows),
    points,
    passSeconds: single,
  };
}
