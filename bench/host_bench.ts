/**
 * The host's share of a decode step: the time of a greedy step of SmolLM2-135M-Instruct that is not
 * spent running a compiled plan, but binding it, reading logits, choosing a token, keeping books.
 *
 *     deno bench -A bench/host_bench.ts
 *     deno run -A bench/host_bench.ts --json
 *
 * @module
 */
import type { WeightType } from "@outrider/outrider/io";
import type { Backend } from "@outrider/outrider/runtime";
import { someTokens, timedGreedy } from "./harness/decoding.ts";
import { openOn, smolLm2 } from "./harness/models.ts";
import { benchFlags, runBench } from "./harness/program.ts";
import { joinFindings } from "./harness/report.ts";
import { runRounds, type Side } from "./harness/rounds.ts";
import { ratioOf, seriesOf } from "./harness/statistics.ts";

interface Settings {
  readonly dtypes: readonly WeightType[];
  readonly threads: readonly number[];
  readonly context: number;
  readonly tokens: number;
  readonly rounds: number;
  readonly warmUp: number;
}

/** What the host's share is held against. */
const SHARE = { floor: 0.05, aim: 0.02, better: "less" } as const;

/** Adds up the time that plans take to run. */
function watched(backend: Backend, onRun: (milliseconds: number) => void): Backend {
  return {
    name: backend.name,
    allocate: (bytes) => backend.allocate(bytes),
    release: (allocation) => backend.release(allocation),
    write: (allocation, bytes, offset) => backend.write(allocation, bytes, offset),
    read: (allocation, offset, length) => backend.read(allocation, offset, length),
    view: backend.view,
    close: () => backend.close(),
    prepare: (plan) => {
      const executable = backend.prepare(plan);
      return {
        plan: executable.plan,
        release: () => executable.release(),
        run: (inputs, outputs) => {
          const start = performance.now();
          executable.run(inputs, outputs);
          onRun(performance.now() - start);
        },
      };
    },
  };
}

/** The share of decoding that runs no plan, and how to give the model back. */
async function hostSide(
  path: string,
  dtype: WeightType,
  threads: number,
  { context, tokens }: Settings,
): Promise<Side & { readonly close: () => void }> {
  let running = 0;
  const around = (backend: Backend) => watched(backend, (time) => running += time);
  const { model, close } = await openOn(threads, path, dtype, around);
  const prompt = someTokens(context, model.vocabulary);
  const measure = async (): Promise<number> => {
    const { seconds } = await timedGreedy(model, prompt, tokens, () => running = 0);
    return 1 - running / 1000 / seconds;
  };
  return { name: `host share, ${dtype}, ${threads} threads`, unit: "of 1", measure, close };
}

await runBench(import.meta, {
  name: "host_bench",
  summary: "The share of a decode step that the host takes.",
  flags: benchFlags,
  settings: {
    dtypes: ["q8", "keep"],
    threads: [1, 2],
    context: 64,
    tokens: 32,
    rounds: 7,
    warmUp: 1,
  },
  quick: { dtypes: ["keep"], threads: [1], context: 2, tokens: 6, rounds: 2, warmUp: 1 },
}, async (bench, settings: Settings) => {
  const path = await bench.attempt("SmolLM2", smolLm2);
  if (path === undefined) return joinFindings([]);
  const sides: Awaited<ReturnType<typeof hostSide>>[] = [];
  for (const dtype of settings.dtypes) {
    for (const threads of settings.threads) {
      const name = `${dtype}, ${threads} threads`;
      if (!bench.wants(name)) continue;
      const side = await bench.attempt(name, () => hostSide(path, dtype, threads, settings));
      if (side !== undefined) sides.push(side);
    }
  }
  const series = await runRounds(sides, bench.roundOptions("host", settings));
  sides.forEach(({ close }) => close());
  const ratios = series.map((one) => {
    const whole = seriesOf("the whole step", "of 1", one.values.map(() => 1));
    return ratioOf(`${one.name} / whole step`, one, whole, SHARE);
  });
  return { series, ratios, remarks: [] };
});
