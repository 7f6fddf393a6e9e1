/**
 * Stage B: the target writes the distillation set.
 *
 *     deno task distill --target embedded --prompts language --count 1000 --out out/distill
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import {
  type CommandContext,
  integer,
  number,
  numbers,
  runCommand,
  text,
} from "@outrider/outrider/cli";
import {
  openPrompts,
  openSetWriter,
  type SetManifest,
  type SetWriter,
  teacherLayout,
  teacherRowBytes,
} from "@outrider/outrider/data";
import { encodeChat } from "@outrider/outrider/io";
import { distilledEntries } from "@outrider/outrider/train";
import type { Device } from "@outrider/outrider/runtime";
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
  count: integer({
    default: 1000,
    minimum: 1,
    maximum: 10_000_000,
    help: "most prompts to answer",
  }),
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
  teacherTokens: integer({
    default: 64,
    minimum: 0,
    maximum: 4096,
    help: "likeliest tokens to keep of the target's distribution at each token; 0 keeps none",
  }),
  ...stageFlags,
  ...deviceFlags,
};

interface DistillFlags {
  readonly target: string;
  readonly dtype: string;
  readonly prompts: string;
  readonly count: number;
  readonly temperatures: readonly number[];
  readonly topP: number;
  readonly maxTokens: number;
  readonly maxPrompt: number;
  readonly sequences: number;
  readonly teacherTokens: number;
  readonly seed: number;
  readonly out: string;
}

/** Prompts in tokens; those that are too long are left out, and counted. */
async function promptsOf(
  device: Device,
  target: LoadedModel,
  options: DistillFlags,
  context: CommandContext,
): Promise<{ readonly prompts: number[][]; readonly leftOut: number }> {
  const { count, seed, maxPrompt, sequences } = options;
  const path = `${options.out}/instructions.jsonl`;
  const messages = options.prompts === "self"
    ? await selfPrompts({ device, target, path, count, temperature: 1, seed, sequences }, context)
    : await openPrompts(options.prompts, { seed, count });
  const all = messages.map((turns) => encodeChat(target.file.tokenizer, turns));
  const most = Math.min(maxPrompt, target.file.config.contextLength - 1);
  const prompts = all.filter(({ length }) => length <= most);
  const leftOut = all.length - prompts.length;
  if (prompts.length === 0) {
    throw new OutriderError(
      `prompts of at most ${most} tokens`,
      `${all.length} longer ones`,
      "raise --max-prompt or name other prompts",
    );
  }
  if (leftOut > 0) {
    context.log(`leaves out ${leftOut} of ${all.length} prompts, longer than ${most} tokens\n`);
  }
  return { prompts, leftOut };
}

const ENTRIES_PER_SHARD = 1000;

async function textHash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(digest).slice(0, 16).toHex();
}

async function manifestOf(
  { file }: LoadedModel,
  options: DistillFlags,
): Promise<SetManifest> {
  const { target, dtype, prompts, temperatures, topP, seed, teacherTokens } = options;
  return {
    version: 1,
    target,
    dtype,
    tokenizerHash: file.tokenizer.hash,
    templateHash: await textHash(file.chatTemplate ?? ""),
    vocabulary: file.config.vocabulary,
    prompts,
    maximumPrompt: options.maxPrompt,
    maximumTokens: options.maxTokens,
    temperatures,
    topP,
    seed,
    teacherTokens: Math.min(teacherTokens, file.config.vocabulary),
    entriesPerShard: ENTRIES_PER_SHARD,
  };
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
    readonly prompts: readonly number[][];
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
  const { prompts, leftOut } = await promptsOf(device, target, options, context);
  const manifest = await manifestOf(target, options);
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
    leftOut,
  };
});
