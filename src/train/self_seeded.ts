/**
 * Instructions that the target writes itself: given only the header of a user turn, a chat model
 * says what users say to it (Magpie, Xu et al. 2024, arXiv 2406.08464).
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, keyOf } from "../core/random.ts";
import { generateBatch } from "../decode/generate_batch.ts";
import type { TokenId } from "../decode/language_model.ts";
import { nucleus } from "../decode/nucleus.ts";
import type { DistillOptions } from "./distill.ts";

/** What {@link selfSeededInstructions} needs. */
export interface SelfSeedOptions
  extends Pick<DistillOptions, "device" | "target" | "stopTokens" | "sequences" | "signal"> {
  /** The tokens up to where the user would speak; see {@link userHeader}. */
  readonly header: readonly TokenId[];
  /** Instructions of an earlier run; these are skipped. */
  readonly done: number;
  /** Instructions in all. */
  readonly count: number;
  /** Temperature of sampling. */
  readonly temperature: number;
  /** Probability mass that sampling is restricted to. */
  readonly topP: number;
  /** Longer instructions are cut, and said to be so. */
  readonly maximumTokens: number;
  /** Decides the coins. */
  readonly seed: number;
}

/** An instruction in tokens. */
export interface SelfSeeded {
  /** Its number, from 0. */
  readonly index: number;
  /** Token ids without the end of turn. */
  readonly tokens: readonly TokenId[];
  /** Whether the target ended it. */
  readonly ended: boolean;
}

/**
 * What comes before the user's words in a rendered conversation, in tokens.
 *
 * @param render a conversation of one user turn in tokens, ready for an answer
 * @throws OutriderError where the template does not give a user's words back as they are
 */
export function userHeader(render: (content: string) => readonly TokenId[]): readonly TokenId[] {
  const [a, b] = [render("0"), render("Zebras")];
  const same = a.findIndex((token, i) => token !== b[i]);
  if (same > 0) return a.slice(0, same);
  throw new OutriderError(
    "a chat template that writes a header before the user's words",
    "one that does not",
    "name files of instructions",
  );
}

/** The target's instructions in the order of their numbers; each has coins of its own. */
export async function* selfSeededInstructions(
  options: SelfSeedOptions,
): AsyncGenerator<SelfSeeded> {
  const { device, target, stopTokens, sequences, signal, header, done, count } = options;
  const warp = nucleus(options.temperature, options.topP);
  const requests = Array.from({ length: Math.max(0, count - done) }, (_, i) => ({
    index: done + i,
    prompt: header,
    warp,
    key: foldIn(foldIn(keyOf(options.seed), "instruction"), done + i),
    maximumTokens: options.maximumTokens,
  }));
  const length = Math.min(target.config.contextLength, header.length + options.maximumTokens);
  const batch = { device, ...target, sequences, length, stopTokens, signal };
  const ready = new Map<number, SelfSeeded>();
  let next = done;
  for await (const { request, tokens, stopped } of generateBatch(batch, requests)) {
    const { index } = request;
    ready.set(index, { index, tokens: stopped ? tokens.slice(0, -1) : tokens, ended: stopped });
    for (let made = ready.get(next); made !== undefined; made = ready.get(next)) {
      ready.delete(next++);
      yield made;
    }
  }
}
