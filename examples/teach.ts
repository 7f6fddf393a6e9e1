/**
 * Copies a distillation set with the target's distributions beside every response token: for answers
 * of a remote server, or to be taught by another precision of the target than the one that wrote.
 *
 *     deno task teach --target smollm2 --dtype f32 --set out/remote --out out/taught
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { integer, requiredText, runCommand } from "@outrider/outrider/cli";
import { openSetWriter, readDistillationEntriesOf, readManifest } from "@outrider/outrider/data";
import { taughtEntries } from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { cacheFlags, loadModel, targetFlags } from "./common/models.ts";
import { makeFolder, stageFlags } from "./common/recipe.ts";

const { out, json } = stageFlags;
const flags = {
  ...targetFlags,
  ...cacheFlags,
  set: requiredText({ placeholder: "DIR", help: "the set to read" }),
  teacherTokens: integer({
    default: 64,
    minimum: 1,
    maximum: 4096,
    help: "likeliest tokens to keep of the target's distribution at each token",
  }),
  out,
  json,
  ...deviceFlags,
};

await runCommand({
  name: "deno task teach",
  summary: "Copies a distillation set with the target's distributions beside its tokens.",
  flags,
  examples: ["deno task teach --target smollm2 --dtype f32 --set out/remote --out out/taught"],
}, async (options, context) => {
  const { device } = await openDevice(options);
  const found = await readManifest(`${options.set}/manifest.json`);
  await makeFolder(options.out);
  const { file, model } = await loadModel(device, options.target, options, context);
  if (found.tokenizerHash !== file.tokenizer.hash) {
    throw new OutriderError(
      `a set in the tokens of ${options.target}`,
      `one of ${found.target} with another tokenizer`,
      "name the target that the set was written for",
    );
  }
  const { target, dtype } = options;
  const teacherTokens = Math.min(options.teacherTokens, file.config.vocabulary);
  const entries = await readDistillationEntriesOf(options.set, file.config.vocabulary);
  const prompts = `${found.prompts}, taught by ${target} in ${dtype}`;
  const writer = await openSetWriter(options.out, { ...found, teacherTokens, prompts });
  const done = writer.count();
  if (done > 0) context.log(`goes on after ${done} answers\n`);
  const bar = context.progress({
    label: "teach",
    unit: "answers",
    total: entries.length,
    startedAt: done,
  });
  const { signal } = context;
  try {
    const rest = taughtEntries(entries.slice(done), { target: model, teacherTokens, signal });
    for await (const { entry, teacher } of rest) {
      await writer.append(entry, teacher);
      bar.update(writer.count(), `${writer.tokens()} tokens`);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    bar.finish();
    await writer.close();
  }
  device.close();
  context.print(`${options.out} with ${writer.count()} answers, ${writer.tokens()} tokens\n`);
  return { set: options.out, answers: writer.count(), tokens: writer.tokens() };
});
