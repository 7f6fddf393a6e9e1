/**
 * f32 matrix products on WebGPU against TensorFlow.js and jax-js on the same adapter, in turns: the
 * square one of 1024, the forms that a training step has, and few rows.
 *
 *     deno bench -A bench/webgpu_matmul_bench.ts
 *     deno run -A bench/webgpu_matmul_bench.ts --json --only "square A B"
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { webgpuAdapter, webgpuBackend } from "@outrider/outrider/backends/webgpu";
import { createDevice, type Device } from "@outrider/outrider/runtime";
import type { Peer } from "./harness/peer_process.ts";
import { startJaxJs, startTfjsWebgpu } from "./harness/peers.ts";
import { ourProduct, peerProduct, type Product, type TimedProduct } from "./harness/products.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { runRounds, type Side } from "./harness/rounds.ts";
import { ratioOf, type Series, type Target } from "./harness/statistics.ts";

interface Settings {
  readonly square: number;
  readonly rounds: number;
  readonly warmUp: number;
}

/** Whoever multiplies: a name, and how its product is timed. */
interface Engine {
  readonly name: string;
  readonly product: (product: Product) => () => Promise<TimedProduct>;
}

/** A side with the element of its result by which engines are compared. */
interface Entry extends Side {
  readonly sample: () => number;
}

/** What the square product is held to, against every rival. */
const TARGET: Target = { floor: 1, aim: 2 };
/** One product is a measurement: a software adapter needs seconds for it. */
const REPEATS = 1;

function productsOf({ square }: Settings): Product[] {
  const forms = ["A B", "A Bt", "At B"] as const;
  return [
    ...forms.map((form): Product => ({
      name: `square ${form} ${square}`,
      form,
      m: square,
      n: square,
      k: square,
    })),
    ...[1, 4].map((m): Product => ({
      name: `${m === 1 ? "one row" : `${m} rows`} A Bt ${square}`,
      form: "A Bt",
      m,
      n: square,
      k: square,
    })),
  ];
}

async function openDevice(): Promise<Device> {
  const found = await webgpuAdapter();
  if (found.found === "none") throw new OutriderError("an adapter", found.reason, "install one");
  return createDevice(await webgpuBackend());
}

function ours(device: Device): Engine {
  return { name: "ours", product: (product) => ourProduct(device, product, REPEATS) };
}

function rival(peer: Peer): Engine {
  return {
    name: peer.name,
    product: (product) => peerProduct(peer, product, { repeats: REPEATS }),
  };
}

function entryOf({ name, product }: Engine, each: Product): Entry {
  const run = product(each);
  let sample = NaN;
  const measure = async (): Promise<number> => {
    const timed = await run();
    sample = timed.sample;
    return timed.gigaflops;
  };
  return { name: `${each.name}, ${name}`, unit: "GFLOP/s", measure, sample: () => sample };
}

/** Engines must agree to what f32 sums in another order can differ by. */
function disagreements(entries: readonly Entry[], { name, k }: Product): string[] {
  const samples = entries.map(({ sample }) => sample());
  const apart = Math.max(...samples) - Math.min(...samples);
  return apart <= k * 2 ** -20
    ? []
    : [`${name}: engines differ by ${apart}: ${samples.join(", ")}`];
}

async function compare(
  bench: Bench,
  engines: readonly Engine[],
  product: Product,
  settings: Settings,
): Promise<Findings> {
  const entries = engines.map((engine) => entryOf(engine, product));
  const series = await runRounds(entries, bench.roundOptions(product.name, settings));
  const [first, ...others] = series;
  const ratio = (theirs: Series) =>
    ratioOf(`${first.name} / ${theirs.name}`, first, theirs, product.m === product.n ? TARGET : {});
  return { series, ratios: others.map(ratio), remarks: disagreements(entries, product) };
}

await runBench(import.meta, {
  name: "webgpu_matmul_bench",
  summary: "f32 matrix products on WebGPU against TensorFlow.js and jax-js.",
  flags: benchFlags,
  settings: { square: 1024, rounds: 3, warmUp: 1 },
  quick: { square: 128, rounds: 2, warmUp: 1 },
}, async (bench, settings: Settings) => {
  const device = await bench.attempt("ours", openDevice);
  if (device === undefined) return joinFindings([]);
  const tfjs = await bench.attempt("tfjs", () => startTfjsWebgpu(bench.log));
  const jaxJs = await bench.attempt("jax-js", () => startJaxJs(bench.log, "webgpu"));
  const rivals = [tfjs, jaxJs].filter((peer) => peer !== undefined);
  const engines = [ours(device), ...rivals.map(rival)];
  const found: Findings[] = [];
  for (const product of productsOf(settings).filter(({ name }) => bench.wants(name))) {
    found.push(await compare(bench, engines, product, settings));
  }
  for (const peer of rivals) await peer.close();
  device.close();
  return joinFindings(found);
});
