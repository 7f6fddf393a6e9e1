/**
 * No drafter: speculation without a draft is plain decoding.
 *
 * @module
 */

import type { Draft } from "./draft.ts";

/**
 * A drafter that never proposes anything.
 *
 * @example
 * ```ts
 * import { draftNone } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(await draftNone().init([1]), null);
 * ```
 */
export function draftNone(): Draft<null> {
  return {
    init: () => Promise.resolve(null),
    propose: () => Promise.resolve({ state: null, tokens: [], probs: [] }),
    commit: () => null,
    close: () => {},
  };
}
