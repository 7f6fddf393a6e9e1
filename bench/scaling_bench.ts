/**
 * How decoding scales, in q8: with the length of the context, the size of the model (random
 * weights), the threads, and the sequences at work together. Nothing may grow faster than its
 * arithmetic, so every time is set beside the multiply-adds or the bytes that it stands for.
 *
 *     deno bench -A bench/scaling_bench.ts
 *     deno run -A bench/scaling_bench.ts --sizes "25 M,135 M,360 M,1.1 B" --json
 *     deno run -A bench/scaling_bench.ts --only context --cache f16
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { choice, text } from "@outrider/outrider/cli";
import { CACHE_TYPES, type CacheType } from "@outrider/outrider/decode";
import { type LlamaConfig, parameterCount } from "@outrider/outrider/nn";
import { batchSide } from "./harness/batches.ts";
import { someTokens } from "./harness/decoding.ts";
import { bytesPerPass, deviceWith, type OpenModel } from "./harness/models.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { randomModel, SIZES } from "./harness/random_model.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { runRounds, type Side } from "./harness/rounds.ts";
import { ratioOf, seriesOf } from "./harness/statistics.ts";

interface Settings {
  readonly threads: readonly number[];
  /** Tokens in the cache, the fewest first. */
  readonly contexts: readonly number[];
  /** Model sizes where the flag is left out. */
  readonly usualSizes: readonly string[];
  readonly batches: readonly number[];
  readonly steps: number;
  readonly rounds: number;
  readonly warmUp: number;
}

type Model = Pick<OpenModel, "device" | "config" | "parameters" | "model"> & {
  readonly cacheType: CacheType;
};

/** What the flags choose. */
interface Choice {
  readonly sizes: readonly string[];
  readonly cache: CacheType;
}

function sizeOf(name: string): LlamaConfig {
  const config = SIZES[name];
  if (config !== undefined) return config;
  throw new OutriderError(`one of ${Object.keys(SIZES).join(", ")}`, name, "use one of them");
}

/** Tokens per second of one-token passes after a context, which is read once, before the rounds. */
async function contextSide(
  { model }: Model,
  context: number,
  steps: number,
  name: string,
): Promise<Side & { readonly close: () => void }> {
  const filled = await model.forward(model.open(), someTokens(context, model.vocabulary), 0);
  let { cache } = filled;
  const measure = async (): Promise<number> => {
    const start = performance.now();
    for (let step = 0; step < steps; step++) {
      const passed = await model.forward(cache, [step], 1);
      cache = model.truncate(passed.cache, context);
    }
    return 1000 * steps / (performance.now() - start);
  };
  return { name, unit: "tokens/s", measure, close: () => model.close(cache) };
}

/** Multiply-adds of a one-token pass: those of the weights, and those of attention. */
function multiplyAdds({ config, model }: Model, context: number): number {
  const { layers, heads, headWidth, width, tiedEmbeddings } = config;
  const lookup = tiedEmbeddings ? 0 : model.vocabulary * width;
  return parameterCount(config) - lookup + 2 * layers * heads * headWidth * context;
}

/** Bytes that such a pass reads: weights, and the keys and values of the context. */
function bytesRead({ config, parameters, cacheType }: Model, context: number): number {
  const { layers, keyValueHeads, headWidth } = config;
  const each = cacheType === "f16" ? 2 : 4;
  return bytesPerPass(parameters) + 2 * each * layers * keyValueHeads * headWidth * context;
}

async function byContext(
  bench: Bench,
  opened: Model,
  { contexts: wanted, steps, ...rounds }: Settings,
  label: string,
): Promise<Findings> {
  const contexts = wanted.filter((context) => context + 1 < opened.config.contextLength);
  const sides: Awaited<ReturnType<typeof contextSide>>[] = [];
  for (const context of contexts) {
    bench.log(`reading ${context} tokens\n`);
    sides.push(await contextSide(opened, context, steps, `context ${context}, ${label}`));
  }
  const series = await runRounds(sides, bench.roundOptions(`context, ${label}`, rounds));
  sides.forEach(({ close }) => close());
  const [first, ...longer] = series;
  const [least, ...more] = contexts;
  const ratios = longer.map((one, i) => {
    const growth = [multiplyAdds, bytesRead]
      .map((amount) => amount(opened, more[i]) / amount(opened, least));
    const floor = Number(Math.max(...growth).toFixed(2));
    return ratioOf(`time of ${one.name} / ${least}`, first, one, { floor, better: "less" });
  });
  const remarks = [
    "floor of a longer context: the growth of multiply-adds or of bytes, whichever is more",
  ];
  return { series, ratios, remarks };
}

