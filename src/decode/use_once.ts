/**
 * Handles that may be used once: whatever is reused in place has one living handle at a time.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";

/** The use-once part of a handle: it is taken by the call that consumes the handle. */
export interface UseOnce {
  /** Takes the handle for `by`; throws an {@link OutriderError} when it was taken before. */
  take(by: string): void;
  /** The call that took the handle, or `undefined` while the handle is alive. */
  readonly takenBy: string | undefined;
}

/**
 * A fresh use-once mark for a handle that is called `what` in error messages.
 *
 * @example
 * ```ts
 * import { useOnce } from "@outrider/outrider/decode";
 * import { assertThrows } from "@std/assert";
 *
 * const mark = useOnce("cache");
 * mark.take("forward");
 * assertThrows(() => mark.take("truncate"), Error, "taken by forward");
 * ```
 */
export function useOnce(what: string): UseOnce {
  let takenBy: string | undefined;
  return {
    take(by: string): void {
      if (takenBy !== undefined) {
        throw new OutriderError(
          `a live ${what} for ${by}`,
          `a ${what} already taken by ${takenBy}`,
          `go on with its successor, or begin a new ${what}`,
        );
      }
      takenBy = by;
    },
    get takenBy(): string | undefined {
      return takenBy;
    },
  };
}
