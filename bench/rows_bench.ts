/**
 * The cost curve v(M) of SmolLM2-135M-Instruct, the time of a pass of M rows over that of one row,
 * and the share of the machine's stream bandwidth that decoding uses.
 *
 *     deno bench -A bench/rows_bench.ts
 *     deno run -A bench/rows_bench.ts --json
 *
 * @module
 */
import type { WeightType } from "@outrider/outrider/io";
import { someTokens, timedGreedy } from "./harness/decoding.ts";
import { bytesPerPass, type OpenModel, openOn, smolLm2 } from "./harness/models.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { runRounds, type Side } from "./harness/rounds.ts";
import { type Ratio, ratioOf, type Series, type Target } from "./harness/statistics.ts";
import { type MemoryStream, openStream } from "./harness/stream_bandwidth.ts";

interface Settings {
  readonly dtypes: readonly WeightType[];
  readonly threads: readonly number[];
  /** The values of M. */
  readonly rows: readonly number[];
  /** Tokens in the cache. */
  readonly context: number;
  /** Passes of one measurement. */
  readonly passes: number;
  readonly decodeTokens: number;
  readonly streamBytes: number;
  readonly rounds: number;
  readonly warmUp: number;
}

/** v(4) is held against these. */
const FOUR_ROWS: Readonly<Partial<Record<WeightType, Target>>> = {
  f32: { floor: 1.3, aim: 1.1 },
  q8: { floor: 2, aim: 1.6 },
};
/** The share of the stream bandwidth is held against this. */
const SHARE: Readonly<Partial<Record<WeightType, Target>>> = { q8: { floor: 0.6, aim: 0.8 } };

/** Milliseconds of a pass of M rows after a context. */
function rowsSide({ model }: OpenModel, rows: number, name: string, settings: Settings): Side {
  const context = someTokens(settings.context, model.vocabulary);
  const tokens = someTokens(rows, model.vocabulary);
  const measure = async (): Promise<number> => {
    let { cache } = await model.forward(model.open(), context, 0);
    let milliseconds = 0;
    for (let pass = 0; pass < settings.passes; pass++) {
      const start = performance.now();
      const passed = await model.forward(cache, tokens, rows);
      milliseconds += performance.now() - start;
      cache = model.truncate(passed.cache, context.length);
    }
    model.close(cache);
    return milliseconds / settings.passes;
  };
  return { name, unit: "ms", measure };
}

/** GB/s of weights that decoding reads. */
function decodeSide(opened: OpenModel, name: string, { decodeTokens, context }: Settings): Side {
  const bytes = bytesPerPass(opened.parameters);
  const prompt = someTokens(context, opened.model.vocabulary);
  const measure = async (): Promise<number> => {
    const { tokens, seconds } = await timedGreedy(opened.model, prompt, decodeTokens);
    return bytes * tokens.length / seconds / 1e9;
  };
  return { name, unit: "GB/s", measure };
}

async function curve(
  bench: Bench,
  opened: OpenModel,
  dtype: WeightType,
  settings: Settings,
  stream: MemoryStream,
): Promise<Findings> {
  const label = `${dtype}, ${opened.threads} threads`;
  const sides: Side[] = [
    { name: `stream read, ${opened.threads} threads`, unit: "GB/s", measure: stream.measure },
    decodeSide(opened, `weights read in decoding, ${label}`, settings),
    ...settings.rows.map((rows) => rowsSide(opened, rows, `${rows} rows, ${label}`, settings)),
  ];
  const series = await runRounds(sides, bench.roundOptions(label, settings));
  return { series, ratios: ratiosOf(series, dtype, label, settings), remarks: [] };
}

function ratiosOf(
  [stream, decode, single, ...others]: readonly Series[],
  dtype: WeightType,
  label: string,
  { rows }: Settings,
): Ratio[] {
  const share = `share of the stream bandwidth, ${label}`;
  return [
    ratioOf(share, decode, stream, SHARE[dtype]),
    ...others.map((series, i) => {
      const target = rows[i + 1] === 4 ? FOUR_ROWS[dtype] : {};
      return ratioOf(`v(${rows[i + 1]}), ${label}`, series, single, { ...target, better: "less" });
    }),
  ];
}

await runBench(import.meta, {
  name: "rows_bench",
  summary: "The cost of M rows over one, and the share of the stream bandwidth in decoding.",
  flags: benchFlags,
  settings: {
    dtypes: ["f32", "q8", "q4", "keep"],
    threads: [2],
    rows: [1, 2, 4, 8, 16],
    context: 64,
    passes: 6,
    decodeTokens: 16,
    streamBytes: 2 ** 28,
    rounds: 5,
    // A pass is fast once the engine has optimised its kernels, which takes some tens of passes.
    warmUp: 5,
  },
  quick: {
    dtypes: ["f32", "q8", "q4", "keep"],
    threads: [1, 2],
    rows: [1, 2, 4],
    context: 8,
    passes: 1,
    decodeTokens: 4,
    streamBytes: 2 ** 26,
    rounds: 2,
    warmUp: 1,
  },
}, async (bench, settings: Settings) => {
  const path = await bench.attempt("SmolLM2", smolLm2);
  if (path === undefined) return joinFindings([]);
  const found: Findings[] = [];
  for (const threads of settings.threads) {
    const stream = await openStream(threads, settings.streamBytes);
    for (const dtype of settings.dtypes) {
      const label = `${dtype}, ${threads} threads`;
      if (!bench.wants(label)) continue;
      const opened = await bench.attempt(label, () => openOn(threads, path, dtype));
      if (opened === undefined) continue;
      found.push(await curve(bench, opened, dtype, settings, stream));
      opened.close();
    }
    stream.close();
  }
  return joinFindings(found);
});
