/**
 * Trains a block drafter on a target's answers, its distributions and its features.
 *
 *     deno task block-draft --target smollm2 --set out/distill --keep-tokens 8000 --out out/block
 *
 * @module
 */
import { foldIn, keyOf } from "@outrider/outrider";
import { choice, integer, number, runCommand } from "@outrider/outrider/cli";
import { isRowwise, losses } from "@outrider/outrider/losses";
import { blockDrafterSize, initBlockDrafter } from "@outrider/outrider/nn";
import { placeDecay, trainBlockDrafter } from "@outrider/outrider/train";
import { needDistributions, openFeatureRun, printDrafts } from "./common/feature_drafts.ts";
import { drafterFlags, featureRunFlags, featureSetFlags } from "./common/feature_flags.ts";
import { stepReporter, trainingOptions } from "./common/training.ts";

const flags = {
  ...featureSetFlags,
  block: integer({ default: 4, minimum: 1, maximum: 64, help: "tokens that one pass drafts" }),
  ...drafterFlags,
  loss: choice({
    of: Object.keys(losses).filter(isRowwise),
    default: "kld",
    help: "what draws the drafter's distributions to the target's",
  }),
  lossTemperature: number({
    default: 1,
    minimum: 0.01,
    help: "temperature at which the distributions are compared",
  }),
  placeDecay: number({
    default: 0,
    minimum: 0,
    help: "the loss of place i counts exp(-i / this); 0 is what suits the block",
  }),
  ...featureRunFlags,
};

await runCommand({
  name: "deno task block-draft",
  summary: "Trains a drafter that drafts a block in one pass from what the target's layers know.",
  flags,
  examples: [
    "deno task block-draft --target smollm2 --set out/distill --keep-tokens 8000 --out out/block",
  ],
}, async (options, context) => {
  const { block: places, loss } = options;
  const run = await openFeatureRun({ ...options, places, taps: ({ taps }) => taps }, context);
  const { config, heldOut, tokens } = run;
  needDistributions(run);
  context.log(`${(blockDrafterSize(config) / 1e6).toFixed(2)} M parameters\n`);
  const name = `block draft trained with ${loss}`;
  const reporter = stepReporter(context, `block-draft ${loss}`, options);
  const { layers: _, ...training } = trainingOptions({ ...options, saveMemory: false }, heldOut);
  const key = foldIn(keyOf(options.seed), "block drafter");
  const result = await trainBlockDrafter({
    ...training,
    ...run,
    parameters: initBlockDrafter(key, config, run.finalNorm),
    anchors: options.anchors,
    loss,
    temperature: options.lossTemperature,
    decay: options.placeDecay === 0 ? placeDecay(config.block) : options.placeDecay,
    featureNoise: { dropout: options.featureDropout, noise: options.featureNoise },
    weightDecay: options.weightDecay,
    onStep: reporter.onStep,
    onBest: async ({ parameters, step }) => {
      const names = { name: `${name}, step ${step}`, file: "block-draft.best" };
      await run.write("block", parameters, names);
    },
    signal: context.signal,
  });
  reporter.finish(result.step);
  const draft = await run.write("block", result.parameters, { name, file: "block-draft" });
  run.close();
  const { best, step } = result;
  const bestDraft = `${options.out}/block-draft.best.safetensors`;
  printDrafts(context, { draft, bestDraft, step, best }, options.steps);
  return { draft, loss, steps: step, tokens, best };
});
