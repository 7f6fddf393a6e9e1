/**
 * The acceptance of several drafts for one place, for every rule beside the bound that no rule exceeds:
 * the table of Hu, Zheng et al. 2025 (arXiv 2502.18779) on SmolLM2 and its drafter, at places of
 * answers that the target writes at temperature 1. Nothing is timed.
 *
 *     deno run -A bench/multi_draft_bench.ts --tasks tasks/open_ended.jsonl,tasks/code.jsonl --json
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { formatTable, optionalText, text } from "@outrider/outrider/cli";
import { foldIn, keyOf } from "@outrider/outrider/core";
import { openPrompts } from "@outrider/outrider/data";
import {
  distinctRecursiveAcceptance,
  greedyDrafts,
  kSequentialAcceptance,
  optimalAcceptance,
  type Probs,
  recursiveAcceptance,
  withoutReplacement,
  withReplacement,
} from "@outrider/outrider/decode";
import { encodeChat } from "@outrider/outrider/io";
import {
  distributionsAt,
  type DraftedContext,
  draftedContexts,
} from "./harness/drafted_contexts.ts";
import { type OpenDraft, openDraftOn } from "./harness/drafts.ts";
import { type OpenModel, openOn, smolLm2 } from "./harness/models.ts";
import { type Bench, benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { type Series, seriesOf } from "./harness/statistics.ts";

interface Settings {
  /** Answers to prompts of each file. */
  readonly prompts: number;
  readonly maxPrompt: number;
  readonly maxTokens: number;
  readonly stride: number;
  readonly temperatures: readonly number[];
  readonly counts: readonly number[];
  /** Rows of coins for what has no closed form. */
  readonly samples: number;
}

/** A column of the table. */
interface Rule {
  readonly name: string;
  readonly acceptance: (q: Probs, p: Probs, count: number) => number;
}

/** Coins spread evenly, `[samples][width]`: multiples of powers of a root of `x^(width+1) = x + 1`. */
function evenCoins(samples: number, width: number): number[][] {
  let root = 1.5;
  for (let i = 0; i < 50; i++) root = Math.pow(1 + root, 1 / (width + 1));
  return Array.from(
    { length: samples },
    (_, i) => Array.from({ length: width }, (_, j) => (0.5 + (i + 1) / root ** (j + 1)) % 1),
  );
}

function rulesOf({ samples }: Settings, { wants }: Bench): readonly Rule[] {
  const rules: readonly Rule[] = [
    { name: "RRS", acceptance: (q, p, n) => recursiveAcceptance(q, withReplacement(p, n)) },
    { name: "K-SEQ", acceptance: (q, p, n) => kSequentialAcceptance(q, withReplacement(p, n)) },
    { name: "bound", acceptance: (q, p, n) => optimalAcceptance(q, withReplacement(p, n)) },
    {
      name: "RRS, distinct",
      acceptance: (q, p, n) =>
        distinctRecursiveAcceptance(q, withoutReplacement(p, n), evenCoins(samples, n - 1)),
    },
    {
      name: "bound, distinct",
      acceptance: (q, p, n) => optimalAcceptance(q, withoutReplacement(p, n)),
    },
    { name: "RRS, greedy", acceptance: (q, p, n) => recursiveAcceptance(q, greedyDrafts(p, n)) },
    {
      name: "bound, greedy",
      acceptance: (q, p, n) => optimalAcceptance(q, greedyDrafts(p, n)),
    },
  ];
  return rules.filter(({ name }) => wants(name));
}

/** The files that a flag names, where all of them are there. */
async function taskFiles(tasks: string | undefined): Promise<string[]> {
  if (tasks === undefined) {
    throw new OutriderError("--tasks FILE,...", "none", "name .jsonl files of prompts");
  }
  const files = tasks.split(",");
  for (const file of files) await Deno.stat(file);
  return files;
}

