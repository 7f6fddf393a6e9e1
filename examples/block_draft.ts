/**
 * Trains a block drafter on a target's answers, its distributions and its features.
 *
 *     deno task block-draft --target smollm2 --set out/distill --keep-tokens 8000 --out out/block
 *
 * @module
 */
import { foldIn, keyOf, OutriderError } from "@outrider/outrider";
import {
  choice,
  type CommandContext,
  integer,
  number,
  optionalText,
  requiredText,
  runCommand,
} from "@outrider/outrider/cli";
import {
  type ModelFile,
  openDraftFor,
  openModel,
  writeBlockDraftFile,
} from "@outrider/outrider/io";
import { isRowwise, losses } from "@outrider/outrider/losses";
import {
  type BlockDrafterConfig,
  blockDrafterSize,
  initBlockDrafter,
  type TrimmedVocabulary,
} from "@outrider/outrider/nn";
import { releaseTree, uploadTree } from "@outrider/outrider/runtime";
import {
  type BlockStageResult,
  placeDecay,
  readSharedWeights,
  trainBlockDrafter,
  weightReader,
} from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { findModel, targetFlags } from "./common/models.ts";
import { makeFolder, stageFlags } from "./common/recipe.ts";
import { type OpenFeatureSets, openFeatureSets } from "./common/sets.ts";
import { stepReporter, trainingFlags, trainingOptions } from "./common/training.ts";
import { trimmedFor } from "./common/trim.ts";

