/**
 * Stage C: finetunes a draft on the target's own distributions.
 *
 *     deno task finetune --target embedded --draft out/pretrain/draft.gguf \
 *       --set out/distill --loss tvd++ --out out/finetune
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import {
  choice,
  number,
  optionalText,
  requiredText,
  runCommand,
  text,
} from "@outrider/outrider/cli";
import {
  loadDenseLlama,
  loadLlama,
  type ModelFile,
  openDraftFor,
  openModel,
  type WeightType,
} from "@outrider/outrider/io";
import { isLossName, losses } from "@outrider/outrider/losses";
import { type Device, uploadsTo } from "@outrider/outrider/runtime";
import { finetuneDraft, type FinetuneOptions, type StageResult } from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { findModel, targetFlags } from "./common/models.ts";
import { finetuneOnPolicy, onPolicyFlags } from "./common/on_policy.ts";
import { fingerprint, makeFolder, stageFlags } from "./common/recipe.ts";
import { type OpenSets, openSets } from "./common/sets.ts";
import { openText, textFlags } from "./common/text.ts";
import { stepReporter, trainingFlags, trainingOptions } from "./common/training.ts";
import { draftPath, writeDraft } from "./common/write_draft.ts";

const flags = {
  ...targetFlags,
  draft: requiredText({ placeholder: "MODEL", help: "the pretrained draft" }),
  set: requiredText({
    placeholder: "DIRS",
    help: "the folders of one or more distillation sets, separated by commas",
  }),
  teacher: choice({
    of: ["auto", "cached", "target"],
    default: "auto",
    help: "whence the target's distributions: the sets or the target itself; auto prefers sets",
  }),
  validation: optionalText({
    placeholder: "DIRS",
    help: "other sets to score the draft on as it learns; keeps the best one as draft.best",
  }),
  loss: choice({
    of: [...Object.keys(losses).filter(isLossName), "on-policy"],
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
  ...onPolicyFlags,
  ...textFlags,
  ...trainingFlags,
  ...stageFlags,
  ...deviceFlags,
};

/** What must be the same for a run to go on. */
async function dataOf(
  { target, mix, data }: { readonly target: string; readonly mix: number; readonly data: string },
  draft: string,
  sets: OpenSets,
): Promise<string> {
  const text = mix === 0 ? "no text" : data;
  return `${target}, draft ${await fingerprint(draft)}, ${sets.data}, ${text}`;
}

/** Refuses sets that cannot teach, before anything is told of them. */
function checkTeacher(teacher: string, { cachedTokens }: OpenSets): void {
  if (teacher !== "cached" || cachedTokens > 0) return;
  throw new OutriderError(
    "sets with the target's distributions",
    "one without",
    "write it with --teacher-tokens, or finetune with --teacher target",
  );
}

/** Who teaches; the target is loaded only where it has to run. */
async function teacherOf(
  device: Device,
  target: ModelFile,
  { teacher, dtype }: {
    readonly teacher: "auto" | "cached" | "target";
    readonly dtype: WeightType;
  },
  { cachedTokens }: OpenSets,
): Promise<FinetuneOptions["target"]> {
  if (teacher !== "target" && cachedTokens > 0) return { cachedTokens };
  return { config: target.config, parameters: await loadLlama(target, dtype, uploadsTo(device)) };
}

await runCommand({
  name: "deno task finetune",
  summary:
    "Stage C of the recipe: distils the target into a draft with KLD, TVD, TVD++ or a rival.",
  flags,
  examples: [
    "deno task finetune --target embedded --draft out/pretrain/draft.gguf " +
    "--set out/distill --out out/finetune",
    "deno task finetune --target embedded --draft out/finetune/draft.gguf " +
    "--set out/distill --loss on-policy --steps 100 --out out/on-policy",
  ],
}, async (options, context) => {
  const { device } = await openDevice(options);
  await makeFolder(options.out);
  const find = (name: string) => findModel(name, context.progress);
  const target = await openModel(await find(options.target));
  const file = await openDraftFor(target, options.draft, find);
  const { config, vocabulary } = file;
  const sets = await openSets(options.set, target.tokenizer);
  if (isLossName(options.loss)) checkTeacher(options.teacher, sets);
  const heldOut = options.validation === undefined
    ? undefined
    : await openSets(options.validation, target.tokenizer);
  const mixed = options.mix === 0 ? undefined : {
    corpus: await openText(target, options.data, options),
    share: options.mix,
  };
  context.log(sets.note);
  const reporter = stepReporter(context, `finetune ${options.loss}`, options);
  const { loss } = options;
  const name = `draft finetuned with ${loss}`;
  const { validation, ...training } = trainingOptions(options, heldOut?.corpus);
  const common = {
    ...training,
    device,
    config,
    vocabulary,
    parameters: await loadDenseLlama(file),
    temperature: options.lossTemperature,
    set: sets.corpus,
    mix: mixed,
    data: await dataOf(options, file.path, sets),
    onStep: reporter.onStep,
    onBest: async (best: StageResult) => {
      const named = { name: `${name}, step ${best.step}`, file: "draft.best" };
      await writeDraft(options.out, target, { ...named, config, vocabulary, result: best });
    },
    signal: context.signal,
  };
  const result = isLossName(loss)
    ? await finetuneDraft({
      ...common,
      loss,
      validation,
      target: await teacherOf(device, target, options, sets),
    })
    : await finetuneOnPolicy(target, options, {
      ...common,
      validation: validation && { ...validation, cachedTokens: heldOut?.cachedTokens ?? 0 },
    });
  reporter.finish(result.step);
  const draft = await writeDraft(options.out, target, { name, config, vocabulary, result });
  sets.close();
  heldOut?.close();
  device.close();
  const { best } = result;
  context.print(`${draft} after ${result.step} of ${options.steps} steps\n`);
  if (best !== undefined) {
    const alpha = best.score.toFixed(3);
    const path = draftPath(options.out, target, { vocabulary, file: "draft.best" });
    context.print(`${path} of step ${best.step}, alpha ${alpha} on --validation\n`);
  }
  return { draft, loss, steps: result.step, tokens: sets.tokens, best };
});
