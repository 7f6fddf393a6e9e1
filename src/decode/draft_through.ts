/**
 * Drafters that look into a target's cache, for targets that wrap it.
 *
 * @module
 */
import type { Draft } from "./draft.ts";

/**
 * A drafter for a target whose caches hold those that it looks into, such as a target behind
 * `rememberPrefix`.
 *
 * @param cacheOf the inner cache; undefined where there is none yet
 * @example
 * ```ts
 * import * as decode from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const looks: decode.Draft<null, string> = {
 *   init: () => Promise.resolve(null),
 *   propose: (state, { cache }) => {
 *     assertEquals(cache, "what the target knows");
 *     return Promise.resolve({ state, tokens: [], probs: [] });
 *   },
 *   commit: (state) => state,
 *   close: () => {},
 * };
 * const draft = decode.draftThrough(looks, ({ inner }: decode.PrefixCache<string>) => inner);
 * const cache = { tokens: [], inner: "what the target knows", mark: decode.useOnce("cache") };
 * const chance = { warp: decode.temperature(0), coin: () => 0 };
 * await draft.propose(null, { context: [1], gamma: 1, vocabulary: 2, ...chance, cache });
 * ```
 */
export function draftThrough<State, Inner, Outer>(
  draft: Draft<State, Inner>,
  cacheOf: (cache: Outer) => Inner | undefined,
): Draft<State, Outer> {
  return {
    ...draft,
    propose: (state, { cache, ...request }) =>
      draft.propose(state, {
        ...request,
        cache: cache === undefined ? undefined : cacheOf(cache),
      }),
  };
}
