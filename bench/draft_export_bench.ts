/**
 * An exported draft inside another engine: SmolLM2-135M-Instruct in native llama.cpp, greedy, plain
 * and with the draft's GGUF file in the engine's own draft predictor, in turns at every prompt.
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
import { type Task, TASKS } from "./harness/prompts.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { ratioOf } from "./harness/statistics.ts";
import { type Amount, type PartedSide, runTurns } from "./harness/turns.ts";

interface Settings {
  readonly threads: number;
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
  readonly side: PartedSide;
  readonly written: (readonly number[])[];
  readonly counts: { tokens: number; used: number; refuted: number };
}

function wayOf(
  peer: Peer,
  { threads, maxTokens }: Settings,
  { tokenizer }: ModelFile,
  prompts: readonly (readonly number[])[],
  name: string,
  predictor?: string,
): Way {
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
  return { side: { name, unit: "tokens/s", measure }, written, counts };
}

/** How many texts are equal to the plain ones, and how far the draft saw. */
function remarkOf(plain: Way, { side, written, counts }: Way): string {
  const equal = written.filter((tokens, i) => tokens.join() === plain.written[i].join()).length;
  const perPass = counts.tokens / (counts.tokens - counts.used);
  const right = counts.used / Math.max(1, counts.used + counts.refuted);
  return `${side.name}: ${equal} of ${written.length} greedy texts are the plain ones, ` +
    `${perPass.toFixed(2)} tokens per target pass, ${(100 * right).toFixed(0)} % of drafts right`;
}

async function compare(
  bench: Bench,
  peer: Peer,
  target: ModelFile,
  { name, prompts }: Task,
  predictors: Readonly<Record<string, Predictor>>,
  settings: Settings,
): Promise<Findings> {
  const encoded = prompts.slice(0, settings.prompts)
    .map((content) => encodeChat(target.tokenizer, [{ role: "user", content }]));
  const way = (label: string, predictor?: string) =>
    wayOf(peer, settings, target, encoded, `${label}, ${name}`, predictor);
  const ways = [
    way("plain"),
    way("plain again"),
    ...Object.keys(predictors).map((predictor) => way(`draft, ${predictor}`, predictor)),
  ];
  const sides = ways.map(({ side }) => side);
  const series = await runTurns(sides, encoded.length, bench.roundOptions(name, settings));
  const [plain, ...others] = series;
  return {
    series,
    ratios: others.map((one) => ratioOf(`${one.name} / plain`, one, plain)),
    remarks: ways.slice(1).map((one) => remarkOf(ways[0], one)),
  };
}

/** The longest prompt and answer, with room for what is drafted beyond it. */
function contextSizeOf({ tokenizer }: ModelFile, { maxTokens }: Settings): number {
  const lengths = TASKS.flatMap(({ prompts }) =>
    prompts.map((content) => encodeChat(tokenizer, [{ role: "user", content }]).length)
  );
  return Math.max(...lengths) + maxTokens + 64;
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
  const contextSize = contextSizeOf(target, settings);
  const ahead = { path: draft.path, predictors };
  await peer.ask({ command: "load", path, threads: [settings.threads], contextSize, draft: ahead });
  const found: Findings[] = [];
  for (const task of TASKS.filter(({ name }) => bench.wants(name))) {
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
  settings: { threads: 2, prompts: 4, maxTokens: 96, rounds: 5, warmUp: 1 },
  quick: { threads: 2, prompts: 1, maxTokens: 16, rounds: 2, warmUp: 1 },
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
