/**
 * One AdamW step of a draft (forward, backward, clipping, update) on 8 texts of 256 tokens, in turns
 * with the same Llama in PyTorch; and a step of a perceptron in turns with jax-js.
 *
 *     deno bench -A bench/training_bench.ts
 *     deno run -A bench/training_bench.ts --json
 *
 * @module
 */
import { type LlamaConfig, parameterCount } from "@outrider/outrider/nn";
import type { Device } from "@outrider/outrider/runtime";
import { deviceWith } from "./harness/models.ts";
import { numberIn, type Peer } from "./harness/peer_process.ts";
import { startJaxJs, startTorch } from "./harness/peers.ts";
import { ourPerceptron, type PerceptronSizes } from "./harness/perceptron.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { runRounds, type Side } from "./harness/rounds.ts";
import { fastest, ratioOf, type Series, type Target } from "./harness/statistics.ts";
import {
  type BatchSizes,
  draftOf,
  loadTorch,
  ourTraining,
  type TimedStep,
  torchTraining,
} from "./harness/training.ts";

interface Draft {
  readonly name: string;
  readonly config: LlamaConfig;
  /** Steps of one measurement. */
  readonly steps: number;
  readonly target: Target;
}

interface Settings {
  readonly threads: readonly number[];
  readonly batch: BatchSizes;
  /** Factor on the steps of one measurement. */
  readonly effort: number;
  /** The largest draft that is measured. */
  readonly mostParameters: number;
  readonly rounds: number;
  readonly warmUp: number;
}

const DRAFTS: readonly Draft[] = [
  {
    name: "0.28 M",
    config: draftOf({ layers: 5, width: 64, vocabulary: 512, feedForwardWidth: 176 }),
    steps: 4,
    target: {},
  },
  {
    name: "1.84 M",
    config: draftOf({ layers: 4, width: 128, vocabulary: 8192, feedForwardWidth: 344 }),
    steps: 2,
    target: { floor: 0.7, aim: 1 },
  },
  {
    name: "29.9 M",
    config: draftOf({ layers: 8, width: 512, vocabulary: 8192, feedForwardWidth: 1408 }),
    steps: 1,
    target: {},
  },
];

const PERCEPTRON: PerceptronSizes = { batch: 64, width: 256, hidden: 1024 };

interface Entry extends Side {
  readonly engine: "ours" | "peer" | "peer in 256 bits";
}

/** A side that gives the rate of some work per second and remembers the last loss. */
function entry(
  engine: Entry["engine"],
  { name, unit, amount }: { readonly name: string; readonly unit: string; readonly amount: number },
  run: () => Promise<TimedStep>,
  losses: Map<string, number>,
): Entry {
  const measure = async (): Promise<number> => {
    const { seconds, loss } = await run();
    losses.set(name, loss);
    return amount / seconds;
  };
  return { engine, name, unit, measure };
}

function findings(
  name: string,
  entries: readonly Entry[],
  series: readonly Series[],
  targets: { readonly [engine in Entry["engine"]]?: Target },
  losses: ReadonlyMap<string, number>,
): Findings {
  const of = (engine: Entry["engine"]) => series.filter((_, i) => entries[i].engine === engine);
  const ratios = (["peer", "peer in 256 bits"] as const).flatMap((engine) => {
    const [ours, theirs] = [of("ours"), of(engine)];
    if (ours.length === 0 || theirs.length === 0) return [];
    const held = targets[engine] ?? {};
    return [
      ratioOf(
        `${name}: best of ours / best of the ${engine}`,
        fastest(ours),
        fastest(theirs),
        held,
      ),
    ];
  });
  const last = [...losses].map(([side, loss]) => `${side} ${loss.toFixed(4)}`).join("; ");
  return { series, ratios, remarks: [`last losses of ${name}: ${last}`] };
}

/** Devices with the wanted numbers of threads, where they can be had. */
async function openDevices(bench: Bench, threads: readonly number[]): Promise<Map<number, Device>> {
  const devices = new Map<number, Device>();
  for (const count of threads) {
    const open = () => Promise.resolve(deviceWith(count));
    const device = await bench.attempt(`ours, ${count} threads`, open);
    if (device !== undefined) devices.set(count, device);
  }
  return devices;
}

/** PyTorch as it comes, and held to the vectors of the machines that the targets name. */
interface Torch {
  readonly engine: Entry["engine"];
  readonly peer: Peer;
}

const TORCHES = [["peer", "widest"], ["peer in 256 bits", "256 bits"]] as const;

