/**
 * Compares drafts on the same prompts: tau, acceptance, MBSU, tokens per second, equal texts, each
 * with its interval, and says in words what that shows.
 *
 *     deno task evaluate --target embedded --draft base=out/pretrain/draft.gguf \
 *       --draft tvd++=out/finetune/draft.gguf --draft lookup --decoding 0,1 --out out/evaluate
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import {
  type CommandContext,
  integer,
  optionalText,
  type Progress,
  runCommand,
  texts,
  toggle,
} from "@outrider/outrider/cli";
import {
  type DecoderPlaces,
  type EvaluationHead,
  type EvaluationPlan,
  type EvaluationResults,
  openResults,
  reportOf,
  resultsInMemory,
  runEvaluation,
} from "@outrider/outrider/evaluate";
import { deviceFlags, openDevice } from "./common/device.ts";
import {
  type DecodingOptions,
  decodingWith,
  type DraftSource,
  type DraftSpec,
  draftSpecs,
  type NamedDraft,
  openDraft,
  placesOfDecoders,
} from "./common/evaluation_drafts.ts";
import { type Heat, heatsOf, settingFlags } from "./common/evaluation_flags.ts";
import { terminalReport, writeReport } from "./common/evaluation_report.ts";
import { openTasks, taskFlags } from "./common/evaluation_tasks.ts";
import {
  cacheFlags,
  loadModel,
  remembering,
  type RememberingTarget,
  targetFlags,
} from "./common/models.ts";
import { type OpenSystems, openSystems } from "./common/open_systems.ts";
import { makeFolder } from "./common/recipe.ts";
import { systemNames } from "./common/system_plan.ts";
import { decodingFlags } from "./common/warps.ts";

const { topK, minP, repetitionPenalty, seed } = decodingFlags;
const flags = {
  ...targetFlags,
  ...cacheFlags,
  draft: texts({
    placeholder: "[NAME=]MODEL",
    help:
      "a draft to compare: a model, lookup, lookup+MODEL, self or self:LAYERS (the target's first), or none",
  }),
  systems: optionalText({
    placeholder: "all|NAME,...",
    help:
      "whole systems: plain, lookup, kld, tvd, tvd++, lookup-chain, pearl, ctc, multi-draft, dflash, " +
      "ddtree, drawn-tree",
  }),
  ...taskFlags,
  ...settingFlags,
  maxTokens: integer({ default: 128, minimum: 1, help: "most tokens of an answer" }),
  topK,
  minP,
  repetitionPenalty,
  seed,
  out: optionalText({
    placeholder: "DIR",
    help: "a folder for results and the report as JSON, Markdown and HTML; a killed run goes on",
  }),
  ...deviceFlags,
  json: toggle({ help: "print one JSON object" }),
};

/** Measures what is missing; Ctrl-C ends it with what there is. */
async function measure(
  plan: EvaluationPlan,
  results: EvaluationResults,
  { signal, progress, log }: CommandContext,
): Promise<void> {
  const texts = results.records().length;
  if (texts > 0) log(`goes on after ${texts} texts\n`);
  let bar: Progress | undefined;
  const onText = (done: number, total: number): void => {
    bar ??= progress({ label: "evaluate", unit: "texts", total, startedAt: done - 1 });
    bar.update(done);
  };
  try {
    await runEvaluation(plan, results, { signal, onText });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  bar?.finish();
}

/** All drafts in all settings, as they are given. */
async function draftDecodings(
  specs: readonly DraftSpec[],
  source: DraftSource,
  warm: RememberingTarget,
  options: DecodingOptions & { readonly decoding: readonly Heat[] | undefined },
): Promise<
  Pick<OpenSystems, "decodings" | "close"> & {
    readonly systems?: undefined;
    readonly decoders: DecoderPlaces | undefined;
  }
> {
  const drafts: NamedDraft[] = [];
  for (const spec of specs) drafts.push(await openDraft(spec, source));
  const heats = heatsOf(options.decoding, [0]);
  return {
    decodings: heats.map((heat) => decodingWith(heat, warm, drafts, options)),
    close: () => {},
    decoders: placesOfDecoders(warm, drafts, options),
  };
}

await runCommand({
  name: "deno task evaluate",
  summary: "Compares drafts on the same prompts, with plain decoding in the same run. Finetuned " +
    "drafts are\ncompared with the one named base; names such as kld@500 make curves over steps.",
  flags,
  examples: [
    "deno task evaluate --target embedded --draft base=out/pretrain/draft.gguf " +
    "--draft tvd++=out/finetune/draft.gguf",
    "deno task evaluate --target smollm2 --tasks tasks/ --draft lookup --draft self " +
    "--gamma 3,5,auto --decoding 0,1,0.6/0.9 --out out/evaluate",
    "deno task evaluate --target smollm2 --systems all --draft kld=out/kld/draft.gguf " +
    "--draft block=out/block/block-draft.safetensors",
  ],
}, async (options, context) => {
  const { systems: written, draft } = options;
  const specs = written === undefined || draft.length > 0 ? draftSpecs(draft) : [];
  const wanted = written === undefined ? undefined : { names: systemNames(written, specs) };
  if (options.out !== undefined) await makeFolder(options.out);
  const opened = await openDevice(options);
  const { device } = opened;
  const target = await loadModel(device, options.target, options, context);
  // The same prompt comes many times in a row: the target reads it once.
  const warm = remembering(target);
  const { decodings, systems, close, decoders } = wanted === undefined
    ? await draftDecodings(specs, { device, dtype: options.dtype, target, context }, warm, options)
    : {
      ...await openSystems({ ...wanted, specs, opened, loaded: target, warm, context }, {
        ...options,
        decoding: heatsOf(options.decoding, [0, 1]),
      }),
      decoders: undefined,
    };
  const plan = {
    tasks: await openTasks(target.file, options),
    decodings,
    key: keyOf(options.seed),
  };
  const head: EvaluationHead = {
    target: options.target,
    tokenizer: target.file.tokenizer.hash,
    dtype: options.dtype,
    cache: options.cache,
    maxTokens: options.maxTokens,
    seed: options.seed,
  };
  const results = options.out === undefined
    ? resultsInMemory(head)
    : await openResults(`${options.out}/results.jsonl`, head);
  await measure(plan, results, context);
  await results.close();
  close();
  warm.forget();
  device.close();
  const report = reportOf({ head, records: results.records(), systems, decoders });
  context.print(terminalReport(report));
  if (options.out !== undefined) await writeReport(options.out, report, context);
  return report;
});
