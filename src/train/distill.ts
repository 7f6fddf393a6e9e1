/**
 * Stage B of the recipe: the target writes the distillation set.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, keyOf } from "../core/random.ts";
import type { DistillationEntry } from "../data/distillation_set.ts";
import type { TeacherRow } from "../data/teacher_rows.ts";
import { type BatchRequest, generateBatch } from "../decode/generate_batch.ts";
import type { TokenId } from "../decode/language_model.ts";
import { nucleus } from "../decode/nucleus.ts";
import type { CacheType } from "../decode/llama_passes.ts";
import type { LlamaConfig } from "../nn/llama_config.ts";
import type { LlamaParameters } from "../nn/llama_parameters.ts";
import type { Device } from "../runtime/device.ts";
import type { DeviceArray } from "../runtime/device_array.ts";

/** What {@link distillationEntries} needs. */
export interface DistillOptions {
  /** Where the target runs. */
  readonly device: Device;
  /** The chat model that answers. */
  readonly target: {
    readonly config: LlamaConfig;
    readonly parameters: LlamaParameters<DeviceArray>;
    /** How keys and values are kept; f32 if left out. */
    readonly cacheType?: CacheType;
  };
  /** Prompts as token ids, ready for an answer. */
  readonly prompts: readonly (readonly TokenId[])[];
  /** Entries done by an earlier run; the first prompts are skipped. */
  readonly done: number;
  /** Prompt i is answered at temperature `temperatures[i % length]`. */
  readonly temperatures: readonly number[];
  /** Probability mass that is kept at every token; 1 keeps all. */
  readonly topP: number;
  /** Most tokens of a response. */
  readonly maximumTokens: number;
  /** Tokens that end a response. */
  readonly stopTokens: ReadonlySet<TokenId>;
  /** Decides the coins. */
  readonly seed: number;
  /** Sequences at work at the same time. */
  readonly sequences: number;
  /** Tokens of the teacher's distribution to keep for each response token; 0 if left out. */
  readonly teacherTokens?: number;
  /** Where the features to keep of each text come from, as `tappedFeatures` counts; none if left out. */
  readonly taps?: readonly number[];
  /** Ends the run; entries that were given stand. */
  readonly signal?: AbortSignal;
}

/** An answer, and what the target thought at each of its tokens. */
export interface TaughtEntry {
  /** The answer. */
  readonly entry: DistillationEntry;
  /** The target's likeliest tokens at temperature 1, for each response token; empty if not asked. */
  readonly teacher: readonly TeacherRow[];
}

/** An answer with all that the target's own passes over it gave. */
export interface DistilledEntry extends TaughtEntry {
  /**
   * f32 `[rows * taps * width]`: the target's features of prompt and response but the last token, to
   * the bit those of `setFeatures` where the cache is f32; empty if not asked.
   */
  readonly features: Float32Array;
}

interface NumberedRequest extends BatchRequest {
  readonly index: number;
  readonly temperature: number;
}

/** Refuses numbers with which no answer would ever be given. */
function checkCounts({ done, sequences, temperatures }: DistillOptions): void {
  const expect = (holds: boolean, expected: string, found: number): void => {
    if (!holds) throw new OutriderError(expected, `${found}`, "choose a whole number");
  };
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  expect(isCount(done), "0 or more entries done", done);
  expect(isCount(sequences) && sequences > 0, "1 or more sequences at work", sequences);
  expect(temperatures.length > 0, "1 or more temperatures", temperatures.length);
}

/**
 * The target's responses, in the order of the prompts, so that a run that was killed goes on after
 * the last entry that was kept. A response does not depend on the batch it is written in.
 *
 * @throws OutriderError where a prompt does not fit, or an option lets no answer be given
 */
export async function* distillationEntries(
  options: DistillOptions,
): AsyncGenerator<DistillationEntry> {
  const alone = { ...options, teacherTokens: 0, taps: undefined };
  for await (const { entry } of distilledEntries(alone)) yield entry;
}

/** The same with the target's distributions and features beside. */
export async function* distilledEntries(options: DistillOptions): AsyncGenerator<DistilledEntry> {
  checkCounts(options);
  const { device, target, prompts, temperatures, seed, maximumTokens } = options;
  const longest = prompts.reduce((most, prompt) => Math.max(most, prompt.length), 0);
  const length = Math.min(target.config.contextLength, longest + maximumTokens);
  const requests = prompts.map((prompt, index): NumberedRequest => {
    const value = temperatures[index % temperatures.length];
    const key = foldIn(keyOf(seed), index);
    const warp = nucleus(value, options.topP);
    return { index, prompt, temperature: value, key, maximumTokens, warp };
  });
  const { sequences, stopTokens, signal, taps, teacherTokens: topTokens = 0 } = options;
  const batch = { device, ...target, sequences, length, stopTokens, signal, topTokens, taps };
  const ready = new Map<number, DistilledEntry>();
  let next = options.done;
  for await (const text of generateBatch(batch, requests.slice(options.done))) {
    const { index, prompt, temperature } = text.request;
    const { topP } = options;
    const entry = { prompt, response: text.tokens, temperature, topP, seed };
    ready.set(index, { entry, teacher: text.top, features: text.features });
    for (let made = ready.get(next); made !== undefined; made = ready.get(next)) {
      ready.delete(next++);
      yield made;
    }
  }
}
