/**
 * Flags of the commands that train drafters on a target's features.
 *
 * @module
 */
import { integer, number, optionalText, requiredText } from "@outrider/outrider/cli";
import { deviceFlags } from "./device.ts";
import { targetFlags } from "./models.ts";
import { stageFlags } from "./recipe.ts";
import { trainingFlags } from "./training.ts";

const { saveMemory: _, ...stepFlags } = trainingFlags;

/** Flags of what is learnt from, and which tokens are drafted. */
export const featureSetFlags = {
  target: targetFlags.target,
  set: requiredText({
    placeholder: "DIRS",
    help: "distillation sets with features (deno task features), separated by commas",
  }),
  validation: optionalText({
    placeholder: "DIRS",
    help: "such sets to score the drafter on as it learns; the best is kept beside the last",
  }),
  draftVocabulary: optionalText({
    placeholder: "DRAFT",
    help: "a draft whose tokens are drafted, instead of --keep-tokens",
  }),
  keepTokens: integer({
    default: 0,
    minimum: 0,
    help: "how many of the target's tokens are drafted: those most written in --set",
  }),
};

/** Flags of a drafter's sizes. */
export const drafterFlags = {
  layers: integer({ default: 1, minimum: 1, maximum: 64, help: "layers of the drafter" }),
  contextWidth: integer({ default: 256, minimum: 1, help: "width of a row of context" }),
  feedForward: integer({ default: 768, minimum: 1, help: "width of the feed-forward layers" }),
  heads: integer({ default: 6, minimum: 1, help: "query heads, each as wide as the target's" }),
  keyValueHeads: integer({ default: 2, minimum: 1, help: "key and value heads; divide --heads" }),
};

/** Flags of a run. */
export const featureRunFlags = {
  featureDropout: number({
    default: 0,
    minimum: 0,
    maximum: 0.95,
    help: "share of the features that are 0 in a step; 0.2 where the sets are small",
  }),
  featureNoise: number({
    default: 0,
    minimum: 0,
    help: "the most that is added to a feature or taken off it in a step; 0.1 where sets are small",
  }),
  weightDecay: number({
    default: 0.05,
    minimum: 0,
    help: "share of the weights taken off per step, times the rate; 0.2 where sets are small",
  }),
  anchors: integer({ default: 160, minimum: 1, maximum: 65_536, help: "blocks per step" }),
  ...stepFlags,
  rows: integer({ default: 1024, minimum: 1, maximum: 65_536, help: "rows of context per step" }),
  rate: number({ default: 0.001, minimum: 0, help: "peak learning rate" }),
  ...stageFlags,
  ...deviceFlags,
};
