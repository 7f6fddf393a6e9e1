/**
 * An exported draft inside another engine: SmolLM2-135M-Instruct in native llama.cpp, greedy, plain
 * and with the draft's GGUF file in the engine's own draft predictor, in turns at every prompt. The
 * engine drafts while its target computes, with as many threads again.
 *
 *     deno run -A bench/draft_export_bench.ts
 *     deno run -A bench/draft_export_bench.ts --draft out/finetune/draft.safetensors --json
 *
 * @module
 */
import { choice, integer, number, text } from "@outrider/outrider/cli";
import { encodeChat, type ModelFile, openModel } from "@outrider/outrider/io";
import { type DraftFormat, type ExportedDraft, exportedDraft } from "./harness/exported_draft.ts";
import { copyIn, smolLm2 } from "./harness/models.ts";
import { numberIn, numbersIn, type Peer } from "./harness/peer_process.ts";
import { startLlamaCpp } from "./harness/peers.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { TASKS } from "./harness/prompts.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { fastest, type Ratio, ratioOf, type Series } from "./harness/statistics.ts";
import { type Amount, type PartedSide, runTurns } from "./harness/turns.ts";

interface Settings {
  readonly threads: readonly number[];
  readonly prompts: number;
  readonly maxTokens: number;
  readonly rounds: number;
  readonly warmUp: number;
}

/** Options of the engine's draft predictor; what is left out is as the engine has it. */
interface Predictor {
  readonly minTokens?: number;
  readonly maxTokens?: number;
  readonly minConfidence?: number;
}

/** A way to decode, what it wrote last by prompt, and what was foreseen in all of its runs. */
interface Way {
  /** The predictor's name; none for plain decoding. */
  readonly predictor?: string;
  readonly side: PartedSide;
  readonly written: (readonly number[])[];
  readonly counts: { tokens: number; used: number; refuted: number };
}

/** Prompts of one kind as token ids. */
interface EncodedTask {
  readonly name: string;
  readonly prompts: readonly (readonly number[])[];
}

function wayOf(
  peer: Peer,
  { maxTokens }: Settings,
  { tokenizer }: ModelFile,
  { name: task, prompts }: EncodedTask,
  threads: number,
  predictor?: string,
): Way {
  const kind = predictor === undefined ? "plain" : `draft, ${predictor}`;
  const name = `${kind}, ${task}, ${threads} threads`;
  const written: (readonly number[])[] = [];
  const counts = { tokens: 0, used: 0, refuted: 0 };
  const stops = [...tokenizer.endOfTurn];
  const measure = async (part: number): Promise<Amount> => {
    const prompt = prompts[part];
    const request = { command: "decode", threads, predictor, prompt, count: maxTokens, stops };
    const reply = await peer.ask(request);
    const tokens = numbersIn(reply, "tokens");
    written[part] = tokens;
    counts.tokens += tokens.length;
    counts.used += numberIn(reply, "used");
    counts.refuted += numberIn(reply, "refuted");
    return { amount: tokens.length, seconds: numberIn(reply, "seconds") };
  };
  return { predictor, side: { name, unit: "tokens/s", measure }, written, counts };
}

/** How many texts are the plain ones, and how far the draft saw. */
function remarkOf(plain: Way, { side, written, counts }: Way): string {
  const equal = written.filter((tokens, i) => tokens.join() === plain.written[i].join()).length;
  const perPass = counts.tokens / (counts.tokens - counts.used);
  const right = counts.used / Math.max(1, counts.used + counts.refuted);
  return `${side.name}: ${equal} of ${written.length} greedy texts are the plain ones, ` +
    `${perPass.toFixed(2)} tokens per target pass, ${(100 * right).toFixed(0)} % of drafts right`;
}

/** The fastest way with a draft over the fastest without one. */
function ratioOfBest(task: string, ways: readonly Way[], series: readonly Series[]): Ratio {
  const best = (wanted: (way: Way) => boolean) => fastest(series.filter((_, i) => wanted(ways[i])));
  const [ahead, plain] = [
    best(({ predictor }) => predictor !== undefined),
    best(({ predictor }) => predictor === undefined),
  ];
  return ratioOf(`${task}: best with the draft / best plain`, ahead, plain);
}

