/**
 * A language model that remembers its last text, so that a longer version of it starts warm.
 *
 * @module
 */
import type { LanguageModel, TokenId } from "./language_model.ts";
import { type UseOnce, useOnce } from "./use_once.ts";

/** A cache of a remembering model: the tokens in it, and the wrapped cache once there is one. */
export interface PrefixCache<Cache> {
  /** The tokens read so far. */
  readonly tokens: readonly TokenId[];
  /** The wrapped model's cache; undefined until the first pass. */
  readonly inner: Cache | undefined;
  /** Dies with the cache's use. */
  readonly mark: UseOnce;
}

/** A model that keeps the cache that was closed last. */
export interface RememberingModel<Cache> extends LanguageModel<PrefixCache<Cache>> {
  /** Releases the kept cache; the next text starts cold. */
  forget(): void;
}

/** How many tokens two texts begin alike with. */
export function sharedLength(a: readonly TokenId[], b: readonly TokenId[]): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}

/**
 * Keeps the cache that was closed last. A new text that begins like it goes on from where they
 * part, which is exact: rollback is a smaller length, and a row's bits depend on what it sees alone.
 * A chat's next turn so reads only what is new.
 *
 * @example
 * ```ts
 * import { functionModel, rememberPrefix } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const inner = functionModel({ vocabulary: 2, contextLength: 64, logits: () => [0, 1] });
 * const read: number[] = [];
 * const model = rememberPrefix({
 *   ...inner,
 *   forward: (cache, tokens, wanted) => {
 *     read.push(tokens.length);
 *     return inner.forward(cache, tokens, wanted);
 *   },
 * });
 * model.close((await model.forward(model.open(), [0, 1, 1], 1)).cache);
 * model.close((await model.forward(model.open(), [0, 1, 1, 0], 1)).cache);
 * assertEquals(read, [3, 1]);
 * ```
 */
export function rememberPrefix<Cache>(
  model: LanguageModel<Cache>,
): RememberingModel<Cache> {
  let kept: { readonly tokens: readonly TokenId[]; readonly inner: Cache } | undefined;
  const wrap = (tokens: readonly TokenId[], inner: Cache | undefined): PrefixCache<Cache> => ({
    tokens,
    inner,
    mark: useOnce("cache"),
  });
  const forget = (): void => {
    if (kept !== undefined) model.close(kept.inner);
    kept = undefined;
  };
  /** The kept cache cut to what it shares with the tokens; at least one token is left to read. */
  const recall = (tokens: readonly TokenId[], wanted: number): { inner: Cache; length: number } => {
    if (kept === undefined) return { inner: model.open(), length: 0 };
    const { tokens: old, inner } = kept;
    kept = undefined;
    const most = tokens.length - Math.max(1, wanted);
    const length = Math.min(sharedLength(old, tokens), most);
    return { inner: model.truncate(inner, length), length };
  };
  return {
    vocabulary: model.vocabulary,
    contextLength: model.contextLength,
    open: () => wrap([], undefined),
    lengthOf: ({ tokens }) => tokens.length,
    forward: async (cache, tokens, wanted) => {
      cache.mark.take("forward");
      const { inner, length } = cache.inner === undefined
        ? recall(tokens, wanted)
        : { inner: cache.inner, length: 0 };
      try {
        const passed = await model.forward(inner, tokens.slice(length), wanted);
        return { ...passed, cache: wrap([...cache.tokens, ...tokens], passed.cache) };
      } catch (error) {
        model.close(inner);
        throw error;
      }
    },
    truncate: (cache, length) => {
      cache.mark.take("truncate");
      const inner = cache.inner === undefined ? undefined : model.truncate(cache.inner, length);
      return wrap(cache.tokens.slice(0, length), inner);
    },
    close: (cache) => {
      if (cache.mark.takenBy !== undefined) return;
      cache.mark.take("close");
      if (cache.inner === undefined) return;
      forget();
      kept = { tokens: cache.tokens, inner: cache.inner };
    },
    forget,
  };
}
