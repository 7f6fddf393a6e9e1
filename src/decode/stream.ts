/**
 * Decoders as async iterators: the place where states are held and, in any case, released.
 *
 * @module
 */

import type { Key } from "../core/random.ts";
import { turnsEvery } from "../runtime/next_turn.ts";
import type { Decoder, Finish, Step, StepReport } from "./decoder.ts";
import type { TokenId } from "./language_model.ts";
import type { TextDecoder } from "./until_text.ts";

/** How to run a decoder. */
export interface StreamOptions {
  /** The random key: the same key gives the same tokens. */
  readonly key: Key;
  /** Ends the stream with the signal's reason and releases the caches. */
  readonly signal?: AbortSignal;
  /** Called with every step's report. */
  readonly onReport?: (report: StepReport) => void;
}

/** A text in tokens and how it came about. */
export interface Generation {
  /** The new tokens. */
  readonly tokens: readonly TokenId[];
  /** One report per target pass. */
  readonly reports: readonly StepReport[];
  /** Why the text ended. */
  readonly finish: Finish;
}

/** A decoder whose steps may carry more than a plain step does. */
interface Stepper<State, Result extends Step<State>>
  extends Pick<Decoder<State>, "init" | "close"> {
  step(state: State): Promise<Result>;
}

/** What aborts a signal, such as Ctrl-C, is heard of this often at least, a step apart. */
const MILLISECONDS_BETWEEN_TURNS = 20;

/** The steps of a decoder of either kind; their states are dead by the time the next one comes. */
async function* steps<State, Result extends Step<State>>(
  decoder: Stepper<State, Result>,
  prompt: readonly TokenId[],
  { key, signal, onReport }: StreamOptions,
): AsyncGenerator<Result> {
  signal?.throwIfAborted();
  let state: State = await decoder.init(prompt, key);
  // Whoever aborts may never ask for another token, so a waiting stream releases at once. During a
  // step the state is taken, and closing it does nothing.
  const release = (): void => decoder.close(state);
  const turn = turnsEvery(MILLISECONDS_BETWEEN_TURNS);
  signal?.addEventListener("abort", release);
  try {
    while (true) {
      if (signal !== undefined) await turn();
      signal?.throwIfAborted();
      const step = await decoder.step(state);
      state = step.state;
      signal?.throwIfAborted();
      onReport?.(step.report);
      yield step;
      if (step.finish !== undefined) return;
    }
  } finally {
    signal?.removeEventListener("abort", release);
    decoder.close(state);
  }
}

/**
 * Runs a decoder and gives out its tokens one by one.
 *
 * The caches are released when the text ends, when the loop is left, when anything throws, and when
 * the signal aborts, which rejects with the signal's reason.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { autoregressive, functionModel, stream, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const target = functionModel({ vocabulary: 2, contextLength: 8, logits: () => [0, 1] });
 * for await (const token of stream(autoregressive({ target, warp: temperature(0) }), [0], { key: keyOf(1) })) {
 *   assertEquals(token, 1);
 *   break;
 * }
 * ```
 */
export async function* stream<State>(
  decoder: Decoder<State>,
  prompt: readonly TokenId[],
  options: StreamOptions,
): AsyncGenerator<TokenId> {
  for await (const step of steps(decoder, prompt, options)) yield* step.tokens;
}

/**
 * Runs a text decoder and gives out its text piece by piece; it releases as {@link stream} does.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { autoregressive, functionModel, limit, streamText, temperature, untilText } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const target = functionModel({ vocabulary: 2, contextLength: 8, logits: () => [0, 1] });
 * const plain = limit(autoregressive({ target, warp: temperature(0) }), 2);
 * const decoder = untilText(plain, { textOf: (tokens) => tokens.map((id) => "nm"[id]).join("") });
 * assertEquals(await Array.fromAsync(streamText(decoder, [0], { key: keyOf(1) })), ["m", "m"]);
 * ```
 */
export async function* streamText<State>(
  decoder: TextDecoder<State>,
  prompt: readonly TokenId[],
  options: StreamOptions,
): AsyncGenerator<string> {
  for await (const step of steps(decoder, prompt, options)) {
    if (step.text !== "") yield step.text;
  }
}

/**
 * Runs a decoder to its end; it releases as {@link stream} does.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { autoregressive, functionModel, generate, temperature } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const target = functionModel({ vocabulary: 2, contextLength: 3, logits: () => [0, 1] });
 * const decoder = autoregressive({ target, warp: temperature(0) });
 * const { tokens, finish } = await generate(decoder, [0, 0], { key: keyOf(1) });
 * assertEquals([tokens, finish], [[1, 1], "context"]);
 * ```
 */
export async function generate<State>(
  decoder: Decoder<State>,
  prompt: readonly TokenId[],
  options: StreamOptions,
): Promise<Generation> {
  const tokens: TokenId[] = [];
  const reports: StepReport[] = [];
  let finish: Finish = "context";
  for await (const step of steps(decoder, prompt, options)) {
    tokens.push(...step.tokens);
    reports.push(step.report);
    finish = step.finish ?? finish;
  }
  return { tokens, reports, finish };
}
