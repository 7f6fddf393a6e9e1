/**
 * Drafts side by side on the same prompts, with plain decoding beside them in the same run.
 *
 * @module
 */
import { foldIn, type Key } from "../core/random.ts";
import { autoregressive } from "../decode/autoregressive.ts";
import type { Decoder, StepReport } from "../decode/decoder.ts";
import type { Draft } from "../decode/draft.ts";
import type { LanguageModel, TokenId } from "../decode/language_model.ts";
import { speculative } from "../decode/speculative.ts";
import { generate, type Generation } from "../decode/stream.ts";
import { limit, untilToken } from "../decode/until.ts";
import type { Verify } from "../decode/verify.ts";
import type { Warp } from "../decode/warp.ts";
import { type DecodingMetrics, metricsOf } from "./metrics.ts";

/** A draft to compare; the type of its state is hidden by {@link contestant}. */
export interface Contestant {
  /** Its name in the table. */
  readonly name: string;
  /** Draft size over target size; 0 for a draft without weights. */
  readonly sizeRatio: number;
  /** The speculative decoder with this draft. */
  readonly write: (
    options: ContestOptions,
    prompt: readonly TokenId[],
    key: Key,
  ) => Promise<Generation>;
}

/** What all contestants share. */
export interface ContestOptions {
  /** Tokens drafted per step. */
  readonly gamma: number;
  /** The verification rule. */
  readonly verify: Verify;
  /** Applied to the target's and the draft's logits alike. */
  readonly warp: Warp;
  /** Most tokens of a text. */
  readonly maxTokens: number;
  /** Tokens that end a text. */
  readonly stopTokens: ReadonlySet<TokenId>;
  /** Ends the comparison. */
  readonly signal?: AbortSignal;
}

/** How one draft did. */
export interface ContestRow {
  /** The draft's name. */
  readonly name: string;
  /** Figures over all prompts. */
  readonly metrics: DecodingMetrics;
  /** Tokens per second of plain decoding in the same run. */
  readonly plainTokensPerSecond: number;
  /** Tokens per second over those of plain decoding. */
  readonly speedUp: number;
  /** How many prompts gave the very tokens of plain decoding. */
  readonly equalTexts: number;
  /** How many prompts there were. */
  readonly prompts: number;
}

function written<State>(
  decoder: Decoder<State>,
  { maxTokens, stopTokens, signal }: ContestOptions,
  prompt: readonly TokenId[],
  key: Key,
): Promise<Generation> {
  const whole = limit(untilToken(decoder, stopTokens), maxTokens);
  return generate(whole, prompt, { key, signal });
}

/** A draft as a contestant against a target. */
export function contestant<Cache, State>(
  target: LanguageModel<Cache>,
  { name, sizeRatio, draft }: {
    readonly name: string;
    readonly sizeRatio: number;
    readonly draft: Draft<State, Cache>;
  },
): Contestant {
  return {
    name,
    sizeRatio,
    write: (options, prompt, key) =>
      written(speculative({ target, draft, ...options }), options, prompt, key),
  };
}

/** A decoder that is complete, wherever it runs, as a contestant: its rules are its own. */
export function readyContestant<State>(
  { name, sizeRatio, decoder }: {
    readonly name: string;
    readonly sizeRatio: number;
    readonly decoder: Decoder<State>;
  },
): Contestant {
  return {
    name,
    sizeRatio,
    write: (options, prompt, key) => written(decoder, options, prompt, key),
  };
}

/** The coins, and who is told of what. */
export interface ContestReports {
  /** Writes the plain texts; the target on the host if left out. */
  readonly plain?: Contestant["write"];
  /** Decides the coins; prompt i has its own, the same for every draft. */
  readonly key: Key;
  /** Told how many prompts are done. */
  readonly onPrompt?: (done: number) => void;
  /** Told the plain text of each prompt. */
  readonly onText?: (index: number, tokens: readonly TokenId[]) => void;
}

/** One row while prompts come in. */
interface Tally {
  readonly reports: StepReport[];
  equal: number;
}

/**
 * Decodes every prompt plainly and with every draft, one after another, so that a slow moment of
 * the machine falls on all of them. The first prompt is decoded once before, to warm up.
 *
 * @example
 * ```ts
 * import { keyOf } from "@outrider/outrider";
 * import { draftPromptLookup, functionModel, temperature, verifyBlock } from "@outrider/outrider/decode";
 * import { compareDrafts, contestant } from "@outrider/outrider/evaluate";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (text: readonly number[]) => [0, 1, 2].map((id) => id === text.length % 3 ? 9 : 0);
 * const target = functionModel({ vocabulary: 3, contextLength: 64, logits });
 * const lookup = { name: "lookup", sizeRatio: 0, draft: draftPromptLookup() };
 * const rules = { gamma: 4, verify: verifyBlock, warp: temperature(0) };
 * const [row] = await compareDrafts(target, [contestant(target, lookup)], [[0, 1, 2, 0, 1, 2]], {
 *   ...rules,
 *   maxTokens: 20,
 *   stopTokens: new Set<number>(),
 *   key: keyOf(1),
 * });
 * assertEquals([row.equalTexts, row.metrics.blockEfficiency], [1, 5]);
 * ```
 */
export async function compareDrafts<Cache>(
  target: LanguageModel<Cache>,
  contestants: readonly Contestant[],
  prompts: readonly (readonly TokenId[])[],
  options: ContestOptions & ContestReports,
): Promise<ContestRow[]> {
  const { key, onPrompt, onText } = options;
  const plain: StepReport[] = [];
  const tallies = contestants.map((): Tally => ({ reports: [], equal: 0 }));
  const onHost: Contestant["write"] = (how, prompt, own) =>
    written(autoregressive({ target, warp: options.warp }), how, prompt, own);
  const writePlain = options.plain ?? onHost;
  if (prompts.length > 0) {
    const warmUp = { ...options, maxTokens: Math.min(16, options.maxTokens) };
    await writePlain(options, prompts[0], key);
    for (const { write } of contestants) await write(warmUp, prompts[0], key);
  }
  for (const [index, prompt] of prompts.entries()) {
    const own = foldIn(key, index);
    const baseline = await writePlain(options, prompt, own);
    plain.push(...baseline.reports);
    for (const [i, { write }] of contestants.entries()) {
      const { reports, tokens } = await write(options, prompt, own);
      tallies[i].reports.push(...reports);
      if (tokens.join() === baseline.tokens.join()) tallies[i].equal++;
    }
    onText?.(index, baseline.tokens);
    onPrompt?.(index + 1);
  }
  const plainTokensPerSecond = metricsOf(plain, { draftSizeRatio: 0 }).tokensPerSecond;
  return contestants.map(({ name, sizeRatio }, i) => {
    const metrics = metricsOf(tallies[i].reports, { draftSizeRatio: sizeRatio });
    return {
      name,
      metrics,
      plainTokensPerSecond,
      speedUp: metrics.tokensPerSecond / plainTokensPerSecond,
      equalTexts: tallies[i].equal,
      prompts: prompts.length,
    };
  });
}
