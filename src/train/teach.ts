/**
 * The target's distributions for texts that are there already: answers of a remote server, or of the
 * target in another precision.
 *
 * @module
 */
import type { DistillationEntry } from "../data/distillation_set.ts";
import type { TeacherRow } from "../data/teacher_rows.ts";
import type { LanguageModel } from "../decode/language_model.ts";
import { topTokens } from "../decode/top_tokens.ts";
import type { TaughtEntry } from "./distill.ts";

/** How entries are taught. */
export interface TeachOptions<Cache> {
  /** The target. */
  readonly target: LanguageModel<Cache>;
  /** Likeliest tokens to keep of each row. */
  readonly teacherTokens: number;
  /** Ends the run; entries that were given stand. */
  readonly signal?: AbortSignal;
}

/**
 * Each entry with the target's likeliest tokens in the place of every response token.
 *
 * @example
 * ```ts
 * import { functionModel } from "@outrider/outrider/decode";
 * import { taughtEntries } from "@outrider/outrider/train";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (text: readonly number[]) => [0, 1, 2].map((id) => id === text.length % 3 ? 9 : 0);
 * const target = functionModel({ vocabulary: 3, contextLength: 9, logits });
 * const entry = { prompt: [0], response: [1, 2], temperature: 0, topP: 1, seed: 0 };
 * const [taught] = await Array.fromAsync(taughtEntries([entry], { target, teacherTokens: 1 }));
 * assertEquals(taught.teacher.map(({ tokens }) => [...tokens]), [[1], [2]]);
 * ```
 *
 * @throws OutriderError where an entry is longer than the context
 */
export async function* taughtEntries<Cache>(
  entries: Iterable<DistillationEntry>,
  { target, teacherTokens, signal }: TeachOptions<Cache>,
): AsyncGenerator<TaughtEntry> {
  let cache = target.open();
  try {
    for (const entry of entries) {
      signal?.throwIfAborted();
      const { prompt, response } = entry;
      if (response.length === 0) {
        yield { entry, teacher: [] };
        continue;
      }
      const text = [...prompt, ...response].slice(0, -1);
      const passed = await target.forward(cache, text, response.length);
      const teacher = passed.logits.map((row): TeacherRow => topTokens(row, teacherTokens));
      cache = target.truncate(passed.cache, 0);
      yield { entry, teacher };
    }
  } finally {
    target.close(cache);
  }
}
