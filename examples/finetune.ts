/**
 * Stage C: finetunes a draft on the target's own distributions.
 *
 *     deno task finetune --target embedded --draft out/pretrain/draft.gguf \
 *       --set out/distill/set.jsonl --loss tvd++ --out out/finetune
 *
 * @module
 */
import { choice, number, requiredText, runCommand, text } from "@outrider/outrider/cli";
import { distillationCorpus, openCorpus, readDistillationSet } from "@outrider/outrider/data";
import { loadDenseLlama, openModel } from "@outrider/outrider/io";
import { isLossName, losses } from "@outrider/outrider/losses";
import { finetuneDraft } from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { loadModel, targetFlags } from "./common/models.ts";
import { codecOf, stageFlags, stepReporter, trainingFlags, writeDraft } from "./common/recipe.ts";

const flags = {
  ...targetFlags,
  draft: requiredText({ placeholder: "MODEL", help: "the pretrained draft" }),
  set: requiredText({ placeholder: "FILE", help: "the distillation set" }),
  loss: choice({
    of: Object.keys(losses).filter(isLossName),
    default: "tvd++",
    help: "what draws the draft's distributions to the target's",
  }),
  lossTemperature: number({
    default: 1,
    minimum: 0.01,
    help: "temperature at which the distributions are compared",
  }),
  mix: number({ default: 0.1, minimum: 0, maximum: 0.9, help: "share of pretraining text" }),
  data: text({
    placeholder: "NAME|FILES",
    default: "language",
    help: "the pretraining text to mix in",
  }),
  ...trainingFlags,
  ...stageFlags,
  ...deviceFlags,
};

await runCommand({
  name: "finetune",
  summary:
    "Stage C of the recipe: distils the target into a draft with KLD, TVD, TVD++ or a rival.",
  flags,
}, async (options, context) => {
  await Deno.mkdir(options.out, { recursive: true });
  const { device } = openDevice(options);
  const target = await loadModel(device, options.target, options.dtype, context);
  const file = await openModel(options.draft);
  const entries = await readDistillationSet(options.set, file.config.vocabulary);
  const mixed = options.mix === 0 ? undefined : {
    corpus: await openCorpus(options.data, codecOf(target.file), {
      seed: options.seed,
      promptWeight: 1,
    }),
    share: options.mix,
  };
  const reporter = await stepReporter(context, `finetune ${options.loss}`, options);
  const result = await finetuneDraft({
    device,
    config: file.config,
    parameters: await loadDenseLlama(file),
    target: { config: target.file.config, parameters: target.parameters },
    loss: options.loss,
    temperature: options.lossTemperature,
    set: distillationCorpus(entries),
    mix: mixed,
    steps: options.steps,
    rowsPerBatch: options.rows,
    rate: options.rate,
    seed: options.seed,
    checkpoint: `${options.out}/checkpoint.safetensors`,
    saveEvery: options.saveEvery,
    onStep: reporter.onStep,
    signal: context.signal,
  });
  reporter.finish();
  const draft = `${options.out}/draft.gguf`;
  await writeDraft(draft, `draft finetuned with ${options.loss}`, target.file, file.config, result);
  device.close();
  context.print(`${draft} after ${result.step} of ${options.steps} steps\n`);
  return { draft, loss: options.loss, steps: result.step, answers: entries.length };
});
