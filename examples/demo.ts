/**
 * The whole recipe in two minutes: takes the embedded chat model as target, pretrains a draft for
 * it, lets the target write a distillation set, finetunes the draft, and decodes prompts that
 * neither has seen, with and without the draft.
 *
 *     deno task demo
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import {
  choice,
  type CommandContext,
  formatDuration,
  integer,
  runCommand,
  text,
  toggle,
} from "@outrider/outrider/cli";
import {
  distillationCorpus,
  type DistillationEntry,
  heldOutPrompts,
  openCorpus,
  openPrompts,
} from "@outrider/outrider/data";
import { temperature, verifyBlock } from "@outrider/outrider/decode";
import { compareDrafts, type ContestRow } from "@outrider/outrider/evaluate";
import { encodeChat } from "@outrider/outrider/io";
import { isLossName, losses, type LossName } from "@outrider/outrider/losses";
import { type LlamaConfig, type LlamaParameters, parameterCount } from "@outrider/outrider/nn";
import { type DeviceArray, uploadTree } from "@outrider/outrider/runtime";
import {
  distillationEntries,
  draftConfig,
  finetuneDraft,
  pretrainDraft,
  type StageResult,
} from "@outrider/outrider/train";
import { contestTable } from "./common/contest_table.ts";
import { deviceFlags, openDevice } from "./common/device.ts";
import { greedyContest } from "./common/greedy_contest.ts";
import { type LoadedModel, loadModel } from "./common/models.ts";
import { codecOf } from "./common/recipe.ts";
import { noteOf } from "./common/training.ts";
import type { Device } from "@outrider/outrider/runtime";

const flags = {
  target: text({ placeholder: "MODEL", default: "embedded", help: "the target" }),
  pretrainSteps: integer({ default: 400, minimum: 1, help: "steps of stage A, 4,096 tokens each" }),
  answers: integer({
    default: 1000,
    minimum: 1,
    maximum: 1_000_000,
    help: "answers that the target writes in stage B",
  }),
  finetuneSteps: integer({ default: 150, minimum: 1, help: "steps of stage C, 2,048 tokens each" }),
  loss: choice({
    of: Object.keys(losses).filter(isLossName),
    default: "tvd++",
    help: "loss of stage C",
  }),
  gamma: integer({ default: 3, minimum: 1, maximum: 64, help: "tokens to draft per step" }),
  prompts: integer({
    default: 10,
    minimum: 1,
    maximum: 100_000,
    help: "held-out prompts to decode",
  }),
  seed: integer({ default: 1, help: "decides everything that is drawn" }),
  ...deviceFlags,
  json: toggle({ help: "print one JSON object" }),
};

/** What the stages share. */
interface Demo {
  readonly device: Device;
  readonly target: LoadedModel;
  readonly config: LlamaConfig;
  readonly seed: number;
  readonly context: CommandContext;
}

async function pretrainStage(demo: Demo, steps: number): Promise<StageResult> {
  const { device, target, config, seed, context } = demo;
  const corpus = await openCorpus("language", codecOf(target.file), { seed, promptWeight: 1 });
  const bar = context.progress({ label: "A pretrain", unit: "steps", total: steps });
  const run = { steps, rowsPerBatch: 4096, rate: 0.01, seed, signal: context.signal };
  const result = await pretrainDraft({
    ...run,
    device,
    config,
    corpus,
    onStep: ({ step, metrics }) => bar.update(step, noteOf(metrics)),
  });
  bar.finish();
  return result;
}

async function distillStage(demo: Demo, count: number): Promise<DistillationEntry[]> {
  const { device, target, seed, context } = demo;
  const { file, parameters } = target;
  const messages = await openPrompts("language", { seed, count });
  const prompts = messages.map((turns) => encodeChat(file.tokenizer, turns))
    .filter(({ length }) => length <= 192);
  const bar = context.progress({ label: "B distill", unit: "answers", total: prompts.length });
  const entries: DistillationEntry[] = [];
  const written = distillationEntries({
    device,
    target: { config: file.config, parameters },
    prompts,
    done: 0,
    temperatures: [0, 0.3, 0.7, 1],
    topP: 0.95,
    maximumTokens: 192,
    stopTokens: file.tokenizer.endOfTurn,
    seed,
    sequences: 32,
    signal: context.signal,
  });
  for await (const entry of written) {
    entries.push(entry);
    bar.update(entries.length);
  }
  bar.finish();
  return entries;
}

