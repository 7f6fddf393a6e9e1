/**
 * Stage A: pretrains a draft for a target on text.
 *
 *     deno task pretrain --target embedded --data language --out out/pretrain
 *
 * @module
 */
import { keyOf, OutriderError } from "@outrider/outrider";
import {
  choice,
  integer,
  integerOr,
  number,
  optionalText,
  runCommand,
  text,
} from "@outrider/outrider/cli";
import { type ModelFile, openModel } from "@outrider/outrider/io";
import type { DenseHostTensor } from "@outrider/outrider/core";
import {
  initLlama,
  type LlamaConfig,
  type LlamaParameters,
  parameterCount,
  type TrimmedVocabulary,
} from "@outrider/outrider/nn";
import {
  draftConfig,
  inheritEmbedding,
  PAPER_SHARE,
  pretrainDraft,
} from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { findModel, targetFlags } from "./common/models.ts";
import { makeFolder, stageFlags } from "./common/recipe.ts";
import { trimmedFor } from "./common/trim.ts";
import { openText, textFlags } from "./common/text.ts";
import { stepReporter, trainingFlags, trainingOptions } from "./common/training.ts";
import { writeDraft } from "./common/write_draft.ts";

const size = { word: "auto", default: "auto", minimum: 1, maximum: 10_000 } as const;
const flags = {
  target: targetFlags.target,
  data: text({
    placeholder: "NAME|FILES",
    default: "language",
    help:
      "text to learn: language (the built-in one), or .txt, .jsonl and .gz files, separated by commas",
  }),
  validation: optionalText({
    placeholder: "NAME|FILES",
    help: "text to score the draft on as it learns, none of which is in --data",
  }),
  layers: integerOr({ ...size, help: "layers of the draft; auto is 1" }),
  width: integerOr({
    ...size,
    help: "width of the draft; auto gives the largest within --share",
  }),
  share: number({
    default: PAPER_SHARE,
    minimum: 0.0001,
    maximum: 1,
    help: "most parameters of a draft of automatic width, as a share of the target's",
  }),
  keepTokens: integer({
    default: 0,
    minimum: 0,
    maximum: 1_000_000,
    help: "trim the vocabulary to the N tokens that the target writes most; 0 keeps all",
  }),
  countIn: optionalText({
    placeholder: "DIRS",
    help: "the distillation sets to count tokens in, for --keep-tokens",
  }),
  begin: choice({
    of: ["inherit", "random"],
    default: "inherit",
    help: "the first embedding: the target's in fewer dimensions, or drawn",
  }),
  ...textFlags,
  ...trainingFlags,
  ...stageFlags,
  ...deviceFlags,
};

/** The built-in language of another seed has other texts. */
const HELD_OUT_SEED = 1_000_003;

const chosen = (value: number | "auto"): number | undefined => value === "auto" ? undefined : value;

/** The first weights of the draft. */
async function firstWeights(
  { begin, seed }: { readonly begin: "inherit" | "random"; readonly seed: number },
  config: LlamaConfig,
  target: ModelFile,
  vocabulary: TrimmedVocabulary | undefined,
): Promise<LlamaParameters<DenseHostTensor>> {
  const drawn = initLlama(keyOf(seed), config);
  const embedding = target.tensors.get("embedding");
  if (begin === "random" || embedding === undefined || config.width > target.config.width) {
    return drawn;
  }
  const values = await embedding.readFloat32();
  return inheritEmbedding(drawn, { values, width: target.config.width }, vocabulary);
}

await runCommand({
  name: "deno task pretrain",
  summary: "Stage A of the recipe: trains a draft from scratch to predict the next token.",
  flags,
  examples: ["deno task pretrain --target embedded --out out/pretrain"],
}, async (options, context) => {
  const { device } = await openDevice(options);
  await makeFolder(options.out);
  const file = await openModel(await findModel(options.target, context.progress));
  const open = (data: string, seed: number) =>
    openText(file, data, { seed, tokenCache: options.tokenCache });
  const corpus = await open(options.data, options.seed);
  const heldOut = options.validation === undefined
    ? undefined
    : await open(options.validation, options.seed + HELD_OUT_SEED);
  const { layers, width } = options;
  const vocabulary = await trimmedFor(file, corpus, options, context);
  const config = draftConfig(file.config, {
    layers: chosen(layers),
    width: chosen(width),
    share: options.share,
    vocabulary: vocabulary?.classes,
  });
  const parameters = parameterCount(config);
  const share = parameters / parameterCount(file.config);
  if (share >= 1) {
    throw new OutriderError(
      `a draft smaller than its target of ${parameterCount(file.config)} parameters`,
      `one of ${parameters}`,
      "choose a smaller --width or fewer --layers",
    );
  }
  context.log(`a draft of ${parameters} parameters, ${(100 * share).toFixed(2)} % of the target\n`);
  const reporter = stepReporter(context, "pretrain", options);
  const result = await pretrainDraft({
    device,
    config,
    vocabulary,
    parameters: await firstWeights(options, config, file, vocabulary),
    corpus,
    ...trainingOptions(options, heldOut),
    data: `${options.data} for ${options.target}, ${options.begin} embedding`,
    onStep: reporter.onStep,
    signal: context.signal,
  });
  reporter.finish(result.step);
  const name = "pretrained draft";
  const draft = await writeDraft(options.out, file, { name, config, vocabulary, result });
  device.close();
  context.print(`${draft} after ${result.step} of ${options.steps} steps\n`);
  return { draft, parameters, share, steps: result.step };
});
