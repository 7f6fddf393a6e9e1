/**
 * How many of the target's likeliest tokens a distillation set has to keep: the acceptance rate that
 * training sees with the k likeliest cached, against the one over the whole vocabulary, on answers
 * in a set, with the bytes that they take.
 *
 *     deno run -A bench/teacher_tokens_bench.ts --set out/smollm2/self --draft auto --json
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { optionalText, text } from "@outrider/outrider/cli";
import { openDistillationSet, teacherRowBytes } from "@outrider/outrider/data";
import {
  type LanguageModel,
  type LlamaCache,
  type Probs,
  softmax,
} from "@outrider/outrider/decode";
import {
  acceptanceOf,
  cachedClasses,
  classProbs,
  completed,
  likeliest,
} from "./harness/coarse_acceptance.ts";
import { type OpenDraft, openDraftOn } from "./harness/drafts.ts";
import { type OpenModel, openOn, smolLm2 } from "./harness/models.ts";
import { benchFlags, runBench } from "./harness/program.ts";
import { type Findings, joinFindings } from "./harness/report.ts";
import { ratioOf, type Series, seriesOf } from "./harness/statistics.ts";

interface Settings {
  /** Answers that are looked at. */
  readonly answers: number;
  /** Tokens kept of each row. */
  readonly kept: readonly number[];
}

/** The distributions of a text's last rows. */
async function lawsOf(
  model: LanguageModel<LlamaCache>,
  tokens: readonly number[],
  wanted: number,
): Promise<readonly Probs[]> {
  const { cache, logits } = await model.forward(model.open(), tokens, wanted);
  const laws = logits.map((row) => softmax(row));
  model.close(cache);
  return laws;
}

/** Mean acceptance over the rows of one answer: exact first, then with each number of tokens. */
async function acceptances(
  target: OpenModel,
  { model, vocabulary }: OpenDraft,
  answer: { readonly tokens: Int32Array; readonly weights: Float32Array },
  kept: readonly number[],
): Promise<readonly number[]> {
  const rows = answer.weights.filter((weight) => weight > 0).length;
  const seen = Array.from(answer.tokens).slice(0, -1);
  const targets = await lawsOf(target.model, seen, rows);
  const classes = seen.map((token) => vocabulary?.classOf(token) ?? token);
  const drafts = await lawsOf(model, classes, rows);
  const sums = new Array<number>(1 + kept.length).fill(0);
  drafts.forEach((law, row) => {
    sums[0] += acceptanceOf(law, classProbs(targets[row], vocabulary));
    const order = likeliest(targets[row], Math.max(...kept));
    kept.forEach((count, i) => {
      const cached = cachedClasses(targets[row], order.slice(0, count), vocabulary);
      sums[1 + i] += acceptanceOf(law, completed(cached, law, vocabulary?.other));
    });
  });
  return sums.map((sum) => sum / rows);
}

await runBench(import.meta, {
  name: "teacher_tokens_bench",
  summary: "The acceptance rate that is seen with the target's k likeliest tokens cached.",
  flags: {
    ...benchFlags,
    set: optionalText({ placeholder: "DIR", help: "a distillation set of SmolLM2" }),
    draft: text({ placeholder: "DRAFT|auto", default: "auto", help: "a draft of SmolLM2" }),
  },
  settings: { answers: 24, kept: [1, 4, 16, 32, 64, 128, 256] },
  quick: { answers: 2, kept: [1, 16, 64] },
}, async (bench, settings: Settings, options): Promise<Findings> => {
  if (options.set === undefined) {
    bench.log("skipped: name what distill wrote by --set\n");
    return joinFindings([]);
  }
  const path = await bench.attempt("SmolLM2", smolLm2);
  if (path === undefined) return joinFindings([]);
  const target = await openOn(1, path, "q8");
  const draft = await openDraftOn(target, options.draft, "f32");
  const set = await openDistillationSet(options.set);
  const found: (readonly number[])[] = [];
  for (let i = 0; i < Math.min(settings.answers, set.corpus.length); i++) {
    bench.signal.throwIfAborted();
    found.push(await acceptances(target, draft, set.corpus.document(i), settings.kept));
  }
  set.close();
  target.close();
  if (found.length === 0) throw new OutriderError("answers in the set", "none", "name another");
  const column = (i: number, name: string): Series =>
    seriesOf(name, "alpha", found.map((values) => values[i]));
  const exact = column(0, "whole distributions");
  const coarse = settings.kept.map((count, i) => column(i + 1, `${count} tokens`));
  const { vocabulary } = target.config;
  return {
    series: [exact, ...coarse],
    ratios: coarse.map((series) => ratioOf(`${series.name} over all`, series, exact)),
    remarks: settings.kept.map((kept) =>
      `${kept} tokens: ${teacherRowBytes({ kept, vocabulary })} bytes for each response token`
    ),
  };
});