async function finetuneStage(
  demo: Demo,
  base: StageResult,
  entries: readonly DistillationEntry[],
  { loss, steps }: { readonly loss: LossName; readonly steps: number },
): Promise<StageResult> {
  const { device, target, config, seed, context } = demo;
  const corpus = await openCorpus("language", codecOf(target.file), { seed, promptWeight: 1 });
  const bar = context.progress({ label: `C finetune ${loss}`, unit: "steps", total: steps });
  const run = { steps, rowsPerBatch: 2048, rate: 0.005, seed, signal: context.signal };
  const result = await finetuneDraft({
    ...run,
    device,
    config,
    parameters: base.parameters,
    target: { config: target.file.config, parameters: target.parameters },
    loss,
    temperature: 1,
    set: distillationCorpus(entries),
    mix: { corpus, share: 0.1 },
    onStep: ({ step, metrics }) => bar.update(step, noteOf(metrics)),
  });
  bar.finish();
  return result;
}

async function contest(
  demo: Demo,
  drafts: readonly { readonly name: string; readonly result: StageResult }[],
  { gamma, count }: { readonly gamma: number; readonly count: number },
): Promise<{ readonly decoders: "device" | "host"; readonly rows: readonly ContestRow[] }> {
  const { device, target, config, seed } = demo;
  const { tokenizer } = target.file;
  const sizeRatio = parameterCount(config) / target.size;
  const named = drafts.map(({ name, result }) => {
    const parameters: LlamaParameters<DeviceArray> = uploadTree(device, result.parameters);
    return { name, sizeRatio, parts: { device, config, parameters } };
  });
  const { where, plain, contestants } = await greedyContest(target, named, gamma);
  demo.context.log(`texts are decoded on the ${where}\n`);
  const asked = heldOutPrompts(seed, count);
  const prompts = asked.map(({ prompt }) =>
    encodeChat(tokenizer, [{ role: "user", content: prompt }])
  );
  const rows = await compareDrafts(target.model, contestants, prompts, {
    plain,
    gamma,
    verify: verifyBlock,
    warp: temperature(0),
    maxTokens: 192,
    stopTokens: tokenizer.endOfTurn,
    key: keyOf(seed),
    onText: (index, tokens) =>
      demo.context.print(`\n> ${asked[index].prompt}\n${tokenizer.decode(tokens)}\n`),
  });
  return { decoders: where, rows };
}

await runCommand({
  name: "deno task demo",
  summary: "Trains a draft for the embedded chat model by the three stages and decodes with it.",
  flags,
  examples: ["deno task demo", "deno task demo --loss kld --prompts 20"],
}, async (options, context) => {
  const started = performance.now();
  const { device } = await openDevice(options);
  const target = await loadModel(device, options.target, { dtype: "f32" }, context);
  const config = draftConfig(target.file.config, { share: 0.02 });
  const size = parameterCount(config);
  context.log(
    `target ${options.target}: ${target.size} parameters; draft: ${size}, ` +
      `${(100 * size / target.size).toFixed(2)} % of it\n`,
  );
  const demo = { device, target, config, seed: options.seed, context };
  const base = await pretrainStage(demo, options.pretrainSteps);
  const entries = await distillStage(demo, options.answers);
  const { loss, finetuneSteps: steps } = options;
  const finetuned = await finetuneStage(demo, base, entries, { loss, steps });
  context.log(`trained in ${formatDuration((performance.now() - started) / 1000)}\n`);
  const drafts = [{ name: "base", result: base }, {
    name: `finetuned, ${loss}`,
    result: finetuned,
  }];
  const { decoders, rows } = await contest(demo, drafts, {
    gamma: options.gamma,
    count: options.prompts,
  });
  context.print(`\n${contestTable(rows, "greedy")}\n`);
  device.close();
  return { target: options.target, targetSize: target.size, draftSize: size, decoders, rows };
});
