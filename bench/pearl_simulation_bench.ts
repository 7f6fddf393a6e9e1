/**
 * Where drafting and verifying at the same time wins, by algebra: tokens per time of a target pass of
 * plain decoding (1), of speculative decoding at its best draft length, and of PEARL (Liu et al. 2025,
 * arXiv 2408.11850), for ratios of both models' times and acceptance rates. Ratios of 3, 4 and 5 are
 * those that the paper's pairs of models have (draft lengths of its published runs: 3 for 7B and 34B,
 * 4 for 1.3B and 33B, 5 for 7B and 70B). Nothing is timed.
 *
 *     deno run -A bench/pearl_simulation_bench.ts --row-cost 0.1 --json
 *
 * @module
 */
import { formatTable, number } from "@outrider/outrider/cli";
import {
  pearlLength,
  pearlRate,
  publishedPearlRate,
  speculativeRate,
} from "@outrider/outrider/decode";
import { benchFlags, runBench } from "./harness/program.ts";
import type { Findings } from "./harness/report.ts";
import { type Series, seriesOf } from "./harness/statistics.ts";

interface Settings {
  /** Times of a target pass over that of a drafted token. */
  readonly timeRatios: readonly number[];
  readonly acceptances: readonly number[];
  /** Most tokens of a draft. */
  readonly longest: number;
}

/** A way to decode at one ratio and acceptance. */
interface Point {
  readonly timeRatio: number;
  readonly acceptance: number;
  readonly way: string;
  readonly gamma: number;
  readonly rate: number;
}

/** The gamma with the highest rate, the least of equals. */
function best(longest: number, rate: (gamma: number) => number): { gamma: number; rate: number } {
  let found = { gamma: 1, rate: rate(1) };
  for (let gamma = 2; gamma <= longest; gamma++) {
    const candidate = rate(gamma);
    if (candidate > found.rate * (1 + 1e-12)) found = { gamma, rate: candidate };
  }
  return found;
}

function pointsAt(
  timeRatio: number,
  acceptance: number,
  rowCost: number,
  longest: number,
): readonly Point[] {
  const costs = { draftCost: 1 / timeRatio, rowsCost: (rows: number) => 1 + rowCost * (rows - 1) };
  const byRatio = pearlLength(costs, { longest });
  const ways = [
    ["speculative", best(longest, (gamma) => speculativeRate(acceptance, gamma, costs))],
    ["PEARL", best(longest, (gamma) => pearlRate(acceptance, gamma, costs))],
    ["PEARL, gamma for alpha .8", { gamma: byRatio, rate: pearlRate(acceptance, byRatio, costs) }],
    ["PEARL as published", best(longest, (gamma) => publishedPearlRate(acceptance, gamma, costs))],
  ] as const;
  return ways.map(([way, { gamma, rate }]) => ({ timeRatio, acceptance, way, gamma, rate }));
}

/** The rates of every way at one ratio, in the order of the acceptances. */
function seriesAt(points: readonly Point[], timeRatio: number): readonly Series[] {
  const here = points.filter((point) => point.timeRatio === timeRatio);
  return [...new Set(here.map(({ way }) => way))].map((way) => {
    const rates = here.filter((point) => point.way === way).map(({ rate }) => rate);
    return seriesOf(`${way}, ratio ${timeRatio}`, "plain", rates);
  });
}

function tableOf(points: readonly Point[], timeRatio: number): string {
  const here = points.filter((point) => point.timeRatio === timeRatio);
  const ways = [...new Set(here.map(({ way }) => way))];
  const acceptances = [...new Set(here.map(({ acceptance }) => acceptance))];
  const rows = acceptances.map((acceptance) => {
    const row = here.filter((point) => point.acceptance === acceptance);
    const [speculative, pearl] = row;
    return [
      acceptance,
      ...row.map(({ rate, gamma }) => `${rate.toFixed(2)} (${gamma})`),
      (pearl.rate / Math.max(1, speculative.rate)).toFixed(2),
    ];
  });
  return formatTable([`ratio ${timeRatio}, alpha`, ...ways, "PEARL / best other"], rows);
}

await runBench(import.meta, {
  name: "pearl_simulation_bench",
  summary: "Where drafting and verifying at the same time wins, by algebra.",
  flags: {
    ...benchFlags,
    rowCost: number({
      default: 0,
      minimum: 0,
      help: "what each further row of a target pass costs, over a pass of one",
    }),
  },
  settings: {
    timeRatios: [2, 3, 4, 5, 10],
    acceptances: [0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95],
    longest: 24,
  },
  quick: { timeRatios: [4], acceptances: [0.5, 0.8], longest: 8 },
}, (_, settings: Settings, { rowCost }): Promise<Findings> => {
  const { timeRatios, acceptances, longest } = settings;
  const points = timeRatios.flatMap((timeRatio) =>
    acceptances.flatMap((acceptance) => pointsAt(timeRatio, acceptance, rowCost, longest))
  );
  const series = timeRatios.flatMap((timeRatio) => seriesAt(points, timeRatio));
  const remarks = [
    ...timeRatios.map((timeRatio) => tableOf(points, timeRatio)),
    "tokens per time of a plain pass, in brackets the draft length; PEARL on two devices, its models " +
    "at full speed on each",
  ];
  return Promise.resolve({ series, ratios: [], remarks });
});
