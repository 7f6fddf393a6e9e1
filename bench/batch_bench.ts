/**
 * Batched decoding of SmolLM2-135M-Instruct in q8: 16 sequences in one step against one sequence.
 *
 *     deno bench -A bench/batch_bench.ts
 *     deno run -A bench/batch_bench.ts --json
 *
 * @module
 */
import { batchSide, type BatchTexts } from "./harness/batches.ts";
import { openOn, smolLm2 } from "./harness/models.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { runRounds } from "./harness/rounds.ts";
import { type Ratio, ratioOf, type Series, type Target } from "./harness/statistics.ts";

interface Settings {
  readonly threads: readonly number[];
  /** Sequences at work together, one first. */
  readonly sequences: readonly number[];
  readonly texts: BatchTexts;
  readonly rounds: number;
  readonly warmUp: number;
}

/** What 16 sequences are held against. */
const SIXTEEN: Target = { floor: 4, aim: 7 };

function ratiosOf(
  [single, ...others]: readonly Series[],
  label: string,
  counts: readonly number[],
) {
  return others.map((series, i): Ratio => {
    const count = counts[i + 1];
    const name = `${count} sequences / 1 sequence, ${label}`;
    return ratioOf(name, series, single, count === 16 ? SIXTEEN : {});
  });
}

async function measure(
  bench: Bench,
  threads: number,
  path: string,
  settings: Settings,
): Promise<Findings> {
  const label = `q8, ${threads} threads`;
  const opened = await bench.attempt(label, () => openOn(threads, path, "q8"));
  if (opened === undefined) return joinFindings([]);
  const sides = settings.sequences.map((count) =>
    batchSide(opened, count, settings.texts, `${count} sequences, ${label}`)
  );
  const series = await runRounds(sides, bench.roundOptions(label, settings));
  opened.close();
  return { series, ratios: ratiosOf(series, label, settings.sequences), remarks: [] };
}

await runBench(import.meta, {
  name: "batch_bench",
  summary: "Many sequences in one step against one sequence.",
  flags: benchFlags,
  settings: {
    threads: [1, 2],
    sequences: [1, 4, 16],
    texts: { promptTokens: 8, newTokens: 38 },
    rounds: 3,
    warmUp: 1,
  },
  quick: {
    threads: [1],
    sequences: [1, 4],
    texts: { promptTokens: 4, newTokens: 10 },
    rounds: 2,
    warmUp: 1,
  },
}, async (bench, settings: Settings) => {
  const path = await bench.attempt("SmolLM2", smolLm2);
  const found: Findings[] = [];
  for (const threads of path === undefined ? [] : settings.threads) {
    if (path !== undefined && bench.wants(`${threads} threads`)) {
      found.push(await measure(bench, threads, path, settings));
    }
  }
  return joinFindings(found);
});
