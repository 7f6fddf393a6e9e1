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
}

/** Runs a decoder for `count` tokens; `onReady` is called between the prompt's pass and these. */
export async function timedDecode<State>(
  decoder: Decoder<State>,
  prompt: readonly number[],
  count: number,
  onReady: () => void = () => {},
): Promise<TimedTokens> {
  const tokens: number[] = [];
  let state: State = await decoder.init(prompt, keyOf(1));
  onReady();
  const start = performance.now();
  try {
    while (tokens.length < count) {
      const step = await decoder.step(state);
      state = step.state;
      tokens.push(...step.tokens);
      if (step.finish !== undefined) break;
    }
    return { tokens, seconds: (performance.now() - start) / 1000 };
  } finally {
    decoder.close(state);
  }
}

/** Greedy text of a model; no token ends it. */
export function timedGreedy<Cache>(
  target: LanguageModel<Cache>,
  prompt: readonly number[],
  count: number,
  onReady?: () => void,
): Promise<TimedTokens> {
  return timedDecode(autoregressive({ target, warp: temperature(0) }), prompt, count, onReady);
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
