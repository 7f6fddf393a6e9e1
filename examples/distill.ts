/**
 * Stage B: the target writes the distillation set.
 *
 *     deno task distill --target embedded --prompts language --count 1000 --out out/distill
 *
 * @module
 */
import { type CommandContext, integer, runCommand, text } from "@outrider/outrider/cli";
import {
  type Message,
  openPrompts,
  openSetWriter,
  type SetManifest,
  type SetWriter,
  teacherLayout,
  teacherRowBytes,
} from "@outrider/outrider/data";
import { distilledEntries } from "@outrider/outrider/train";
import type { Device } from "@outrider/outrider/runtime";
import { answerFlags, type AnswerOptions, manifestOf, shortPrompts } from "./common/answers.ts";
import { deviceFlags, openDevice } from "./common/device.ts";
import { cacheFlags, type LoadedModel, loadModel, targetFlags } from "./common/models.ts";
import { makeFolder, stageFlags } from "./common/recipe.ts";
import { selfPrompts } from "./common/self_prompts.ts";

const flags = {
  ...targetFlags,
  ...cacheFlags,
  prompts: text({
    placeholder: "NAME|FILES",
    default: "language",
    help: "what to answer: language, self (the target writes them), or .jsonl files with " +
      "instruction or messages",
  }),
  ...answerFlags,
  sequences: integer({ default: 16, minimum: 1, maximum: 256, help: "answers at work together" }),
  teacherTokens: integer({
    default: 64,
    minimum: 0,
    maximum: 4096,
    help: "likeliest tokens to keep of the target's distribution at each token; 0 keeps none",
  }),
  ...stageFlags,
  ...deviceFlags,
};

interface DistillFlags extends AnswerOptions {
  readonly dtype: string;
  readonly count: number;
  readonly sequences: number;
  readonly teacherTokens: number;
  readonly out: string;
}

/** What is to be answered. */
async function promptsOf(
  device: Device,
  target: LoadedModel,
  options: DistillFlags,
  context: CommandContext,
): Promise<(readonly Message[])[]> {
  const { count, seed, sequences } = options;
  const path = `${options.out}/instructions.jsonl`;
  return options.prompts === "self"
    ? await selfPrompts({ device, target, path, count, temperature: 1, seed, sequences }, context)
    : await openPrompts(options.prompts, { seed, count });
}

/** Says how much the teacher's rows will take, before the first is written. */
function announce(
  manifest: SetManifest,
  answers: number,
  { log }: Pick<CommandContext, "log">,
): void {
  if (manifest.teacherTokens === 0) return;
  const bytes = answers * manifest.maximumTokens * teacherRowBytes(teacherLayout(manifest));
  log(`the teacher's distributions take at most ${(bytes / 2 ** 20).toFixed(0)} MiB\n`);
}

/** Answers what is left to answer. */
async function answer(
  device: Device,
  target: LoadedModel,
  { writer, prompts, options, context }: {
    readonly writer: SetWriter;
    readonly prompts: readonly (readonly number[])[];
    readonly options: DistillFlags & Parameters<typeof loadModel>[2];
    readonly context: CommandContext;
  },
): Promise<void> {
  const { file, parameters } = target;
  const done = writer.count();
  if (done > 0) context.log(`goes on after ${done} answers\n`);
  const bar = context.progress({
    label: "distill",
    unit: "answers",
    total: Math.max(prompts.length, done),
    startedAt: done,
  });
  const entries = distilledEntries({
    ...options,
    device,
    target: { config: file.config, parameters, cacheType: options.cache },
    prompts,
    done,
    maximumTokens: options.maxTokens,
    stopTokens: file.tokenizer.endOfTurn,
    teacherTokens: Math.min(options.teacherTokens, file.config.vocabulary),
    signal: context.signal,
  });
  try {
    for await (const { entry, teacher } of entries) {
      await writer.append(entry, teacher);
      bar.update(writer.count(), `${writer.tokens()} tokens`);
    }
  } catch (error) {
    if (!context.signal.aborted) throw error;
  } finally {
    bar.finish();
  }
}

await runCommand({
  name: "deno task distill",
  summary: "Stage B of the recipe: the target writes a distillation set at several temperatures.",
  flags,
  examples: [
    "deno task distill --target embedded --count 1000 --out out/distill",
    "deno task distill --target smollm2 --dtype q8 --prompts self --count 5000 --out out/distill",
  ],
}, async (options, context) => {
  const { device } = await openDevice(options);
  await makeFolder(options.out);
  const target = await loadModel(device, options.target, options, context);
  const all = await promptsOf(device, target, options, context);
  const prompts = shortPrompts(all, target.file, options, context).map(({ tokens }) => tokens);
  const teacherTokens = Math.min(options.teacherTokens, target.file.config.vocabulary);
  const manifest = await manifestOf(target.file, options, { dtype: options.dtype, teacherTokens });
  const writer = await openSetWriter(options.out, manifest);
  const before = writer.tokens();
  announce(manifest, prompts.length - writer.count(), context);
  try {
    await answer(device, target, { writer, prompts, options, context });
  } finally {
    await writer.close();
  }
  device.close();
  context.print(`${options.out} with ${writer.count()} answers, ${writer.tokens()} tokens\n`);
  return {
    set: options.out,
    answers: writer.count(),
    tokens: writer.tokens(),
    newTokens: writer.tokens() - before,
    leftOut: all.length - prompts.length,
  };
});