/** Places of answers to prompts of every file, by answer. */
async function contextsOf(
  bench: Bench,
  target: OpenModel,
  draft: OpenDraft,
  files: readonly string[],
  settings: Settings,
): Promise<DraftedContext[][]> {
  const found: DraftedContext[][] = [];
  for (const file of files) {
    const prompts = await openPrompts(file, { seed: 1, count: Number.MAX_SAFE_INTEGER });
    const short = prompts.map((messages) => encodeChat(target.file.tokenizer, messages))
      .filter(({ length }) => length <= settings.maxPrompt)
      .slice(0, settings.prompts);
    for (const prompt of short) {
      bench.signal.throwIfAborted();
      const key = foldIn(keyOf(1), found.length);
      found.push(await draftedContexts(target, draft, prompt, settings, key));
    }
    bench.log(`${file}: ${short.length} answers\n`);
  }
  return found;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** What one rule accepts of `count` drafts at a temperature, by answer. */
interface Cell {
  readonly heat: number;
  readonly count: number;
  readonly rule: Rule;
  readonly series: Series;
}

async function cellsOf(
  bench: Bench,
  answers: readonly (readonly DraftedContext[])[],
  draft: OpenDraft,
  settings: Settings,
): Promise<Cell[]> {
  const { temperatures, counts } = settings;
  const cells: Cell[] = [];
  const columns = counts.flatMap((count) =>
    rulesOf(settings, bench).map((rule) => ({ count, rule }))
  );
  for (const heat of temperatures) {
    const byAnswer: number[][] = [];
    for (const contexts of answers) {
      // Lets Ctrl-C through, which ends with the temperatures that are done.
      await new Promise((resolve) => setTimeout(resolve));
      if (bench.signal.aborted) return cells;
      const rows = contexts.map((context) => {
        const { q, p } = distributionsAt(context, heat, draft);
        return columns.map(({ count, rule }) => rule.acceptance(q, p, count));
      });
      byAnswer.push(columns.map((_, i) => mean(rows.map((row) => row[i]))));
    }
    bench.log(`temperature ${heat} is done\n`);
    for (const [i, { count, rule }] of columns.entries()) {
      const name = `${count} drafts, T ${heat}, ${rule.name}`;
      const values = byAnswer.map((row) => row[i]);
      cells.push({ heat, count, rule, series: seriesOf(name, "acceptance", values) });
    }
  }
  return cells;
}

/** Mean acceptances in per cent of `count` drafts: a row for each temperature. */
function tableOf(
  cells: readonly Cell[],
  settings: Settings,
  count: number,
  rules: readonly Rule[],
): string {
  const done = settings.temperatures.filter((heat) => cells.some((cell) => cell.heat === heat));
  const rows = done.map((heat) => {
    const row = cells.filter((cell) => cell.heat === heat && cell.count === count);
    return [heat, ...row.map(({ series }) => (100 * mean(series.values)).toFixed(2))];
  });
  return formatTable([`${count} drafts, T`, ...rules.map(({ name }) => name)], rows);
}

await runBench(import.meta, {
  name: "multi_draft_bench",
  summary: "The acceptance of several drafts for one place, for every rule and at best.",
  flags: {
    ...benchFlags,
    tasks: optionalText({ placeholder: "FILE,...", help: ".jsonl files of prompts" }),
    draft: text({ placeholder: "DRAFT|auto", default: "auto", help: "a draft of SmolLM2" }),
  },
  settings: {
    prompts: 5,
    maxPrompt: 256,
    maxTokens: 32,
    stride: 4,
    temperatures: [0.2, 0.4, 0.6, 0.8, 1],
    counts: [2, 3, 4],
    samples: 256,
  },
  quick: {
    prompts: 1,
    maxPrompt: 256,
    maxTokens: 6,
    stride: 3,
    temperatures: [0.6, 1],
    counts: [2, 3],
    samples: 8,
  },
}, async (bench, settings: Settings, options): Promise<Findings> => {
  const files = await bench.attempt("prompts", () => taskFiles(options.tasks));
  const path = await bench.attempt("SmolLM2", smolLm2);
  if (files === undefined || path === undefined) return joinFindings([]);
  const target = await openOn(1, path, "q8");
  const draft = await openDraftOn(target, options.draft, "f32");
  const answers = await contextsOf(bench, target, draft, files, settings);
  target.close();
  const contexts = answers.reduce((sum, places) => sum + places.length, 0);
  if (contexts === 0) throw new OutriderError("short prompts", "none", "name other --tasks");
  const cells = await cellsOf(bench, answers, draft, settings);
  const errors = cells.map(({ series: { values } }) =>
    Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)) / values.length)
  );
  return {
    series: cells.map(({ series }) => series),
    ratios: [],
    remarks: [
      ...settings.counts.map((count) => tableOf(cells, settings, count, rulesOf(settings, bench))),
      `per cent, means over ${answers.length} answers, ${contexts} places in all; standard error of a ` +
      `mean at most ${(100 * Math.max(0, ...errors)).toFixed(1)}, the same places in every column`,
    ],
  };
});
