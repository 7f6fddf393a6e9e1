/**
 * Plain decoding: one token per target pass.
 *
 * @module
 */

import type { Decoder, Step } from "./decoder.ts";
import type { LanguageModel } from "./language_model.ts";
import { nextOfPass } from "./next_token.ts";
import {
  checkLogits,
  type Clock,
  extendText,
  isFull,
  machineClock,
  readPrompt,
  takeState,
  type TextState,
} from "./text_state.ts";
import type { Warp } from "./warp.ts";

/** The parts of an {@link autoregressive} decoder. */
export interface AutoregressiveOptions<Cache> {
  /** The model that decides. */
  readonly target: LanguageModel<Cache>;
  /** What shapes its distributions; `temperature(0)` is greedy. */
  readonly warp: Warp;
  /** A clock in seconds; the machine's if left out. */
  readonly now?: Clock;
}

/**
 * A decoder that samples one token per target pass.
 *
 * `init` throws an {@link OutriderError} for a prompt that is empty, foreign or longer than the
 * context; `step` for a dead state, a full context, or logits without a finite number.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { autoregressive, functionModel, generate, limit, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [0, 1, 2].map((id) => id === prefix.length % 3 ? 9 : 0);
 * const target = functionModel({ vocabulary: 3, contextLength: 8, logits });
 * const decoder = limit(autoregressive({ target, warp: temperature(0) }), 4);
 * assertEquals((await generate(decoder, [0], { key: keyOf(1) })).tokens, [1, 2, 0, 1]);
 * ```
 */
export function autoregressive<Cache>(
  options: AutoregressiveOptions<Cache>,
): Decoder<TextState<Cache>> {
  const { target, warp, now = machineClock } = options;
  return {
    init: (prompt, key) => readPrompt(target, prompt, key, now),
    step: async (state) => {
      takeState(target, state);
      let cache = state.cache;
      try {
        return await plainStep({ target, warp, now }, state, (held) => cache = held);
      } catch (error) {
        target.close(cache);
        throw error;
      }
    },
    close: (state) => {
      if (state.mark.takenBy === undefined) {
        state.mark.take("close");
        target.close(state.cache);
      }
    },
  };
}

/** A step without a draft from a taken state; `hold` is told which cache is alive. */
export async function plainStep<Cache>(
  { target, warp, now = machineClock }: AutoregressiveOptions<Cache>,
  state: TextState<Cache>,
  hold: (cache: Cache) => void,
): Promise<Step<TextState<Cache>>> {
  const started = now();
  const { text, coins } = state;
  const pass = await target.forward(state.cache, text.slice(-1), 1);
  hold(pass.cache);
  const passed = now();
  checkLogits(pass.logits, 1, target.vocabulary);
  const tokens = [nextOfPass(warp, pass, text, () => coins.sample(text.length))];
  const sampled = now();
  const next = extendText(state, tokens, pass.cache);
  const seconds = {
    prefill: state.prefillSeconds,
    draft: 0,
    target: passed - started,
    verify: sampled - passed,
    host: now() - sampled,
  };
  return {
    state: next,
    tokens,
    report: { drafted: 0, accepted: 0, emitted: 1, seconds },
    finish: isFull(target, next) ? "context" : undefined,
  };
}
