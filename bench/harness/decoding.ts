/**
 * Decoding and prefill of our models, timed as the rivals' are.
 *
 * @module
 */
import { keyOf } from "@outrider/outrider";
import {
  autoregressive,
  type Decoder,
  type LanguageModel,
  temperature,
} from "@outrider/outrider/decode";
import { secondsOf } from "./rounds.ts";

/** Tokens and the seconds that writing them took, the prompt's pass apart. */
export interface TimedTokens {
  readonly tokens: readonly number[];
  readonly seconds: number;
  /** Seconds of these inside the models' passes. */
  readonly passSeconds: number;
}

/** Runs a decoder for `count` tokens after the prompt's pass; no token ends the text. */
export async function timedDecode<State>(
  decoder: Decoder<State>,
  prompt: readonly number[],
  count: number,
): Promise<TimedTokens> {
  const tokens: number[] = [];
  let passSeconds = 0;
  let state: State = await decoder.init(prompt, keyOf(1));
  const start = performance.now();
  try {
    while (tokens.length < count) {
      const step = await decoder.step(state);
      state = step.state;
      tokens.push(...step.tokens);
      passSeconds += step.report.seconds.target + step.report.seconds.draft;
      if (step.finish !== undefined) break;
    }
    return { tokens, seconds: (performance.now() - start) / 1000, passSeconds };
  } finally {
    decoder.close(state);
  }
}

/** Greedy text of a model. */
export function timedGreedy<Cache>(
  target: LanguageModel<Cache>,
  prompt: readonly number[],
  count: number,
): Promise<TimedTokens> {
  return timedDecode(autoregressive({ target, warp: temperature(0) }), prompt, count);
}

/** Seconds of a pass over a prompt without logits. */
export async function prefillSeconds<Cache>(
  model: LanguageModel<Cache>,
  prompt: readonly number[],
): Promise<number> {
  let cache = model.open();
  try {
    return await secondsOf(async () => {
      cache = (await model.forward(cache, prompt, 0)).cache;
    });
  } finally {
    model.close(cache);
  }
}

/** Token ids that stand for a text: they are everywhere in the vocabulary and repeat nothing. */
export function someTokens(count: number, vocabulary: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919 + 101) % vocabulary);
}