async function compareDraft(
  bench: Bench,
  { name, config, steps: usualSteps, target }: Draft,
  { threads, batch, effort, ...rounds }: Settings,
  devices: ReadonlyMap<number, Device>,
  torches: readonly Torch[],
): Promise<Findings> {
  const losses = new Map<string, number>();
  const amount = batch.sequences * batch.length;
  const steps = Math.max(1, Math.round(effort * usualSteps));
  const work = (side: string) => ({ name: `${name}, ${side}`, unit: "tokens/s", amount });
  const trainings = [...devices].map(([count, device]) => ({
    count,
    ...ourTraining(device, config, batch, steps),
  }));
  const entries = trainings.map(({ count, run }) =>
    entry("ours", work(`ours, ${count} threads`), run, losses)
  );
  for (const { engine, peer } of torches) {
    const loaded = await bench.attempt(`${peer.name}, ${name}`, () => loadTorch(peer, config));
    if (loaded === undefined) continue;
    if (loaded !== parameterCount(config)) throw new Error(`${name}: ${loaded} parameters there`);
    for (const count of threads) {
      const run = torchTraining(peer, config, batch, { threads: count, steps });
      entries.push(entry(engine, work(`${peer.name}, ${count} threads`), run, losses));
    }
  }
  const series = await runRounds(entries, bench.roundOptions(`train ${name}`, rounds));
  for (const { close } of trainings) close();
  return findings(`training step ${name}`, entries, series, { "peer in 256 bits": target }, losses);
}

async function comparePerceptron(
  bench: Bench,
  { effort, ...rounds }: Settings,
  devices: ReadonlyMap<number, Device>,
  jaxJs: Peer | undefined,
): Promise<Findings> {
  const losses = new Map<string, number>();
  const repeats = Math.max(1, Math.round(20 * effort));
  const { batch, width, hidden } = PERCEPTRON;
  // Two products forward, three backward: nobody asks for the gradient of the input.
  const amount = 5 * 2 * batch * width * hidden / 1e9;
  const work = (side: string) => ({ name: `MLP, ${side}`, unit: "GFLOP/s", amount });
  const entries = [...devices].map(([count, device]) =>
    entry(
      "ours",
      work(`ours, ${count} threads`),
      ourPerceptron(device, PERCEPTRON, repeats),
      losses,
    )
  );
  if (jaxJs !== undefined) {
    const run = async (): Promise<TimedStep> => {
      const reply = await jaxJs.ask({ command: "mlp", ...PERCEPTRON, repeats });
      return { seconds: numberIn(reply, "seconds"), loss: numberIn(reply, "loss") };
    };
    entries.push(entry("peer", work(jaxJs.name), run, losses));
  }
  const series = await runRounds(entries, bench.roundOptions("train MLP", rounds));
  return findings("MLP step", entries, series, { peer: { floor: 2, aim: 3 } }, losses);
}

await runBench(import.meta, {
  name: "training_bench",
  summary: "Training steps against PyTorch and jax-js.",
  flags: benchFlags,
  settings: {
    threads: [1, 2],
    batch: { sequences: 8, length: 256 },
    effort: 1,
    mostParameters: 50e6,
    rounds: 7,
    warmUp: 1,
  },
  quick: {
    threads: [1, 2],
    batch: { sequences: 2, length: 32 },
    effort: 0.1,
    mostParameters: 3e6,
    rounds: 2,
    warmUp: 1,
  },
}, async (bench, settings: Settings) => {
  const devices = await openDevices(bench, settings.threads);
  const found: Findings[] = [];
  if (bench.wants("MLP")) {
    const jaxJs = await bench.attempt("jax-js", () => startJaxJs(bench.log));
    found.push(await comparePerceptron(bench, settings, devices, jaxJs));
    await jaxJs?.close();
  }
  const drafts = DRAFTS.filter(({ name, config }) =>
    bench.wants(name) && parameterCount(config) <= settings.mostParameters
  );
  if (drafts.length > 0) {
    const torches: Torch[] = [];
    for (const [engine, vectors] of TORCHES) {
      const peer = await bench.attempt(`PyTorch, ${vectors}`, () => startTorch(bench.log, vectors));
      if (peer !== undefined) torches.push({ engine, peer });
    }
    for (const draft of drafts) {
      found.push(await compareDraft(bench, draft, settings, devices, torches));
    }
    for (const { peer } of torches) await peer.close();
  }
  for (const device of devices.values()) device.close();
  return joinFindings(found);
});
