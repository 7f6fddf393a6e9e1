/**
 * Trains a CTC drafter (Wen, Gui & Feng 2024, arXiv 2412.00061) on a target's answers and features.
 *
 *     deno task ctc-draft --target smollm2 --set out/distill --keep-tokens 8000 --out out/ctc
 *
 * @module
 */
import { foldIn, keyOf, OutriderError } from "@outrider/outrider";
import { choice, integer, optionalText, runCommand } from "@outrider/outrider/cli";
import type { FeatureLayout } from "@outrider/outrider/data";
import { blockDrafterSize, initCtcDrafter } from "@outrider/outrider/nn";
import { ctcLabels, trainCtcDrafter } from "@outrider/outrider/train";
import { beginWith } from "./common/begin_ctc.ts";
import { needDistributions, openFeatureRun, printDrafts } from "./common/feature_drafts.ts";
import { drafterFlags, featureRunFlags, featureSetFlags } from "./common/feature_flags.ts";
import { stepReporter, trainingOptions } from "./common/training.ts";

const flags = {
  ...featureSetFlags,
  taps: optionalText({
    placeholder: "LIST",
    help: "which taps of the features are read, such as 14,27,30; the last if left out",
  }),
  places: integer({
    default: 6,
    minimum: 1,
    maximum: 16,
    help: "places that one pass fills with tokens, blanks between",
  }),
  labels: integer({
    default: 3,
    minimum: 1,
    maximum: 16,
    help: "tokens of the target's continuation that the places align with; at most --places",
  }),
  labelsOf: choice({
    of: [...ctcLabels],
    default: "greedy",
    help: "the continuation: the target's likeliest tokens while the text agrees, or the text",
  }),
  begin: optionalText({
    placeholder: "DRAFT",
    help: "a block or CTC drafter of the same sizes to begin with, instead of random weights",
  }),
  loss: choice({
    of: ["prefix", "ctc"],
    default: "prefix",
    help:
      "whether the continuation is what the places begin with, or, as in the paper, all they say",
  }),
  ...drafterFlags,
  ...featureRunFlags,
};

/** The taps that are named, or what the head reads. */
function tapsOf(list: string | undefined, { taps }: FeatureLayout): readonly number[] {
  if (list === undefined) return taps.slice(-1);
  const names = list.split(",").map((name) => name.trim());
  if (names.every((name) => /^\d+$/.test(name))) return names.map(Number);
  throw new OutriderError("layers as --taps", JSON.stringify(list), "separate them by commas");
}

await runCommand({
  name: "deno task ctc-draft",
  summary: "Trains a drafter whose places align with what the target says next.",
  flags,
  examples: [
    "deno task ctc-draft --target smollm2 --set out/distill --keep-tokens 8000 --out out/ctc",
  ],
}, async (options, context) => {
  const taps = (layout: FeatureLayout) => tapsOf(options.taps, layout);
  const run = await openFeatureRun({ ...options, taps }, context);
  const { config, heldOut, tokens } = run;
  if (options.labelsOf === "greedy") {
    needDistributions(run, "write it with --teacher-tokens, teach it, or choose --labels-of text");
  }
  context.log(`${((blockDrafterSize(config) + config.width) / 1e6).toFixed(2)} M parameters\n`);
  const name = `ctc draft of ${options.places} places`;
  const reporter = stepReporter(context, "ctc-draft", options);
  const { layers: _, ...training } = trainingOptions({ ...options, saveMemory: false }, heldOut);
  const key = foldIn(keyOf(options.seed), "ctc drafter");
  const first = initCtcDrafter(key, config, run.finalNorm);
  const { begin } = options;
  const result = await trainCtcDrafter({
    ...training,
    ...run,
    parameters: begin === undefined ? first : await beginWith(begin, run, first),
    anchors: options.anchors,
    labels: options.labels,
    of: options.labelsOf,
    loss: options.loss,
    featureNoise: { dropout: options.featureDropout, noise: options.featureNoise },
    weightDecay: options.weightDecay,
    data: begin === undefined ? run.data : `${run.data}; begun with ${begin}`,
    onStep: reporter.onStep,
    onBest: async ({ parameters, step }) => {
      await run.write("ctc", parameters, { name: `${name}, step ${step}`, file: "ctc-draft.best" });
    },
    signal: context.signal,
  });
  reporter.finish(result.step);
  const draft = await run.write("ctc", result.parameters, { name, file: "ctc-draft" });
  run.close();
  const { best, step } = result;
  const bestDraft = `${options.out}/ctc-draft.best.safetensors`;
  printDrafts(context, { draft, bestDraft, step, best }, options.steps);
  return { draft, steps: step, tokens, best };
});
