/**
 * Requests that are tried again: which failures pass by themselves, and how long to wait.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { foldIn, type Key, uniform } from "../core/random.ts";

/** How often to try, and how long to wait; times in milliseconds. */
export interface RetryPolicy {
  /** Attempts in all, 1 or more. */
  readonly attempts: number;
  /** The longest wait before the second attempt; it doubles from attempt to attempt. */
  readonly firstDelay: number;
  /** The longest wait before any attempt, unless the server names a longer one. */
  readonly longestDelay: number;
  /** An attempt without a whole answer for so long is given up. */
  readonly timeout: number;
  /** A server that asks for a longer wait is taken to be out of service. */
  readonly longestRetryAfter: number;
}

/** Eight attempts within about a minute, two minutes for each. */
export const RETRY_POLICY: RetryPolicy = {
  attempts: 8,
  firstDelay: 500,
  longestDelay: 30_000,
  timeout: 120_000,
  longestRetryAfter: 600_000,
};

/** How an attempt ended. */
export type Attempt<Value> =
  /** Well. */
  | { readonly kind: "done"; readonly value: Value }
  /** In a way that passes: try again, not before `after` milliseconds where the server says so. */
  | { readonly kind: "again"; readonly reason: string; readonly after?: number };

/**
 * Milliseconds to wait behind attempt `attempt` (from 0): exponential backoff, of which a part
 * between half and all is drawn from the key, so that requests that failed together do not come
 * again together.
 *
 * @example
 * ```ts
 * import { backoffDelay, RETRY_POLICY } from "@outrider/outrider/data";
 * import { keyOf } from "@outrider/outrider";
 * import { assert } from "@std/assert";
 *
 * const delay = backoffDelay(RETRY_POLICY, 2, keyOf(1));
 * assert(delay >= 1000 && delay < 2000);
 * ```
 */
export function backoffDelay(
  { firstDelay, longestDelay }: Pick<RetryPolicy, "firstDelay" | "longestDelay">,
  attempt: number,
  key: Key,
): number {
  const longest = Math.min(longestDelay, firstDelay * 2 ** attempt);
  return longest * (0.5 + 0.5 * uniform(foldIn(key, attempt)));
}

/**
 * Milliseconds that a `Retry-After` header asks to wait (RFC 9110, section 10.2.3): seconds, or a
 * date; undefined where it is absent or neither.
 *
 * @example
 * ```ts
 * import { retryAfter } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const now = Date.parse("Fri, 27 Nov 2026 12:00:00 GMT");
 * assertEquals(retryAfter("3", now), 3000);
 * assertEquals(retryAfter("Fri, 27 Nov 2026 12:00:07 GMT", now), 7000);
 * ```
 *
 * @param header the header's value
 * @param now the time now, in milliseconds since 1970
 */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d+(\.\d+)?\s*$/.test(header)) return 1000 * Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** Whether a status is one that passes by itself: too many requests, or the server's own fault. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500;
}

/** Waits; rejects at once with the signal's reason where it is or gets aborted. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/** Runs one attempt under a time limit; the attempt's own errors mean that it may be tried again. */
async function limited<Value>(
  attempt: (signal: AbortSignal) => Promise<Attempt<Value>>,
  milliseconds: number,
  signal: AbortSignal,
): Promise<Attempt<Value>> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), milliseconds);
  try {
    return await attempt(AbortSignal.any([signal, limit.signal]));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof OutriderError) throw error;
    if (limit.signal.aborted) {
      return { kind: "again", reason: `no whole answer within ${milliseconds / 1000} s` };
    }
    return { kind: "again", reason: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Tries until an attempt ends well.
 *
 * An attempt that throws an `OutriderError` is not repeated; any other error (a broken connection,
 * half an answer) is taken to pass by itself.
 *
 * @example
 * ```ts
 * import { RETRY_POLICY, withRetries } from "@outrider/outrider/data";
 * import { keyOf } from "@outrider/outrider";
 * import { assertEquals } from "@std/assert";
 *
 * let attempts = 0;
 * const value = await withRetries(() => {
 *   if (++attempts < 3) throw new Error("connection reset");
 *   return Promise.resolve({ kind: "done", value: attempts });
 * }, {
 *   what: "an answer",
 *   policy: { ...RETRY_POLICY, firstDelay: 1 },
 *   key: keyOf(1),
 *   signal: new AbortController().signal,
 * });
 * assertEquals(value, 3);
 * ```
 *
 * @param attempt one attempt; its signal is aborted at the time limit and with `signal`
 * @param options.what how the error names what is wanted
 * @param options.key what the waits are drawn from
 * @throws OutriderError where every attempt failed; the signal's reason where it is aborted
 */
export async function withRetries<Value>(
  attempt: (signal: AbortSignal) => Promise<Attempt<Value>>,
  { what, policy, key, signal }: {
    readonly what: string;
    readonly policy: RetryPolicy;
    readonly key: Key;
    readonly signal: AbortSignal;
  },
): Promise<Value> {
  for (let done = 0;;) {
    signal.throwIfAborted();
    const outcome = await limited(attempt, policy.timeout, signal);
    if (outcome.kind === "done") return outcome.value;
    done++;
    const { reason, after = 0 } = outcome;
    const isOver = after > policy.longestRetryAfter;
    if (done >= policy.attempts || isOver) {
      const found = isOver ? `${reason}, to be tried in ${after / 1000} s` : reason;
      throw new OutriderError(
        `${what} within ${policy.attempts} attempts`,
        found,
        "check the server, then run again to go on",
      );
    }
    await sleep(Math.max(after, backoffDelay(policy, done - 1, key)), signal);
  }
}
