/**
 * f32 matrix products against jax-js and PyTorch, in turns: the square one of 1024, and those of a
 * training step of the 1.84 M draft.
 *
 *     deno bench -A bench/matmul_bench.ts
 *     deno run -A bench/matmul_bench.ts --json
 *
 * @module
 */
import type { Device } from "@outrider/outrider/runtime";
import { deviceWith } from "./harness/models.ts";
import type { Peer } from "./harness/peer_process.ts";
import { startJaxJs, startTorch } from "./harness/peers.ts";
import { ourProduct, peerProduct, type Product, type TimedProduct } from "./harness/products.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { runRounds, type Side } from "./harness/rounds.ts";
import { fastest, type Ratio, ratioOf, type Series, type Target } from "./harness/statistics.ts";

interface Settings {
  readonly square: number;
  /** Rows of a training batch. */
  readonly rows: number;
  readonly threads: readonly number[];
  /** Floating point operations of one measurement, about, in units of 1e9. */
  readonly work: number;
  readonly rounds: number;
  readonly warmUp: number;
}

type Engine = "ours" | "jax-js" | "PyTorch" | "PyTorch in 256 bits";

/** A side with its engine, and the element of its result by which engines are compared. */
interface Entry extends Side {
  readonly engine: Engine;
  readonly sample: () => number;
}

/** Our threads with their devices, and the rivals that are there. */
interface Engines {
  readonly devices: ReadonlyMap<number, Device>;
  readonly jaxJs: Peer | undefined;
  readonly torch: Peer | undefined;
  readonly narrowTorch: Peer | undefined;
}

/** Widths that weights of the 1.84 M draft lead from and to. */
const WEIGHTS = [[128, 344], [344, 128], [128, 8192]] as const;

function productsOf({ square, rows }: Settings): Product[] {
  return [
    { name: `square ${square}`, form: "A B", m: square, n: square, k: square },
    ...WEIGHTS.flatMap(([from, to]): Product[] => [
      { name: `forward ${from} to ${to}`, form: "A Bt", m: rows, n: to, k: from },
      { name: `input gradient ${from} to ${to}`, form: "A B", m: rows, n: from, k: to },
      { name: `weight gradient ${from} to ${to}`, form: "At B", m: to, n: from, k: rows },
    ]),
  ];
}

/** What the square product is held against. */
const TARGETS: { readonly [engine in Exclude<Engine, "ours">]: Target } = {
  "jax-js": { floor: 1.2, aim: 1.5 },
  PyTorch: {},
  "PyTorch in 256 bits": { floor: 0.4, aim: 0.5 },
};

function entry(engine: Engine, name: string, run: () => Promise<TimedProduct>): Entry {
  let sample = NaN;
  const measure = async (): Promise<number> => {
    const timed = await run();
    sample = timed.sample;
    return timed.gigaflops;
  };
  return { engine, name, unit: "GFLOP/s", measure, sample: () => sample };
}

function entriesOf(
  { devices, jaxJs, torch, narrowTorch }: Engines,
  product: Product,
  { threads, work }: Settings,
): Entry[] {
  const { name, m, n, k } = product;
  const repeats = Math.max(1, Math.round(work * 1e9 / (2 * m * n * k)));
  const named = (engine: string) => `${name}, ${engine}`;
  const ours = [...devices].map(([count, device]) =>
    entry("ours", named(`ours, ${count} threads`), ourProduct(device, product, repeats))
  );
  const jax = jaxJs === undefined
    ? []
    : [entry("jax-js", named(jaxJs.name), peerProduct(jaxJs, product, { repeats }))];
  const pytorch = (engine: Engine, peer: Peer | undefined): Entry[] =>
    peer === undefined ? [] : threads.map((count) =>
      entry(
        engine,
        named(`${peer.name}, ${count} threads`),
        peerProduct(peer, product, { repeats, threads: count }),
      )
    );
  return [
    ...ours,
    ...jax,
    ...pytorch("PyTorch", torch),
    ...pytorch("PyTorch in 256 bits", narrowTorch),
  ];
}

/** Engines must agree to what f32 sums in another order can differ by. */
function disagreements(entries: readonly Entry[], { name, k }: Product): string[] {
  const samples = entries.map(({ sample }) => sample());
  const allowed = k * 2 ** -20;
  const apart = Math.max(...samples) - Math.min(...samples);
  return apart <= allowed ? [] : [`${name}: engines differ by ${apart}: ${samples.join(", ")}`];
}

function ratiosOf(
  entries: readonly Entry[],
  series: readonly Series[],
  product: Product,
): Ratio[] {
  const of = (engine: Engine) => series.filter((_, i) => entries[i].engine === engine);
  const ours = of("ours");
  return (["jax-js", "PyTorch", "PyTorch in 256 bits"] as const).flatMap((engine) => {
    const theirs = of(engine);
    if (ours.length === 0 || theirs.length === 0) return [];
    const target = product.name.startsWith("square") ? TARGETS[engine] : {};
    const name = `${product.name}: best of ours / best of ${engine}`;
    return [ratioOf(name, fastest(ours), fastest(theirs), target)];
  });
}

async function compare(
  bench: Bench,
  engines: Engines,
  product: Product,
  settings: Settings,
): Promise<Findings> {
  const entries = entriesOf(engines, product, settings);
  const series = await runRounds(entries, bench.roundOptions(product.name, settings));
  const remarks = disagreements(entries, product);
  return { series, ratios: ratiosOf(entries, series, product), remarks };
}

await runBench(import.meta, {
  name: "matmul_bench",
  summary: "f32 matrix products against jax-js and PyTorch.",
  flags: benchFlags,
  settings: { square: 1024, rows: 2048, threads: [1, 2], work: 10, rounds: 9, warmUp: 2 },
  quick: { square: 128, rows: 64, threads: [1, 2], work: 0.05, rounds: 2, warmUp: 1 },
}, async (bench, settings: Settings) => {
  const devices = new Map<number, Device>();
  for (const threads of settings.threads) {
    const device = await bench.attempt(
      `ours, ${threads} threads`,
      () => Promise.resolve(deviceWith(threads)),
    );
    if (device !== undefined) devices.set(threads, device);
  }
  const jaxJs = await bench.attempt("jax-js", () => startJaxJs(bench.log));
  const torch = await bench.attempt("PyTorch", () => startTorch(bench.log));
  const narrowTorch = await bench.attempt(
    "PyTorch in 256 bits",
    () => startTorch(bench.log, "256 bits"),
  );
  const found: Findings[] = [];
  for (const product of productsOf(settings).filter(({ name }) => bench.wants(name))) {
    found.push(await compare(bench, { devices, jaxJs, torch, narrowTorch }, product, settings));
  }
  await jaxJs?.close();
  await torch?.close();
  await narrowTorch?.close();
  for (const device of devices.values()) device.close();
  return joinFindings(found);
});
