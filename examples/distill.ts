/**
 * Stage B: the target writes the distillation set.
 *
 *     deno task distill --target embedded --prompts language --count 1000 --out out/distill
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import { integer, number, numbers, runCommand, text } from "@outrider/outrider/cli";
import {
  type DistillationEntry,
  openDistillationWriter,
  openPrompts,
  readDistillationSet,
} from "@outrider/outrider/data";
import { encodeChat } from "@outrider/outrider/io";
import { distillationEntries } from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { cacheFlags, loadModel, targetFlags } from "./common/models.ts";
import { makeFolder, stageFlags } from "./common/recipe.ts";

const flags = {
  ...targetFlags,
  ...cacheFlags,
  prompts: text({
    placeholder: "NAME|FILES",
    default: "language",
    help: "what to answer: language, or .jsonl files with instruction or messages",
  }),
  count: integer({ default: 1000, minimum: 1, maximum: 1_000_000, help: "most prompts to answer" }),
  temperatures: numbers({
    default: [0, 0.3, 0.7, 1],
    minimum: 0,
    help: "temperatures to answer at, in turn",
  }),
  topP: number({
    default: 0.95,
    minimum: 0,
    maximum: 1,
    help: "keep the most probable tokens of mass X",
  }),
  maxTokens: integer({ default: 128, minimum: 1, help: "most tokens of an answer" }),
  maxPrompt: integer({ default: 256, minimum: 1, help: "longer prompts are left out" }),
  sequences: integer({ default: 16, minimum: 1, maximum: 256, help: "answers at work together" }),
  ...stageFlags,
  ...deviceFlags,
};

/** Refuses to go on with a set that was begun with other options. */
function checkResumed(
  path: string,
  kept: readonly DistillationEntry[],
  prompts: readonly (readonly number[])[],
  { temperatures, topP, seed }: {
    readonly temperatures: readonly number[];
    readonly topP: number;
    readonly seed: number;
  },
): void {
  const place = kept.slice(0, prompts.length).findIndex((entry, i) =>
    entry.seed !== seed || entry.topP !== topP ||
    entry.temperature !== temperatures[i % temperatures.length] ||
    entry.prompt.join() !== prompts[i].join()
  );
  if (place === -1) return;
  throw new OutriderError(
    `a set begun with these prompts and options in ${path}`,
    `another answer ${place + 1}`,
    "run with the options of the first run, or name another folder",
  );
}

await runCommand({
  name: "deno task distill",
  summary: "Stage B of the recipe: the target writes a distillation set at several temperatures.",
  flags,
  examples: ["deno task distill --target embedded --count 1000 --out out/distill"],
}, async (options, context) => {
  const { device } = await openDevice(options);
  await makeFolder(options.out);
  const { file, parameters } = await loadModel(device, options.target, options, context);
  const { count, seed, maxPrompt, maxTokens } = options;
  const messages = await openPrompts(options.prompts, { seed, count });
  const all = messages.map((turns) => encodeChat(file.tokenizer, turns));
  const most = Math.min(maxPrompt, file.config.contextLength - 1);
  const prompts = all.filter(({ length }) => length <= most);
  if (prompts.length === 0) {
    throw new OutriderError(
      `prompts of at most ${most} tokens`,
      `${all.length} longer ones`,
      "raise --max-prompt or name other prompts",
    );
  }
  const leftOut = all.length - prompts.length;
  if (leftOut > 0) {
    context.log(`leaves out ${leftOut} of ${all.length} prompts, longer than ${most} tokens\n`);
  }
  const path = `${options.out}/set.jsonl`;
  const writer = await openDistillationWriter(path);
  const done = writer.count();
  const kept = await readDistillationSet(path, file.config.vocabulary);
  checkResumed(path, kept, prompts, options);
  if (done > 0) context.log(`goes on after ${done} answers\n`);
  const bar = context.progress({
    label: "distill",
    unit: "answers",
    total: Math.max(prompts.length, done),
    startedAt: done,
  });
  let tokens = 0;
  const entries = distillationEntries({
    device,
    target: { config: file.config, parameters, cacheType: options.cache },
    prompts,
    done,
    temperatures: options.temperatures,
    topP: options.topP,
    maximumTokens: maxTokens,
    stopTokens: file.tokenizer.endOfTurn,
    seed,
    sequences: options.sequences,
    signal: context.signal,
  });
  try {
    for await (const entry of entries) {
      await writer.append(entry);
      tokens += entry.response.length;
      bar.update(writer.count(), `${tokens} tokens`);
    }
  } catch (error) {
    if (!context.signal.aborted) throw error;
  } finally {
    bar.finish();
    await writer.close();
  }
  device.close();
  context.print(`${path} with ${writer.count()} answers\n`);
  return {
    set: path,
    answers: writer.count(),
    newTokens: tokens,
    leftOut,
  };
});
