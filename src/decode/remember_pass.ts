/**
 * A language model whose cache remembers the logits of its last pass.
 *
 * @module
 */
import type { LanguageModel, Logits } from "./language_model.ts";

/** A cache, and what the pass that filled it gave. */
export interface PassCache<Cache> {
  /** The wrapped model's cache. */
  readonly inner: Cache;
  /** The logits of the last pass's wanted rows, oldest first, readable until the next pass. */
  readonly logits: readonly Logits[];
}

/**
 * The same model with the last pass's logits in its cache. Of a speculative decoder's target these are
 * the logits in the place of every drafted token, rejected ones among them, and of the token behind.
 *
 * @example
 * ```ts
 * import { functionModel, rememberPass } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const inner = functionModel({ vocabulary: 2, contextLength: 4, logits: (seen) => [0, seen.length] });
 * const model = rememberPass(inner);
 * const { cache } = await model.forward(model.open(), [0, 1], 2);
 * assertEquals(model.truncate(cache, 1).logits.map((row) => row[1]), [1, 2]);
 * ```
 */
export function rememberPass<Cache>(
  model: LanguageModel<Cache>,
): LanguageModel<PassCache<Cache>> {
  return {
    vocabulary: model.vocabulary,
    contextLength: model.contextLength,
    open: () => ({ inner: model.open(), logits: [] }),
    lengthOf: ({ inner }) => model.lengthOf(inner),
    forward: async ({ inner }, tokens, wanted) => {
      const passed = await model.forward(inner, tokens, wanted);
      return { ...passed, cache: { inner: passed.cache, logits: passed.logits } };
    },
    truncate: ({ inner, logits }, length) => ({ inner: model.truncate(inner, length), logits }),
    close: ({ inner }) => model.close(inner),
  };
}
