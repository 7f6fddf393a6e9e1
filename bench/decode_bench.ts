/**
 * Decoding and prefill of SmolLM2-135M-Instruct against native llama.cpp at its best thread count,
 * on the same weights: tokens per second, in turns, the prompt's pass apart.
 *
 *     deno bench -A bench/decode_bench.ts
 *     deno run -A bench/decode_bench.ts --json
 *
 * @module
 */
import { encodeChat, type WeightType } from "@outrider/outrider/io";
import { prefillSeconds, someTokens, timedGreedy } from "./harness/decoding.ts";
import { copyIn, type OpenModel, openOn, smolLm2 } from "./harness/models.ts";
import { numberIn, numbersIn, type Peer } from "./harness/peer_process.ts";
import { startLlamaCpp } from "./harness/peers.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { runRounds, type Side } from "./harness/rounds.ts";
import { fastest, type Ratio, ratioOf, type Series, type Target } from "./harness/statistics.ts";

/** One comparison: how we keep the weights, and the file that both sides read. */
interface Precision {
  readonly dtype: WeightType;
  readonly format: "Q4_1" | "Q4_0" | "Q8_0" | "F32";
  readonly decode: Target;
  readonly prefill?: Target;
}

const PRECISIONS: readonly Precision[] = [
  { dtype: "q8", format: "Q8_0", decode: { floor: 1, aim: 2 }, prefill: { floor: 0.5, aim: 1 } },
  { dtype: "q4", format: "Q4_0", decode: { floor: 1, aim: 2 } },
  // The file's own values in f32 arithmetic, bit for bit: the rival rounds activations instead.
  { dtype: "keep", format: "Q4_1", decode: {} },
  { dtype: "f32", format: "F32", decode: { floor: 1, aim: 1.3 } },
];

interface Settings {
  readonly threads: readonly number[];
  readonly decodeTokens: number;
  readonly prefillTokens: number;
  readonly rounds: number;
  readonly warmUp: number;
}

const QUESTION = "How do plants make their food? Explain it step by step.";

type Task = "decode" | "prefill";

/** A side with its engine, thread count and task beside its series. */
interface Entry extends Side {
  readonly engine: "ours" | "peer";
  readonly task: Task;
}

function ourSides(
  opened: OpenModel,
  dtype: WeightType,
  settings: Settings,
  prompt: readonly number[],
  written: Map<string, readonly number[]>,
): Entry[] {
  const { model, threads } = opened;
  const name = (task: Task) => `${task} ${dtype}, ours, ${threads} threads`;
  const text = someTokens(settings.prefillTokens, model.vocabulary);
  const decode = async (): Promise<number> => {
    const { tokens, seconds } = await timedGreedy(model, prompt, settings.decodeTokens);
    written.set("ours", tokens);
    return tokens.length / seconds;
  };
  const prefill = async () => text.length / await prefillSeconds(model, text);
  return [
    { name: name("decode"), unit: "tokens/s", engine: "ours", task: "decode", measure: decode },
    { name: name("prefill"), unit: "tokens/s", engine: "ours", task: "prefill", measure: prefill },
  ];
}

function peerSides(
  peer: Peer,
  { dtype, format }: Precision,
  threads: number,
  { decodeTokens: count, prefillTokens }: Settings,
  prompt: readonly number[],
  vocabulary: number,
  written: Map<string, readonly number[]>,
): Entry[] {
  const name = (task: Task) => `${task} ${dtype}, ${peer.name} ${format}, ${threads} threads`;
  const text = someTokens(prefillTokens, vocabulary);
  const decode = async (): Promise<number> => {
    const reply = await peer.ask({ command: "decode", threads, prompt, count });
    const tokens = numbersIn(reply, "tokens");
    written.set("peer", tokens);
    return tokens.length / numberIn(reply, "seconds");
  };
  const prefill = async (): Promise<number> => {
    const reply = await peer.ask({ command: "prefill", threads, prompt: text });
    return text.length / numberIn(reply, "seconds");
  };
  return [
    { name: name("decode"), unit: "tokens/s", engine: "peer", task: "decode", measure: decode },
    { name: name("prefill"), unit: "tokens/s", engine: "peer", task: "prefill", measure: prefill },
  ];
}

