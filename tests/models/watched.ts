/** A model that keeps the logits it gave, so that two ways to decode can be compared bit for bit. */
import { assertEquals } from "@std/assert";
import { keyOf } from "../../src/core/random.ts";
import {
  autoregressive,
  type Decoder,
  type Draft,
  generate,
  type Generation,
  type LanguageModel,
  limit,
  speculative,
  temperature,
  type TokenId,
  untilToken,
  type Verify,
} from "../../src/decode/mod.ts";

/** A model that keeps its logits by the number of tokens before them; the last pass counts. */
export interface WatchedModel<Cache> extends LanguageModel<Cache> {
  readonly rows: Map<number, Float32Array>;
}

/** Wraps a model so that its logits are kept. */
export function watched<Cache>(model: LanguageModel<Cache>): WatchedModel<Cache> {
  const rows = new Map<number, Float32Array>();
  return {
    ...model,
    rows,
    forward: async (cache, tokens, wanted) => {
      const end = model.lengthOf(cache) + tokens.length;
      const passed = await model.forward(cache, tokens, wanted);
      passed.logits.forEach((row, i) => rows.set(end - wanted + i + 1, Float32Array.from(row)));
      return passed;
    },
  };
}

/** A greedy text and the logits that chose each of its tokens. */
export interface GreedyText extends Generation {
  readonly logits: readonly Float32Array[];
}

/** How greedy texts end. */
export interface GreedyOptions {
  readonly maxTokens: number;
  readonly stopTokens?: Iterable<TokenId>;
}

async function written<Cache, State>(
  target: WatchedModel<Cache>,
  decoder: Decoder<State>,
  prompt: readonly TokenId[],
  { maxTokens, stopTokens = [] }: GreedyOptions,
): Promise<GreedyText> {
  const whole = limit(untilToken(decoder, [...stopTokens]), maxTokens);
  const generation = await generate(whole, prompt, { key: keyOf(1) });
  const logits = generation.tokens.map((_, i) =>
    target.rows.get(prompt.length + i) ?? new Float32Array()
  );
  return { ...generation, logits };
}

/** Greedy text, one token per pass. */
export function plainText<Cache>(
  model: LanguageModel<Cache>,
  prompt: readonly TokenId[],
  options: GreedyOptions,
): Promise<GreedyText> {
  const target = watched(model);
  return written(target, autoregressive({ target, warp: temperature(0) }), prompt, options);
}

/** Greedy text with a draft running ahead. */
export function draftedText<Cache, DraftState>(
  model: LanguageModel<Cache>,
  speculation: {
    readonly draft: Draft<DraftState>;
    readonly gamma: number;
    readonly verify: Verify;
  },
  prompt: readonly TokenId[],
  options: GreedyOptions,
): Promise<GreedyText> {
  const target = watched(model);
  const decoder = speculative({ target, warp: temperature(0), ...speculation });
  return written(target, decoder, prompt, options);
}

/** Same tokens, same end, and the same logits to the last bit. */
export function assertSameText(found: GreedyText, expected: GreedyText, what: string): void {
  assertEquals(found.tokens, expected.tokens, what);
  assertEquals(found.finish, expected.finish, what);
  found.logits.forEach((row, i) => assertSameBits(row, expected.logits[i], `${what}, token ${i}`));
}

/** The same numbers to the last bit; quicker than a structural comparison of long rows. */
export function assertSameBits(found: Float32Array, expected: Float32Array, what: string): void {
  assertEquals(found.length, expected.length, what);
  const bits = (row: Float32Array) => new Uint32Array(row.slice().buffer);
  const [a, b] = [bits(found), bits(expected)];
  const place = a.findIndex((value, i) => value !== b[i]);
  assertEquals(place, -1, `${what}: ${found[place]}, not ${expected[place]}`);
}