async function bySize(
  bench: Bench,
  models: ReadonlyMap<string, Model>,
  { steps, contexts: [context], ...rounds }: Settings,
  label: string,
): Promise<Findings> {
  const sides: Awaited<ReturnType<typeof contextSide>>[] = [];
  const bytes: number[] = [];
  for (const [size, opened] of models) {
    sides.push(await contextSide(opened, context, steps, `${size} parameters, ${label}`));
    bytes.push(bytesPerPass(opened.parameters));
  }
  const series = await runRounds(sides, bench.roundOptions(`sizes, ${label}`, rounds));
  sides.forEach(({ close }) => close());
  const read = series.map(({ name, values }, i) =>
    seriesOf(`weights read, ${name}`, "GB/s", values.map((rate) => rate * bytes[i] / 1e9))
  );
  return { series: [...series, ...read], ratios: [], remarks: [] };
}

async function byBatch(
  bench: Bench,
  opened: Model,
  { batches, steps, ...rounds }: Settings,
  label: string,
): Promise<Findings> {
  const texts = { promptTokens: 16, newTokens: 2 + 2 * steps };
  const sides = batches.map((count) =>
    batchSide(opened, count, texts, `${count} sequences, ${label}`)
  );
  const series = await runRounds(sides, bench.roundOptions(`batch, ${label}`, rounds));
  const [single, ...others] = series;
  const ratios = others.map((one) => ratioOf(`${one.name} / one sequence`, one, single));
  return { series, ratios, remarks: [] };
}

/** The most threads that this machine has of those wanted: filling long contexts takes minutes. */
function mostThreads({ threads }: Settings): number {
  return Math.max(1, ...threads.filter((count) => count <= navigator.hardwareConcurrency));
}

/** All curves with one number of threads; the middle one of the models serves for two of them. */
async function curves(
  bench: Bench,
  threads: number,
  { sizes, cache }: Choice,
  settings: Settings,
): Promise<Findings> {
  const wantsContext = bench.wants("context") && threads === mostThreads(settings);
  if (!wantsContext && !bench.wants("size") && !bench.wants("batch")) return joinFindings([]);
  const device = deviceWith(threads);
  const models = new Map<string, Model>();
  for (const size of bench.wants("size") ? sizes : sizes.slice(0, 2).slice(-1)) {
    bench.log(`making ${size} parameters\n`);
    const make = () => Promise.resolve(randomModel(device, sizeOf(size), cache));
    const made = await bench.attempt(`${size} parameters`, make);
    if (made !== undefined) models.set(size, made);
  }
  const found: Findings[] = [];
  const [usual, opened] = [...models][Math.min(1, models.size - 1)] ?? [];
  if (opened !== undefined) {
    const label = `${threads} threads${cache === "f16" ? ", f16 cache" : ""}`;
    if (wantsContext) {
      found.push(await byContext(bench, opened, settings, `${usual}, ${label}`));
    }
    if (bench.wants("size")) found.push(await bySize(bench, models, settings, label));
    if (bench.wants("batch")) {
      found.push(await byBatch(bench, opened, settings, `${usual}, ${label}`));
    }
  }
  device.close();
  return joinFindings(found);
}

await runBench(import.meta, {
  name: "scaling_bench",
  summary: "Decoding against context length, model size, threads and batch.",
  flags: {
    ...benchFlags,
    sizes: text({ default: "", help: "model sizes, separated by commas; 1.1 B needs 2 GiB" }),
    cache: choice({ of: CACHE_TYPES, default: "f32", help: "how keys and values are kept" }),
  },
  settings: {
    threads: [1, 2],
    contexts: [128, 512, 2048, 8190],
    usualSizes: ["25 M", "135 M", "360 M"],
    batches: [1, 4, 16],
    steps: 8,
    rounds: 3,
    // A pass is fast once the engine has optimised its kernels, which takes some tens of passes.
    warmUp: 5,
  },
  quick: {
    threads: [1],
    contexts: [16, 64],
    usualSizes: ["25 M"],
    batches: [1, 4],
    steps: 4,
    rounds: 2,
    warmUp: 1,
  },
}, async (bench, settings: Settings, { sizes: given, cache }) => {
  const sizes = given === "" ? settings.usualSizes : given.split(",").map((size) => size.trim());
  sizes.forEach(sizeOf);
  const found: Findings[] = [];
  for (const threads of settings.threads) {
    const run = () => curves(bench, threads, { sizes, cache }, settings);
    const made = await bench.attempt(`${threads} threads`, run);
    if (made !== undefined) found.push(made);
  }
  return joinFindings(found);
});
