/**
 * A vocabulary cut down to the tokens that matter, with one class for all others: what a small draft
 * predicts in place of the target's vocabulary, most of which its head would spend its time on.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";

/**
 * The classes of a trimmed draft: class `i` below `other` stands for the target's token
 * `tokenIds[i]`, the last class for any token outside, both as input and as output.
 *
 * A draft with this vocabulary is an ordinary model of `classes` tokens. Its target's distribution is
 * coarse-grained: class `other` has the mass of all tokens outside.
 */
export interface TrimmedVocabulary {
  /** The target's token of each class but the last, ascending, `[classes - 1]`. */
  readonly tokenIds: Int32Array;
  /** How many tokens the target has. */
  readonly targetVocabulary: number;
  /** How many classes there are: the tokens kept and `other`. */
  readonly classes: number;
  /** The class of every token that is not kept: `classes - 1`. */
  readonly other: number;
  /** The class of one of the target's tokens. */
  classOf(token: number): number;
}

/**
 * The trimmed vocabulary that keeps the given tokens of a target.
 *
 * @throws OutriderError where there is no token, one is not below `targetVocabulary`, or they do not
 * ascend
 * @example
 * ```ts
 * import { trimmedVocabulary } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const { classes, other, classOf } = trimmedVocabulary([2, 5], 8);
 * assertEquals([classes, other], [3, 2]);
 * assertEquals([2, 5, 7].map(classOf), [0, 1, 2]);
 * ```
 */
export function trimmedVocabulary(
  tokenIds: ArrayLike<number>,
  targetVocabulary: number,
): TrimmedVocabulary {
  checkTokenIds(tokenIds, targetVocabulary);
  const other = tokenIds.length;
  const classes = new Int32Array(targetVocabulary).fill(other);
  for (let i = 0; i < other; i++) classes[tokenIds[i]] = i;
  return {
    tokenIds: Int32Array.from(tokenIds),
    targetVocabulary,
    classes: other + 1,
    other,
    classOf: (token) => classes[token] ?? other,
  };
}

function checkTokenIds(tokenIds: ArrayLike<number>, targetVocabulary: number): void {
  if (tokenIds.length === 0) {
    throw new OutriderError("a vocabulary of at least one token", "none", "keep more tokens");
  }
  for (let i = 0; i < tokenIds.length; i++) {
    const least = i === 0 ? 0 : tokenIds[i - 1] + 1;
    const token = tokenIds[i];
    if (Number.isInteger(token) && token >= least && token < targetVocabulary) continue;
    throw new OutriderError(
      `distinct, ascending tokens below ${targetVocabulary}`,
      i === 0 ? `${token} first` : `${token} after ${tokenIds[i - 1]}`,
      "sort the ids, and name each of the target's tokens once",
    );
  }
}

/**
 * The trimmed vocabulary of the `size` tokens that a target writes most, the lower id first among
 * equals, and of those named in `always` (such as the end of a turn) whatever their count.
 *
 * `counts` has one number of 0 or more for each of the target's tokens, `[targetVocabulary]`. The
 * tokens of `always` are among the `size` (Goel et al. 2025, VocabTrim, arXiv 2506.22694: counted in
 * text that the target itself wrote, the cut costs least).
 *
 * @throws OutriderError where a count is no such number, a token is not one of the target's, or
 * `size` is smaller than the number of tokens in `always` or larger than the vocabulary
 * @example
 * ```ts
 * import { trimVocabulary } from "@outrider/outrider/nn";
 * import { assertEquals } from "@std/assert";
 *
 * const { tokenIds } = trimVocabulary([1, 9, 0, 9, 5], 3, [2]);
 * assertEquals([...tokenIds], [1, 2, 3]);
 * ```
 */
export function trimVocabulary(
  counts: ArrayLike<number>,
  size: number,
  always: Iterable<number> = [],
): TrimmedVocabulary {
  const targetVocabulary = counts.length;
  const kept = new Set(always);
  checkSize(size, kept, targetVocabulary);
  checkCounts(counts);
  const byCount = Array.from({ length: targetVocabulary }, (_, token) => token)
    .filter((token) => !kept.has(token))
    .sort((a, b) => counts[b] - counts[a] || a - b);
  const most = byCount.slice(0, size - kept.size);
  return trimmedVocabulary(Int32Array.from([...kept, ...most]).sort(), targetVocabulary);
}

function checkSize(size: number, kept: ReadonlySet<number>, targetVocabulary: number): void {
  const strange = [...kept].find((token) =>
    !(Number.isInteger(token) && token >= 0 && token < targetVocabulary)
  );
  if (strange !== undefined) {
    throw new OutriderError(
      `tokens below ${targetVocabulary} to keep always`,
      `${strange}`,
      "use the target's own tokenizer",
    );
  }
  const least = Math.max(1, kept.size);
  if (Number.isInteger(size) && size >= least && size <= targetVocabulary) return;
  throw new OutriderError(
    `a trimmed vocabulary of ${least} to ${targetVocabulary} tokens`,
    `${size}`,
    "choose a whole number between them",
  );
}

function checkCounts(counts: ArrayLike<number>): void {
  for (let token = 0; token < counts.length; token++) {
    if (counts[token] >= 0 && counts[token] < Infinity) continue;
    throw new OutriderError(
      "a count of 0 or more for every token",
      `${counts[token]} for token ${token}`,
      "count the tokens of a text",
    );
  }
}

/** A text by which a vocabulary is known again: how many tokens it keeps, and a hash of which. */
export function vocabularyId({ tokenIds }: TrimmedVocabulary): string {
  let hash = 0x811c9dc5; // FNV-1a over the ids
  for (const id of tokenIds) {
    for (let shift = 0; shift < 32; shift += 8) {
      hash = Math.imul(hash ^ ((id >>> shift) & 0xff), 0x01000193);
    }
  }
  return `${tokenIds.length} tokens, ${(hash >>> 0).toString(16).padStart(8, "0")}`;
}
