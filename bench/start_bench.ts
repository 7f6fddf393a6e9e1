/**
 * From the start of the process to the first token of SmolLM2-135M-Instruct's answer, files in the
 * system's cache, in turns with llama.cpp under Node.
 *
 *     deno bench -A bench/start_bench.ts
 *     deno run -A bench/start_bench.ts --json
 *
 * @module
 */
import { encodeChat, openModel, type WeightType } from "@outrider/outrider/io";
import { smolLm2 } from "./harness/models.ts";
import { startPeer } from "./harness/peer_process.ts";
import { startLlamaCpp } from "./harness/peers.ts";
import { benchFlags, runBench } from "./harness/program.ts";
import { joinFindings } from "./harness/report.ts";
import { runRounds, type Side } from "./harness/rounds.ts";
import { type Ratio, ratioOf, type Series, seriesOf } from "./harness/statistics.ts";

interface Settings {
  readonly dtypes: readonly WeightType[];
  readonly threads: readonly number[];
  readonly rounds: number;
  readonly warmUp: number;
}

const QUESTION = "Why is the sky blue?";
const PROGRAM = new URL("harness/first_token.ts", import.meta.url).pathname;
const PROJECT = new URL("..", import.meta.url).pathname;

/** What the fastest of our ways is held against, in seconds. */
const SECONDS = { floor: 1.5, aim: 0.7, better: "less" } as const;

/** Where our seconds went, by stage, as the program says at its end. */
type Stages = Map<string, number>;

function ourSide(path: string, dtype: WeightType, threads: number, stages: Stages): Side {
  const command = {
    name: "ours",
    program: Deno.execPath(),
    args: ["run", "-A", PROGRAM, path, dtype, String(threads), QUESTION],
    cwd: PROJECT,
  };
  const measure = async (): Promise<number> => {
    const start = performance.now();
    const process = await startPeer(command);
    const seconds = (performance.now() - start) / 1000;
    await process.close();
    for (const [stage, at] of Object.entries(Object(process.greeting.seconds))) {
      stages.set(stage, Number(at));
    }
    return seconds;
  };
  return { name: `ours, ${dtype}, ${threads} threads`, unit: "s", measure };
}

async function peerSide(
  path: string,
  threads: number,
  log: (text: string) => void,
): Promise<Side> {
  const file = await openModel(path);
  const prompt = encodeChat(file.tokenizer, [{ role: "user", content: QUESTION }]);
  file.close();
  const measure = async (): Promise<number> => {
    const start = performance.now();
    const peer = await startLlamaCpp(log);
    await peer.ask({ command: "load", path, threads: [threads], contextSize: 512 });
    await peer.ask({ command: "decode", threads, prompt, count: 1 });
    const seconds = (performance.now() - start) / 1000;
    await peer.close();
    return seconds;
  };
  return { name: `llama.cpp, ${threads} threads`, unit: "s", measure };
}

function stagesText(name: string, stages: Stages): string {
  const ends = [...stages].map(([stage, seconds]) => `${stage} ${seconds.toFixed(2)} s`);
  return `${name}, last round, from the first line on: ${ends.join(", ")}`;
}

/** The quickest series as a figure of its own, held against the target. */
function bestOf(ours: readonly Series[]): Ratio {
  const best = ours.reduce((least, one) => one.median < least.median ? one : least);
  const second = seriesOf("one second", "s", best.values.map(() => 1));
  return ratioOf(`start to first token in seconds, ${best.name}`, best, second, SECONDS);
}

await runBench(import.meta, {
  name: "start_bench",
  summary: "From the start of the process to the first token.",
  flags: benchFlags,
  settings: { dtypes: ["keep", "q8", "q4"], threads: [1, 2], rounds: 7, warmUp: 1 },
  quick: { dtypes: ["keep"], threads: [1], rounds: 2, warmUp: 1 },
}, async (bench, settings: Settings) => {
  const path = await bench.attempt("SmolLM2", smolLm2);
  if (path === undefined) return joinFindings([]);
  const cores = navigator.hardwareConcurrency;
  const ways = settings.dtypes.flatMap((dtype) =>
    settings.threads.filter((threads) => threads <= cores)
      .map((threads) => ({ dtype, threads, stages: new Map<string, number>() }))
  );
  const sides: Side[] = [];
  const kept: typeof ways = [];
  for (const way of ways) {
    const side = ourSide(path, way.dtype, way.threads, way.stages);
    if (!bench.wants(side.name)) continue;
    if (await bench.attempt(side.name, side.measure) === undefined) continue;
    sides.push(side);
    kept.push(way);
  }
  const peer = await bench.attempt("llama.cpp", async () => {
    const side = await peerSide(path, Math.min(2, cores), bench.log);
    await side.measure();
    return side;
  });
  const all = [...sides, ...(peer === undefined ? [] : [peer])];
  const series = await runRounds(all, bench.roundOptions("start", settings));
  const ours = series.slice(0, sides.length);
  const remarks = kept.map(({ stages }, i) => stagesText(sides[i].name, stages));
  return { series, ratios: ours.length === 0 ? [] : [bestOf(ours)], remarks };
});
