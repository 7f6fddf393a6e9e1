/**
 * Writes the target's features beside distillation sets: what drafters learn from that read hidden
 * states.
 *
 *     deno task features --target smollm2 --dtype q8 --set out/distill
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import {
  type CommandContext,
  integer,
  optionalText,
  requiredText,
  runCommand,
  toggle,
} from "@outrider/outrider/cli";
import {
  type FeatureLayout,
  featureRowsOf,
  openFeatureWriter,
  readManifest,
} from "@outrider/outrider/data";
import { spreadTaps } from "@outrider/outrider/nn";
import type { Device } from "@outrider/outrider/runtime";
import { setFeatures } from "@outrider/outrider/train";
import { deviceFlags, openDevice } from "./common/device.ts";
import { type LoadedModel, loadModel, targetFlags } from "./common/models.ts";
import { foldersOf } from "./common/sets.ts";

const flags = {
  ...targetFlags,
  set: requiredText({
    placeholder: "DIRS",
    help: "the folders of one or more distillation sets, separated by commas",
  }),
  taps: optionalText({
    placeholder: "LIST",
    help: "layers whose input is kept, the number of layers for what the head reads; if left " +
      "out, three from the middle to the end",
  }),
  mostRows: integer({
    default: 4096,
    minimum: 1,
    maximum: 65_536,
    help: "most tokens of prompt and response; longer answers get no features",
  }),
  json: toggle({ help: "print one JSON object" }),
  ...deviceFlags,
};

/** How many taps there are where none are named. */
const TAPS = 3;

/** The taps that were asked for, or those that suit the number of layers. */
function tapsOf(list: string | undefined, layers: number): readonly number[] {
  if (list === undefined) {
    const spread = spreadTaps(layers, TAPS).map((tap) => Math.max(0, tap));
    return [...new Set(spread)];
  }
  const names = list.split(",").map((name) => name.trim());
  const taps = names.map(Number);
  const isTap = (tap: number, i: number): boolean => /^\d+$/.test(names[i]) && tap <= layers;
  if (taps.every(isTap) && new Set(taps).size === taps.length) return taps;
  throw new OutriderError(
    `distinct layers from 0 to ${layers} as --taps`,
    JSON.stringify(list),
    "separate them by commas",
  );
}

/** Writes the features of one set, or of what is left of it. */
async function writeFeatures(
  device: Device,
  { file, parameters }: LoadedModel,
  folder: string,
  layout: FeatureLayout,
  context: CommandContext,
): Promise<{ readonly answers: number; readonly leftOut: number }> {
  const found = await readManifest(`${folder}/manifest.json`);
  if (found.tokenizerHash !== file.tokenizer.hash) {
    throw new OutriderError(
      `a set in the tokens of ${layout.target}`,
      `one of ${found.target} with another tokenizer in ${folder}`,
      "name the target that the set was written for",
    );
  }
  const writer = await openFeatureWriter(folder, layout, file.config.vocabulary);
  const { pending, pendingBytes } = writer;
  const done = writer.count();
  const leftOut = pending.filter((entry) => featureRowsOf(entry, layout) === 0).length;
  if (done > 0) context.log(`${folder}: goes on after ${done} answers\n`);
  const size = (pendingBytes / 2 ** 20).toFixed(0);
  context.log(`${folder}: features of ${pending.length - leftOut} answers take ${size} MiB\n`);
  if (leftOut > 0) context.log(`${folder}: ${leftOut} answers are empty or too long\n`);
  const total = done + pending.length;
  const bar = context.progress({ label: "features", unit: "answers", total, startedAt: done });
  const { config } = file;
  const { taps, mostRows } = layout;
  const { signal } = context;
  try {
    const target = { config, parameters };
    for await (
      const rows of setFeatures(pending, { device, target, taps, mostRows, signal })
    ) {
      await writer.append(rows);
      bar.update(writer.count());
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    bar.finish();
    await writer.close();
  }
  return { answers: writer.count(), leftOut };
}

await runCommand({
  name: "deno task features",
  summary: "Writes the target's features beside distillation sets, for deno task block-draft.",
  flags,
  examples: ["deno task features --target smollm2 --dtype q8 --set out/distill,out/more"],
}, async (options, context) => {
  const folders = foldersOf(options.set);
  const { device } = await openDevice(options);
  const target = await loadModel(device, options.target, options, context);
  const { config } = target.file;
  const taps = tapsOf(options.taps, config.layers);
  const layout: FeatureLayout = {
    version: 1,
    target: options.target,
    dtype: options.dtype,
    taps,
    width: taps.length * config.width,
    mostRows: Math.min(options.mostRows, config.contextLength),
  };
  const sets = [];
  for (const set of folders) {
    const { answers, leftOut } = await writeFeatures(device, target, set, layout, context);
    sets.push({ set, answers, leftOut });
    context.print(`${set} with features of ${answers} answers\n`);
    if (context.signal.aborted) break;
  }
  target.release();
  device.close();
  return { taps, sets };
});