async function compare(
  bench: Bench,
  peer: Peer,
  target: ModelFile,
  task: EncodedTask,
  predictors: Readonly<Record<string, Predictor>>,
  settings: Settings,
): Promise<Findings> {
  const ways = settings.threads.flatMap((threads) =>
    [undefined, ...Object.keys(predictors)].map((predictor) =>
      wayOf(peer, settings, target, task, threads, predictor)
    )
  );
  const sides = ways.map(({ side }) => side);
  const options = bench.roundOptions(task.name, settings);
  const series = await runTurns(sides, task.prompts.length, options);
  const [plain] = ways;
  return {
    series,
    ratios: [ratioOfBest(task.name, ways, series)],
    remarks: ways.filter((way) => way !== plain).map((way) => remarkOf(plain, way)),
  };
}

/** The tasks that are asked for, as token ids. */
function encodedTasks(
  bench: Bench,
  { tokenizer }: ModelFile,
  { prompts: count }: Settings,
): EncodedTask[] {
  const encode = (content: string) => encodeChat(tokenizer, [{ role: "user", content }]);
  return TASKS.filter(({ name }) => bench.wants(name))
    .map(({ name, prompts }) => ({ name, prompts: prompts.slice(0, count).map(encode) }));
}

async function runTasks(
  bench: Bench,
  peer: Peer,
  path: string,
  target: ModelFile,
  draft: ExportedDraft,
  predictors: Readonly<Record<string, Predictor>>,
  settings: Settings,
): Promise<Findings> {
  const tasks = encodedTasks(bench, target, settings);
  if (tasks.length === 0) return joinFindings([]);
  const longest = Math.max(...tasks.flatMap(({ prompts }) => prompts.map(({ length }) => length)));
  // Drafts run beyond the answer's end.
  const contextSize = longest + settings.maxTokens + 64;
  const ahead = { path: draft.path, predictors };
  const { threads } = settings;
  await peer.ask({ command: "load", path, threads, contextSize, draft: ahead });
  const found: Findings[] = [];
  for (const task of tasks) {
    found.push(await compare(bench, peer, target, task, predictors, settings));
  }
  return joinFindings(found);
}

const DRAFT_FORMATS: readonly DraftFormat[] = ["F16", "Q8_0", "F32"];

await runBench(import.meta, {
  name: "draft_export_bench",
  summary: "An exported draft inside llama.cpp, against llama.cpp without it.",
  flags: {
    ...benchFlags,
    draft: text({ default: "auto", placeholder: "DRAFT", help: "a draft file, or its GGUF file" }),
    format: choice({ of: ["Q8_0", "F32", "Q4_1"], default: "Q8_0", help: "the target's weights" }),
    draftFormat: choice({
      of: DRAFT_FORMATS,
      default: "F16",
      help: "the exported draft's weights",
    }),
    draftTokens: integer({ default: 3, minimum: 1, help: "tokens of drafts of a fixed length" }),
    confidence: number({ default: 0, minimum: 0, maximum: 1, help: "their least probability" }),
  },
  settings: { threads: [1, 2], prompts: 2, maxTokens: 64, rounds: 5, warmUp: 1 },
  quick: { threads: [1], prompts: 1, maxTokens: 16, rounds: 2, warmUp: 1 },
}, async (bench, settings: Settings, options) => {
  const { draftTokens, confidence } = options;
  const shipped = await bench.attempt("SmolLM2", smolLm2);
  if (shipped === undefined) return joinFindings([]);
  const target = await openModel(shipped);
  const draft = await bench.attempt(
    `draft ${options.draft}`,
    () => exportedDraft(options.draft, target, options.draftFormat),
  );
  const peer = draft && await bench.attempt("llama.cpp", () => startLlamaCpp(bench.log));
  if (draft === undefined || peer === undefined) return joinFindings([]);
  const path = options.format === "Q4_1"
    ? shipped
    : await copyIn(options.format, shipped, bench.log);
  const fixed = { minTokens: draftTokens, maxTokens: draftTokens, minConfidence: confidence };
  const predictors = {
    "as the engine has it": {},
    [`${draftTokens} tokens of ${confidence}`]: fixed,
  };
  try {
    const run = () => runTasks(bench, peer, path, target, draft, predictors, settings);
    const found = await bench.attempt("llama.cpp with the draft", run) ?? joinFindings([]);
    const size = `the draft's file has ${(draft.bytes / 1e6).toFixed(1)} MB`;
    return { ...found, remarks: [size, ...found.remarks] };
  } finally {
    await peer.close();
    target.close();
  }
});
