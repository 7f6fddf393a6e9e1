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
import { loadDenseLlama } from "@outrider/outrider/io";
import { isLossName, losses } from "@outrider/outrider/losses";
import { finetuneDraft } from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { checkDraft, openDraft, untrimmed } from "./common/drafts.ts";
import { loadModel, targetFlags } from "./common/models.ts";
import {
  codecOf,
  fingerprint,
  layersOf,
  makeFolder,
  stageFlags,
  stepReporter,
  trainingFlags,
  writeDraft,
} from "./common/recipe.ts";

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

/** What must be the same for a run to go on. */
async function dataOf(
  { target, set, mix, data }: {
    readonly target: string;
    readonly set: string;
    readonly mix: number;
    readonly data: string;
  },
  draft: string,
): Promise<string> {
  const text = mix === 0 ? "no text" : data;
  return `${target}, draft ${await fingerprint(draft)}, set ${await fingerprint(set)}, ${text}`;
}

await runCommand({
  name: "deno task finetune",
  summary:
    "Stage C of the recipe: distils the target into a draft with KLD, TVD, TVD++ or a rival.",
  flags,
  examples: [
    "deno task finetune --target embedded --draft out/pretrain/draft.gguf " +
    "--set out/distill/set.jsonl --out out/finetune",
  ],
}, async (options, context) => {
  const { device } = await openDevice(options);
  await makeFolder(options.out);
  const file = untrimmed(await openDraft(options.draft, context.progress));
  const entries = await readDistillationSet(options.set, file.config.vocabulary);
  const target = await loadModel(device, options.target, options, context);
  checkDraft(target.file, file);
  const mixed = options.mix === 0 ? undefined : {
    corpus: await openCorpus(options.data, codecOf(target.file), {
      seed: options.seed,
      promptWeight: 1,
    }),
    share: options.mix,
  };
  const reporter = stepReporter(context, `finetune ${options.loss}`, options);
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
    layers: layersOf(options),
    seed: options.seed,
    data: await dataOf(options, file.path),
    checkpoint: `${options.out}/checkpoint.safetensors`,
    saveEvery: options.saveEvery,
    onStep: reporter.onStep,
    signal: context.signal,
  });
  reporter.finish(result.step);
  const name = `draft finetuned with ${options.loss}`;
  const draft = await writeDraft(options.out, target.file, { name, config: file.config, result });
  device.close();
  context.print(`${draft} after ${result.step} of ${options.steps} steps\n`);
  return { draft, loss: options.loss, steps: result.step, answers: entries.length };
});
