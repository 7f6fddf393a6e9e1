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
  requiredText,
  runCommand,
  text,
  toggle,
} from "@outrider/outrider/cli";
import { type FeatureLayout, openFeatureWriter, readManifest } from "@outrider/outrider/data";
import type { Device } from "@outrider/outrider/runtime";
import { deviceFlags, openDevice } from "./common/device.ts";
import { completeFeatures, featureLayoutOf, MOST_ROWS } from "./common/features.ts";
import { type LoadedModel, loadModel, targetFlags } from "./common/models.ts";
import { foldersOf } from "./common/sets.ts";

const flags = {
  ...targetFlags,
  set: requiredText({
    placeholder: "DIRS",
    help: "the folders of one or more distillation sets, separated by commas",
  }),
  taps: text({
    placeholder: "LIST",
    default: "spread",
    help: "layers whose input is kept, their number for what the head reads; spread: three from " +
      "the middle on",
  }),
  mostRows: integer({
    default: MOST_ROWS,
    minimum: 1,
    maximum: 65_536,
    help: "most tokens of prompt and response; longer answers get no features",
  }),
  json: toggle({ help: "print one JSON object" }),
  ...deviceFlags,
};

/** Writes the features of one set, or of what is left of it. */
async function writeFeatures(
  device: Device,
  target: LoadedModel,
  folder: string,
  layout: FeatureLayout,
  context: CommandContext,
): Promise<{ readonly answers: number; readonly leftOut: number }> {
  const { tokenizer, config } = target.file;
  const found = await readManifest(`${folder}/manifest.json`);
  if (found.tokenizerHash !== tokenizer.hash) {
    throw new OutriderError(
      `a set in the tokens of ${layout.target}`,
      `one of ${found.target} with another tokenizer in ${folder}`,
      "name the target that the set was written for",
    );
  }
  const writer = await openFeatureWriter(folder, layout, config.vocabulary);
  try {
    const leftOut = await completeFeatures({ device, target, writer, folder, layout }, context);
    return { answers: writer.count(), leftOut };
  } finally {
    await writer.close();
  }
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
  const layout = featureLayoutOf(target.file, options);
  const sets = [];
  for (const set of folders) {
    const { answers, leftOut } = await writeFeatures(device, target, set, layout, context);
    sets.push({ set, answers, leftOut });
    context.print(`${set} with features of ${answers} answers\n`);
    if (context.signal.aborted) break;
  }
  target.release();
  device.close();
  return { taps: layout.taps, sets };
});
