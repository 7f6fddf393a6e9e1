/**
 * Stage A: pretrains a draft for a target on text.
 *
 *     deno task pretrain --target embedded --data language --out out/pretrain
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { integerOr, runCommand, text } from "@outrider/outrider/cli";
import { openCorpus } from "@outrider/outrider/data";
import { openModel } from "@outrider/outrider/io";
import { parameterCount } from "@outrider/outrider/nn";
import { draftConfig, pretrainDraft } from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { findModel, targetFlags } from "./common/models.ts";
import {
  codecOf,
  layersOf,
  makeFolder,
  stageFlags,
  stepReporter,
  trainingFlags,
  writeDraft,
} from "./common/recipe.ts";

const size = { word: "auto", default: "auto", minimum: 1, maximum: 10_000 } as const;
const flags = {
  target: targetFlags.target,
  data: text({
    placeholder: "NAME|FILES",
    default: "language",
    help:
      "text to learn: language (the built-in one), or .txt, .jsonl and .gz files, separated by commas",
  }),
  layers: integerOr({ ...size, help: "layers of the draft; auto is 1" }),
  width: integerOr({
    ...size,
    help: "width of the draft; auto gives about 1.64 % of the target's size",
  }),
  ...trainingFlags,
  ...stageFlags,
  ...deviceFlags,
};

const chosen = (value: number | "auto"): number | undefined => value === "auto" ? undefined : value;

await runCommand({
  name: "deno task pretrain",
  summary: "Stage A of the recipe: trains a draft from scratch to predict the next token.",
  flags,
  examples: ["deno task pretrain --target embedded --out out/pretrain"],
}, async (options, context) => {
  const { device } = await openDevice(options);
  await makeFolder(options.out);
  const file = await openModel(await findModel(options.target, context.progress));
  const corpus = await openCorpus(options.data, codecOf(file), {
    seed: options.seed,
    promptWeight: 1,
  });
  const { layers, width } = options;
  const config = draftConfig(file.config, { layers: chosen(layers), width: chosen(width) });
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
    corpus,
    steps: options.steps,
    rowsPerBatch: options.rows,
    rate: options.rate,
    layers: layersOf(options),
    seed: options.seed,
    data: `${options.data} for ${options.target}`,
    checkpoint: `${options.out}/checkpoint.safetensors`,
    saveEvery: options.saveEvery,
    onStep: reporter.onStep,
    signal: context.signal,
  });
  reporter.finish(result.step);
  const draft = await writeDraft(options.out, file, { name: "pretrained draft", config, result });
  device.close();
  context.print(`${draft} after ${result.step} of ${options.steps} steps\n`);
  return { draft, parameters, share, steps: result.step };
});