const { saveMemory: _, ...stepFlags } = trainingFlags;
const flags = {
  target: targetFlags.target,
  set: requiredText({
    placeholder: "DIRS",
    help: "distillation sets with features (deno task features), separated by commas",
  }),
  validation: optionalText({
    placeholder: "DIRS",
    help: "such sets to score the drafter on as it learns; the best is kept as block-draft.best",
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
  block: integer({ default: 4, minimum: 1, maximum: 64, help: "tokens that one pass drafts" }),
  layers: integer({ default: 1, minimum: 1, maximum: 64, help: "layers of the drafter" }),
  contextWidth: integer({ default: 256, minimum: 1, help: "width of a row of context" }),
  feedForward: integer({ default: 768, minimum: 1, help: "width of the feed-forward layers" }),
  heads: integer({ default: 6, minimum: 1, help: "query heads, each as wide as the target's" }),
  keyValueHeads: integer({ default: 2, minimum: 1, help: "key and value heads; divide --heads" }),
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

interface SizeFlags {
  readonly block: number;
  readonly layers: number;
  readonly contextWidth: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly keyValueHeads: number;
}

/** Attention is to tell near from far in texts of some hundred tokens. */
const ROPE_BASE = 10_000;

function configOf(
  { config }: ModelFile,
  { layout }: OpenFeatureSets,
  flags: SizeFlags,
): BlockDrafterConfig {
  const { width, headWidth, contextLength, rmsNormEpsilon } = config;
  if (layout.width !== layout.taps.length * width) {
    throw new OutriderError(
      `features of ${layout.taps.length * width} numbers at ${layout.taps.length} taps`,
      `${layout.width}`,
      "write the features with this target",
    );
  }
  if (flags.heads % flags.keyValueHeads !== 0) {
    throw new OutriderError(
      "--key-value-heads that divide --heads",
      `${flags.keyValueHeads} and ${flags.heads}`,
      "change one of them",
    );
  }
  return {
    width,
    taps: layout.taps,
    features: layout.width,
    contextWidth: flags.contextWidth,
    layers: flags.layers,
    heads: flags.heads,
    keyValueHeads: flags.keyValueHeads,
    headWidth,
    feedForwardWidth: flags.feedForward,
    block: flags.block,
    contextLength,
    ropeBase: ROPE_BASE,
    rmsNormEpsilon,
  };
}

/** The tokens that are drafted: those of a draft, or those that the sets have most. */
async function vocabularyOf(
  target: ModelFile,
  sets: OpenFeatureSets,
  { draftVocabulary, keepTokens, set, out }: {
    readonly draftVocabulary: string | undefined;
    readonly keepTokens: number;
    readonly set: string;
    readonly out: string;
  },
  context: CommandContext,
): Promise<TrimmedVocabulary> {
  if ((draftVocabulary === undefined) === (keepTokens === 0)) {
    const found = keepTokens === 0 ? "neither" : "both";
    throw new OutriderError("--draft-vocabulary or --keep-tokens", found, "name one of them");
  }
  if (draftVocabulary === undefined) {
    const trim = { keepTokens, countIn: set, out };
    const counted = await trimmedFor(target, sets.corpus, trim, context);
    if (counted !== undefined) return counted;
  }
  const draft = await openDraftFor(
    target,
    draftVocabulary ?? "",
    (name) => findModel(name, context.progress),
  );
  draft.close();
  if (draft.vocabulary !== undefined) return draft.vocabulary;
  throw new OutriderError(
    "a draft with a vocabulary of its own as --draft-vocabulary",
    `${draftVocabulary}, which knows all tokens`,
    "name another draft, or choose --keep-tokens",
  );
}

await runCommand({
  name: "deno task block-draft",
  summary: "Trains a drafter that drafts a block in one pass from what the target's layers know.",
  flags,
  examples: [
    "deno task block-draft --target smollm2 --set out/distill --keep-tokens 8000 --out out/block",
  ],
}, async (options, context) => {
  const { device } = await openDevice(options);
  await makeFolder(options.out);
  const target = await openModel(await findModel(options.target, context.progress));
  const { tokenizer } = target;
  const sets = await openFeatureSets(options.set, tokenizer);
  const heldOut = options.validation === undefined
    ? undefined
    : await openFeatureSets(options.validation, tokenizer);
  const cachedTokens = Math.min(sets.cachedTokens, heldOut?.cachedTokens ?? Infinity);
  if (cachedTokens === 0) {
    throw new OutriderError(
      "sets with the target's distributions",
      "one without",
      "write it with --teacher-tokens, or teach it",
    );
  }
  context.log(sets.note);
  const config = configOf(target, sets, options);
  const vocabulary = await vocabularyOf(target, sets, options, context);
  const { shared, finalNorm } = await readSharedWeights(target, vocabulary);
  const key = foldIn(keyOf(options.seed), "block drafter");
  context.log(`${(blockDrafterSize(config) / 1e6).toFixed(2)} M parameters\n`);
  const write = async ({ parameters }: BlockStageResult, name: string, file: string) => {
    const path = `${options.out}/${file}.safetensors`;
    const readWeight = weightReader(parameters);
    const tokenizerHash = tokenizer.hash;
    const content = { name, config, readWeight, tokenizerHash, vocabulary, format: "F16" } as const;
    await writeBlockDraftFile(path, content);
    return path;
  };
  const { loss } = options;
  const name = `block draft trained with ${loss}`;
  const reporter = stepReporter(context, `block-draft ${loss}`, options);
  const onDevice = uploadTree(device, shared);
  const { layers: _, ...training } = trainingOptions(
    { ...options, saveMemory: false },
    heldOut?.corpus,
  );
  const result = await trainBlockDrafter({
    ...training,
    device,
    config,
    parameters: initBlockDrafter(key, config, finalNorm),
    shared: onDevice,
    vocabulary,
    set: sets.corpus,
    cachedTokens,
    anchors: options.anchors,
    loss,
    temperature: options.lossTemperature,
    decay: options.placeDecay === 0 ? placeDecay(config.block) : options.placeDecay,
    featureNoise: { dropout: options.featureDropout, noise: options.featureNoise },
    weightDecay: options.weightDecay,
    data: `${options.target}, ${sets.data}`,
    onStep: reporter.onStep,
    onBest: async (best) => {
      await write(best, `${name}, step ${best.step}`, "block-draft.best");
    },
    signal: context.signal,
  });
  reporter.finish(result.step);
  const draft = await write(result, name, "block-draft");
  releaseTree(onDevice);
  [sets, heldOut].forEach((opened) => opened?.close());
  target.close();
  device.close();
  const { best } = result;
  context.print(`${draft} after ${result.step} of ${options.steps} steps\n`);
  if (best !== undefined) {
    const path = `${options.out}/block-draft.best.safetensors`;
    context.print(
      `${path} of step ${best.step}, alpha ${best.score.toFixed(3)} on --validation\n`,
    );
  }
  return { draft, loss, steps: result.step, tokens: sets.tokens, best };
});
