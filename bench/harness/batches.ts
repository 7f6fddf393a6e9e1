/**
 * Many sequences in one step, timed without their prompts.
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import { type CacheType, generateBatch, temperature } from "@outrider/outrider/decode";
import { someTokens } from "./decoding.ts";
import type { OpenModel } from "./models.ts";
import type { Side } from "./rounds.ts";
import { secondsOf } from "./rounds.ts";

/** The model of a batch, and how its keys and values are kept. */
export type BatchModel = Pick<OpenModel, "device" | "config" | "parameters"> & {
  readonly cacheType?: CacheType;
};

/** Sizes of a batch's texts. */
export interface BatchTexts {
  readonly promptTokens: number;
  /** Tokens of the texts that are timed. */
  readonly newTokens: number;
}

/** Tokens of the short texts, whose time is taken off: prompts, tracing, first calls. */
const SHORT = 2;

async function batchSeconds(
  { device, config, parameters, cacheType }: BatchModel,
  sequences: number,
  { promptTokens, newTokens }: BatchTexts,
  maximumTokens: number,
): Promise<number> {
  const length = promptTokens + newTokens;
  const stopTokens = new Set<number>();
  const requests = Array.from({ length: sequences }, (_, i) => ({
    prompt: someTokens(promptTokens, config.vocabulary - i).map((id) => id + i),
    warp: temperature(0),
    key: keyOf(i),
    maximumTokens,
  }));
  const batch = { device, config, parameters, cacheType, sequences, length, stopTokens };
  return await secondsOf(() => Array.fromAsync(generateBatch(batch, requests)));
}

/** Tokens per second of `sequences` greedy texts that are written together. */
export function batchSide(
  opened: BatchModel,
  sequences: number,
  texts: BatchTexts,
  name: string,
): Side {
  const measure = async (): Promise<number> => {
    const short = await batchSeconds(opened, sequences, texts, SHORT);
    const long = await batchSeconds(opened, sequences, texts, texts.newTokens);
    return sequences * (texts.newTokens - SHORT) / (long - short);
  };
  return { name, unit: "tokens/s", measure };
}
