/**
 * Many sequences in one step, timed without their prompts.
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import { batchWriter, type CacheType, temperature } from "@outrider/outrider/decode";
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

/**
 * Tokens of the short texts, whose time is taken off: prompts, tracing, first calls. All sequences
 * are at work together before the first one ends, so what is left are steps of all of them.
 */
const SHORT = 6;

type Writer = ReturnType<typeof batchWriter>;

async function batchSeconds(
  write: Writer,
  vocabulary: number,
  sequences: number,
  promptTokens: number,
  maximumTokens: number,
): Promise<number> {
  const requests = Array.from({ length: sequences }, (_, i) => ({
    prompt: someTokens(promptTokens, vocabulary - i).map((id) => id + i),
    warp: temperature(0),
    key: keyOf(i),
    maximumTokens,
  }));
  return await secondsOf(() => Array.fromAsync(write(requests)));
}

/** Tokens per second of `sequences` greedy texts that are written together. */
export function batchSide(
  { device, config, parameters, cacheType }: BatchModel,
  sequences: number,
  { promptTokens, newTokens }: BatchTexts,
  name: string,
): Side {
  const length = promptTokens + newTokens;
  const stopTokens = new Set<number>();
  const batch = { device, config, parameters, cacheType, sequences, length, stopTokens };
  const write = batchWriter(batch);
  const seconds = (maximumTokens: number): Promise<number> =>
    batchSeconds(write, config.vocabulary, sequences, promptTokens, maximumTokens);
  const measure = async (): Promise<number> => {
    const short = await seconds(SHORT);
    const long = await seconds(newTokens);
    return sequences * (newTokens - SHORT) / (long - short);
  };
  return { name, unit: "tokens/s", measure };
}
