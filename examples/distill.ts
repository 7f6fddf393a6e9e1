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
  optionalText,
  runCommand,
  text,
} from "@outrider/outrider/cli";
import {
  type DistillationEntry,
  type FeatureLayout,
  featureRowBytes,
  featureRowsOf,
  type FeatureWriter,
  type Message,
  openFeatureWriter,
  openPrompts,
  openSetWriter,
  type SetManifest,
  type SetWriter,
  teacherLayout,
  teacherRowBytes,
} from "@outrider/outrider/data";
import type { CacheType } from "@outrider/outrider/decode";
import { distilledEntries } from "@outrider/outrider/train";
import type { Device } from "@outrider/outrider/runtime";
import { answerFlags, type AnswerOptions, manifestOf, shortPrompts } from "./common/answers.ts";
import { deviceFlags, openDevice } from "./common/device.ts";
import { completeFeatures, featureLayoutOf, MOST_ROWS } from "./common/features.ts";
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
  taps: optionalText({
    placeholder: "LIST",
    help: "keeps the features that deno task features would write with these --taps; they are " +
      "those of an f32 cache",
  }),
  ...stageFlags,
  ...deviceFlags,
};

interface DistillFlags extends AnswerOptions {
  readonly dtype: string;
  readonly count: number;
  readonly sequences: number;
  readonly teacherTokens: number;
  readonly taps: string | undefined;
  readonly cache: CacheType;
  readonly out: string;
}

/** Features that are kept beside the answers. */
interface KeptFeatures {
  readonly layout: FeatureLayout;
  readonly writer: FeatureWriter;
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

/** What is to be kept of the target's features; undefined where nothing is. */
function layoutOf({ file }: LoadedModel, options: DistillFlags): FeatureLayout | undefined {
  const { target, dtype, taps, cache } = options;
  if (taps === undefined) return undefined;
  if (cache === "f32") return featureLayoutOf(file, { target, dtype, taps, mostRows: MOST_ROWS });
  throw new OutriderError("an f32 --cache with --taps", cache, "leave one of them out");
}

/** Opens the features, once those that the set's answers lack are written. */
async function openFeatures(
  device: Device,
  target: LoadedModel,
  { layout, folder }: { readonly layout: FeatureLayout; readonly folder: string },
  context: CommandContext,
): Promise<KeptFeatures> {
  const writer = await openFeatureWriter(folder, layout, target.file.config.vocabulary);
  try {
    if (writer.pending.length > 0) {
      await completeFeatures({ device, target, writer, folder, layout }, context);
    }
    return { layout, writer };
  } catch (error) {
    await writer.close();
    throw error;
  }
}

/** Says how much will be kept beside the answers, before the first is written. */
function announce(
  manifest: SetManifest,
  answers: number,
  layout: FeatureLayout | undefined,
  { log }: Pick<CommandContext, "log">,
): void {
  const say = (what: string, bytes: number): void =>
    log(`${what} take at most ${(bytes / 2 ** 20).toFixed(0)} MiB\n`);
  const { teacherTokens, maximumTokens, maximumPrompt } = manifest;
  if (teacherTokens > 0) {
    const bytes = teacherRowBytes(teacherLayout(manifest));
    say("the teacher's distributions", answers * maximumTokens * bytes);
  }
  if (layout === undefined) return;
  say("features", answers * (maximumPrompt + maximumTokens - 1) * featureRowBytes(layout));
}

/** Appends the features of an answer before its line, unless it is too long to have any. */
async function addFeatures(
  { layout, writer }: KeptFeatures,
  shard: string,
  entry: DistillationEntry,
  rows: Float32Array,
): Promise<void> {
  const isLong = featureRowsOf(entry, layout) === 0;
  await writer.add(shard, entry, isLong ? new Float32Array() : rows);
}

/** Answers what is left to answer. */
async function answer(
  device: Device,
  target: LoadedModel,
  { writer, features, prompts, options, context }: {
    readonly writer: SetWriter;
    readonly features: KeptFeatures | undefined;
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
    taps: features?.layout.taps,
    signal: context.signal,
  });
  try {
    for await (const { entry, teacher, features: rows } of entries) {
      if (features !== undefined) await addFeatures(features, writer.nextShard(), entry, rows);
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
  const layout = layoutOf(target, options);
  const all = await promptsOf(device, target, options, context);
  const prompts = shortPrompts(all, target.file, options, context).map(({ tokens }) => tokens);
  const teacherTokens = Math.min(options.teacherTokens, target.file.config.vocabulary);
  const manifest = await manifestOf(target.file, options, { dtype: options.dtype, teacherTokens });
  const writer = await openSetWriter(options.out, manifest);
  const before = writer.tokens();
  announce(manifest, prompts.length - writer.count(), layout, context);
  let features: KeptFeatures | undefined;
  try {
    if (layout !== undefined) {
      features = await openFeatures(device, target, { layout, folder: options.out }, context);
    }
    await answer(device, target, { writer, features, prompts, options, context });
  } finally {
    await features?.writer.close();
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