/** How far two greedy texts agree: rounding parts them at some near-tie. */
function agreement(written: ReadonlyMap<string, readonly number[]>): string {
  const [ours, theirs] = [written.get("ours") ?? [], written.get("peer") ?? []];
  const length = Math.min(ours.length, theirs.length);
  const parting = ours.slice(0, length).findIndex((token, i) => token !== theirs[i]);
  return `the first ${parting === -1 ? length : parting} of ${length} greedy tokens are equal`;
}

/** The best of ours over the best of the peer's. */
function ratioOfBest(
  task: Task,
  { dtype, decode, prefill = {} }: Precision,
  entries: readonly Entry[],
  series: readonly Series[],
): Ratio[] {
  const of = (engine: Entry["engine"]) =>
    series.filter((_, i) => entries[i].engine === engine && entries[i].task === task);
  const [ours, theirs] = [of("ours"), of("peer")];
  if (ours.length === 0 || theirs.length === 0) return [];
  const target = task === "decode" ? decode : prefill;
  return [
    ratioOf(
      `${task} ${dtype}: best of ours / best of llama.cpp`,
      fastest(ours),
      fastest(theirs),
      target,
    ),
  ];
}

async function compare(
  bench: Bench,
  precision: Precision,
  settings: Settings,
  shipped: string,
  peer: Peer | undefined,
): Promise<Findings> {
  const { dtype, format } = precision;
  const path = format === "Q4_1" ? shipped : await copyIn(format, shipped, bench.log);
  const opened: OpenModel[] = [];
  try {
    for (const threads of settings.threads) {
      const name = `ours, ${dtype}, ${threads} threads`;
      const made = await bench.attempt(name, () => openOn(threads, path, dtype));
      if (made !== undefined) opened.push(made);
    }
    if (opened.length === 0) return joinFindings([]);
    const [{ file }] = opened;
    const prompt = encodeChat(file.tokenizer, [{ role: "user", content: QUESTION }]);
    const written = new Map<string, readonly number[]>();
    const entries = opened.flatMap((one) => ourSides(one, dtype, settings, prompt, written));
    const contextSize = prompt.length + settings.decodeTokens + settings.prefillTokens + 64;
    const request = { command: "load", path, threads: settings.threads, contextSize };
    const loaded = await bench.attempt(
      `llama.cpp, ${format}`,
      async () => await peer?.ask(request),
    );
    if (peer !== undefined && loaded !== undefined) {
      const { vocabulary } = file.config;
      for (const threads of settings.threads) {
        entries.push(...peerSides(peer, precision, threads, settings, prompt, vocabulary, written));
      }
    }
    const series = await runRounds(entries, bench.roundOptions(`decode ${dtype}`, settings));
    const ratios = (["decode", "prefill"] as const)
      .flatMap((task) => ratioOfBest(task, precision, entries, series));
    const remarks = loaded === undefined ? [] : [`${dtype}: ${agreement(written)}`];
    return { series, ratios, remarks };
  } finally {
    for (const { close } of opened) close();
  }
}

await runBench(import.meta, {
  name: "decode_bench",
  summary: "Decoding and prefill against native llama.cpp at its best thread count.",
  flags: benchFlags,
  settings: { threads: [1, 2], decodeTokens: 64, prefillTokens: 512, rounds: 7, warmUp: 1 },
  quick: { threads: [1, 2], decodeTokens: 8, prefillTokens: 32, rounds: 2, warmUp: 1 },
}, async (bench, settings: Settings) => {
  const shipped = await bench.attempt("SmolLM2", smolLm2);
  if (shipped === undefined) return joinFindings([]);
  const peer = await bench.attempt("llama.cpp", () => startLlamaCpp(bench.log));
  const found: Findings[] = [];
  for (const precision of PRECISIONS.filter(({ dtype }) => bench.wants(dtype))) {
    found.push(await compare(bench, precision, settings, shipped, peer));
  }
  await peer?.close();
  return joinFindings(found);
});
