/**
 * Stage B: the target writes the distillation set.
 *
 *     deno task distill --target embedded --prompts language --count 1000 --out out/distill
 *
 * @module
 */
import { integer, number, numbers, runCommand, text } from "@outrider/outrider/cli";
import { openDistillationWriter, openPrompts } from "@outrider/outrider/data";
import { encodeChat } from "@outrider/outrider/io";
import { distillationEntries } from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { loadModel, targetFlags } from "./common/models.ts";
import { stageFlags } from "./common/recipe.ts";

const flags = {
  ...targetFlags,
  prompts: text({
    placeholder: "NAME|FILES",
    default: "language",
    help: "what to answer: language, or .jsonl files with instruction or messages",
  }),
  count: integer({ default: 1000, minimum: 1, help: "most prompts to answer" }),
  temperatures: numbers({ default: [0, 0.3, 0.7, 1], minimum: 0, help: "taken in turn" }),
  topP: number({ default: 0.95, minimum: 0, maximum: 1, help: "keep the most probable mass P" }),
  maxTokens: integer({ default: 128, minimum: 1, help: "most tokens of an answer" }),
  maxPrompt: integer({ default: 256, minimum: 1, help: "longer prompts are left out" }),
  sequences: integer({ default: 16, minimum: 1, maximum: 256, help: "answers at work together" }),
  ...stageFlags,
  ...deviceFlags,
};

await runCommand({
  name: "distill",
  summary: "Stage B of the recipe: the target writes a distillation set at several temperatures.",
  flags,
}, async (options, context) => {
  await Deno.mkdir(options.out, { recursive: true });
  const { device } = openDevice(options);
  const { file, parameters } = await loadModel(device, options.target, options.dtype, context);
  const { count, seed, maxPrompt, maxTokens } = options;
  const messages = await openPrompts(options.prompts, { seed, count });
  const all = messages.map((turns) => encodeChat(file.tokenizer, turns));
  const prompts = all.filter(({ length }) => length <= maxPrompt);
  const path = `${options.out}/set.jsonl`;
  const writer = await openDistillationWriter(path);
  const done = writer.count();
  const bar = context.progress({
    label: "distill",
    unit: "answers",
    total: prompts.length,
    startedAt: done,
  });
  let tokens = 0;
  const entries = distillationEntries({
    device,
    target: { config: file.config, parameters },
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
    leftOut: all.length - prompts.length,
  };
});
