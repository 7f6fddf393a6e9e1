/**
 * The target's features beside sets: which of them, and those that a set still lacks.
 *
 * @module
 */
import { OutriderError } from "@outrider/outrider";
import type { CommandContext } from "@outrider/outrider/cli";
import { type FeatureLayout, featureRowsOf, type FeatureWriter } from "@outrider/outrider/data";
import { spreadTaps } from "@outrider/outrider/nn";
import type { Device } from "@outrider/outrider/runtime";
import { setFeatures } from "@outrider/outrider/train";
import type { LoadedModel } from "./models.ts";

/** Tokens of prompt and response beyond which an answer gets no features. */
export const MOST_ROWS = 4096;

/** The taps that suit the number of layers, as a value of --taps. */
const SPREAD = "spread";
/** How many of them there are. */
const TAPS = 3;

/** What is tapped of which target. */
export interface FeatureOptions {
  readonly target: string;
  readonly dtype: string;
  readonly taps: string;
  readonly mostRows: number;
}

/** The taps in a list, or those that suit the number of layers. */
function tapsOf(list: string, layers: number): readonly number[] {
  if (list === SPREAD) return spreadTaps(layers, Math.min(TAPS, layers + 1));
  const names = list.split(",").map((name) => name.trim());
  const taps = names.map(Number);
  const isTap = (tap: number, i: number): boolean => /^\d+$/.test(names[i]) && tap <= layers;
  if (taps.every(isTap) && new Set(taps).size === taps.length) return taps;
  throw new OutriderError(
    `distinct layers from 0 to ${layers} as --taps`,
    JSON.stringify(list),
    `separate them by commas, or say ${SPREAD}`,
  );
}

/**
 * Whose features are kept, and how.
 *
 * @throws OutriderError where the taps are none of the target's
 */
export function featureLayoutOf(
  { config }: LoadedModel["file"],
  { target, dtype, taps: list, mostRows }: FeatureOptions,
): FeatureLayout {
  const taps = tapsOf(list, config.layers);
  return {
    version: 1,
    target,
    dtype,
    taps,
    width: taps.length * config.width,
    mostRows: Math.min(mostRows, config.contextLength),
  };
}

/** Writes the features that a set lacks; gives how many entries are empty or too long. */
export async function completeFeatures(
  { device, target, writer, folder, layout }: {
    readonly device: Device;
    readonly target: LoadedModel;
    readonly writer: FeatureWriter;
    readonly folder: string;
    readonly layout: FeatureLayout;
  },
  { log, progress, signal }: CommandContext,
): Promise<number> {
  const { pending, pendingBytes } = writer;
  const done = writer.count();
  const leftOut = pending.filter((entry) => featureRowsOf(entry, layout) === 0).length;
  if (done > 0) log(`${folder}: goes on after ${done} answers\n`);
  const size = (pendingBytes / 2 ** 20).toFixed(0);
  log(`${folder}: features of ${pending.length - leftOut} answers take ${size} MiB\n`);
  if (leftOut > 0) log(`${folder}: ${leftOut} answers are empty or too long\n`);
  const total = done + pending.length;
  const bar = progress({ label: "features", unit: "answers", total, startedAt: done });
  const { file: { config }, parameters } = target;
  const { taps, mostRows } = layout;
  const options = { device, target: { config, parameters }, taps, mostRows, signal };
  try {
    for await (const rows of setFeatures(pending, options)) {
      await writer.append(rows);
      bar.update(writer.count());
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    bar.finish();
  }
  return leftOut;
}
