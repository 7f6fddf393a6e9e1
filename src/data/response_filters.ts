/**
 * Which responses are worth learning from: not empty, not cut, not too long, and not caught in a
 * loop, as small models often are.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import { type Filter, firstReason } from "./filter_counts.ts";

/** How a token sequence repeats itself at its end. */
export interface TailRepetition {
  /** Tokens after which the tail begins again; 0 where nothing repeats. */
  readonly period: number;
  /** How many tokens the repeating tail has, the first round included. */
  readonly length: number;
  /** Whole rounds in it. */
  readonly rounds: number;
}

/**
 * The longest tail that repeats with a short period, in O(tokens * maximumPeriod).
 *
 * A tail has period p where every token of it but the first p equals the token p places before; it
 * counts from two whole rounds on. Of tails with equal lengths the shortest period is given.
 *
 * @example
 * ```ts
 * import { tailRepetition } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const tail = tailRepetition([9, 1, 2, 1, 2, 1, 2, 1], 8);
 * assertEquals(tail, { period: 2, length: 7, rounds: 3 });
 * ```
 *
 * @param tokens token ids, `[length]`
 * @param maximumPeriod longer periods are not looked for
 */
export function tailRepetition(tokens: ArrayLike<number>, maximumPeriod: number): TailRepetition {
  let best: TailRepetition = { period: 0, length: 0, rounds: 0 };
  const count = tokens.length;
  for (let period = 1; period <= maximumPeriod && 2 * period <= count; period++) {
    let start = count - period;
    while (start > 0 && tokens[start - 1] === tokens[start - 1 + period]) start--;
    const length = count - start;
    const rounds = Math.floor(length / period);
    if (rounds >= 2 && length > best.length) best = { period, length, rounds };
  }
  return best;
}

/**
 * The share of n-grams that are different from one another: 1 where none occurs twice, near 0 in
 * endless repetition; 1 for texts shorter than n.
 *
 * @example
 * ```ts
 * import { distinctShare } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(distinctShare([1, 2, 1, 2, 1], 2), 0.5);
 * ```
 *
 * @param tokens token ids, `[length]`
 * @param n tokens in an n-gram, 1 or more
 */
export function distinctShare(tokens: ArrayLike<number>, n: number): number {
  if (tokens.length < n) return 1;
  // Numbers the n-grams of 1, 2, ... tokens: equal ones by equal numbers.
  let numbers = Array.from(tokens);
  for (let size = 2; size <= n; size++) {
    const known = new Map<number, number>();
    numbers = Array.from({ length: tokens.length - size + 1 }, (_, i) => {
      const pair = numbers[i] * 2 ** 31 + tokens[i + size - 1];
      const number = known.get(pair) ?? known.size;
      known.set(pair, number);
      return number;
    });
  }
  return new Set(numbers).size / numbers.length;
}

/** A response as filters see it. */
export interface FinishedResponse {
  /** Token ids without the end of turn, `[length]`. */
  readonly tokens: ArrayLike<number>;
  /** Whether the model ended its turn itself instead of being stopped at a limit. */
  readonly isFinished: boolean;
}

/** What a response must be like; what is left out is not asked for. */
export interface ResponseLimits {
  /** Fewer tokens are "too short" (default 1; none at all is "empty"). */
  readonly minimumTokens?: number;
  /** More tokens are "too long" (default: any number is good). */
  readonly maximumTokens?: number;
  /** What becomes of a response that was stopped at a limit (default `keep`). */
  readonly cut?: "keep" | "drop";
  /** When a repeating tail is a "loop". */
  readonly loop?: {
    /** The longest period looked for (default 64 tokens). */
    readonly maximumPeriod?: number;
    /** The fewest whole rounds of a loop (default 4). */
    readonly rounds?: number;
    /** The fewest tokens of a loop (default 24): four equal signs in a row are none. */
    readonly tokens?: number;
  };
  /** Where a smaller share of the 4-grams is distinct, the text is "repetitive" (default 0.35). */
  readonly distinctShare?: number;
}

const N_GRAM = 4;
/** Shorter texts say too little about their share of n-grams. */
const FEWEST_FOR_SHARE = 32;

/**
 * The filter of responses: "empty", "cut", "too short", "too long", "loop" or "repetitive".
 *
 * @example
 * ```ts
 * import { responseFilter } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const filter = responseFilter();
 * assertEquals(filter({ tokens: [5, 6, 7], isFinished: true }), undefined);
 * assertEquals(filter({ tokens: [], isFinished: true }), "empty");
 * assertEquals(filter({ tokens: Array(40).fill(3), isFinished: false }), "loop");
 * ```
 *
 * @throws OutriderError where the limits let no response pass
 */
export function responseFilter(limits: ResponseLimits = {}): Filter<FinishedResponse> {
  const { minimumTokens = 1, maximumTokens = Infinity, cut = "keep", loop = {} } = limits;
  if (!(minimumTokens <= maximumTokens)) {
    throw new OutriderError(
      `at most ${maximumTokens} tokens as the fewest of a response`,
      `${minimumTokens}`,
      "correct the limits",
    );
  }
  const { maximumPeriod = 64, rounds = 4, tokens: loopTokens = 24 } = loop;
  const leastShare = limits.distinctShare ?? 0.35;
  return firstReason<FinishedResponse>([
    ({ tokens }) => tokens.length === 0 ? "empty" : undefined,
    // A loop runs into the limit too, and is the better reason.
    ({ tokens }) => {
      const tail = tailRepetition(tokens, maximumPeriod);
      return tail.rounds >= rounds && tail.length >= loopTokens ? "loop" : undefined;
    },
    ({ isFinished }) => cut === "drop" && !isFinished ? "cut" : undefined,
    ({ tokens }) => tokens.length < minimumTokens ? "too short" : undefined,
    ({ tokens }) => tokens.length > maximumTokens ? "too long" : undefined,
    ({ tokens }) =>
      tokens.length >= FEWEST_FOR_SHARE && distinctShare(tokens, N_GRAM) < leastShare
        ? "repetitive"
        : undefined,
  ]);
}

/**
 * The filter of instructions by length in characters: "empty", "too short" or "too long".
 *
 * @example
 * ```ts
 * import { lengthFilter } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const filter = lengthFilter({ minimum: 2, maximum: 4 });
 * assertEquals(["  ", "a", "ab", "abcde"].map(filter), ["empty", "too short", undefined, "too long"]);
 * ```
 */
export function lengthFilter(
  { minimum = 1, maximum = Infinity }: { readonly minimum?: number; readonly maximum?: number },
): Filter<string> {
  return (text) => {
    const { length } = text.trim();
    if (length === 0) return "empty";
    if (length < minimum) return "too short";
    return length > maximum ? "too long" : undefined;
  };
}
