/**
 * Byte-pair merging: which two neighbouring tokens become one, and in what order.
 *
 * One engine serves both kinds of vocabulary. Byte-level vocabularies come with an ordered list of
 * merges; SentencePiece vocabularies come with scores, which order the same kind of merges.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { quote } from "./quote.ts";

/** The merges of a vocabulary, by pairs of token ids. */
export interface MergeTable {
  /** Index of the merge of a pair, by `left * vocabulary + right`. */
  readonly pairs: ReadonlyMap<number, number>;
  /** Number of tokens, to form the keys of `pairs`. */
  readonly vocabulary: number;
  /** The rank of each merge; lower ranks are applied first. */
  readonly rank: Int32Array;
  /** The token that each merge makes. */
  readonly product: Int32Array;
}

// A heap entry is one number, rank * 2^32 + position: smaller rank first, then leftmost.
const POSITIONS = 2 ** 32;
const MOST_RANKS = 2 ** 21;

// No vocabulary has longer merged tokens (SentencePiece allows 16 characters by default), and the
// work grows with the square of the length.
const LONGEST_MERGED = 256;

function checkRanks(count: number): void {
  if (count < MOST_RANKS) return;
  throw new OutriderError(`fewer than ${MOST_RANKS} merges`, String(count), "check the vocabulary");
}

/**
 * Merges from an ordered list of pairs of token texts.
 *
 * @throws {OutriderError} when a part or the result of a merge is not in the vocabulary.
 */
export function mergesFromPairs(
  ids: ReadonlyMap<string, number>,
  vocabulary: number,
  merges: readonly (readonly [string, string])[],
): MergeTable {
  checkRanks(merges.length);
  const pairs = new Map<number, number>();
  const product = new Int32Array(merges.length);
  const rank = new Int32Array(merges.length);
  for (let i = 0; i < merges.length; i++) {
    const [left, right] = merges[i];
    const leftId = ids.get(left);
    const rightId = ids.get(right);
    const whole = ids.get(left + right);
    if (leftId === undefined || rightId === undefined || whole === undefined) {
      throw new OutriderError(
        `merge ${i} of tokens in the vocabulary`,
        `${quote(left)} and ${quote(right)}`,
        "the tokenizer is damaged; get it again",
      );
    }
    product[i] = whole;
    rank[i] = i;
    const key = leftId * vocabulary + rightId;
    if (!pairs.has(key)) pairs.set(key, i);
  }
  return { pairs, vocabulary, rank, product };
}

/** Ranks from scores: the highest score has rank 0, equal scores have equal ranks. */
function ranksOf(scores: Float32Array): Int32Array {
  const descending = [...new Set(scores)].sort((a, b) => b - a);
  checkRanks(descending.length);
  const rankOfScore = new Map(descending.map((score, rank) => [score, rank]));
  return Int32Array.from(scores, (score) => rankOfScore.get(score) ?? 0);
}

/**
 * Merges from token scores, as SentencePiece has them: any two tokens may merge if their texts
 * together are a token, the one with the highest score first.
 */
export function mergesFromScores(
  ids: ReadonlyMap<string, number>,
  vocabulary: number,
  scores: Float32Array,
): MergeTable {
  const ranks = ranksOf(scores);
  const pairs = new Map<number, number>();
  const rank: number[] = [];
  const product: number[] = [];
  for (const [text, id] of ids) {
    if (text.length > LONGEST_MERGED) continue;
    for (let cut = 1; cut < text.length; cut++) {
      const left = ids.get(text.slice(0, cut));
      const right = left === undefined ? undefined : ids.get(text.slice(cut));
      if (left === undefined || right === undefined) continue;
      pairs.set(left * vocabulary + right, rank.length);
      rank.push(ranks[id]);
      product.push(id);
    }
  }
  return { pairs, vocabulary, rank: Int32Array.from(rank), product: Int32Array.from(product) };
}

/** Adds a number to a binary min-heap. */
function heapPush(heap: number[], value: number): void {
  let at = heap.length;
  heap.push(value);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent] <= value) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = value;
}

/** Removes and returns the smallest number of a non-empty binary min-heap. */
function heapPop(heap: number[]): number {
  const smallest = heap[0];
  const value = heap.pop() ?? smallest;
  const size = heap.length;
  if (size === 0) return smallest;
  let at = 0;
  for (let child = 1; child < size; child = 2 * at + 1) {
    if (child + 1 < size && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= value) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = value;
  return smallest;
}

/**
 * Applies merges to a list of token ids until none applies: lowest rank first, leftmost among
 * equals. Takes O(n log n) for n symbols.
 */
export function mergeSymbols(symbols: number[], table: MergeTable): number[] {
  const count = symbols.length;
  if (count < 2) return symbols;
  const { pairs, vocabulary, rank, product } = table;
  const ids = symbols.slice();
  const next = Array.from(ids, (_, i) => i + 1);
  const previous = Array.from(ids, (_, i) => i - 1);
  const heap: number[] = [];
  const mergeAt = (left: number): number | undefined => {
    const right = next[left];
    return right < count ? pairs.get(ids[left] * vocabulary + ids[right]) : undefined;
  };
  const offer = (left: number): void => {
    const merge = mergeAt(left);
    if (merge !== undefined) heapPush(heap, rank[merge] * POSITIONS + left);
  };
  for (let left = 0; left < count - 1; left++) offer(left);
  while (heap.length > 0) {
    const entry = heapPop(heap);
    const left = entry % POSITIONS;
    // An entry is stale when one of its two symbols has been merged since.
    const merge = ids[left] < 0 ? undefined : mergeAt(left);
    if (merge === undefined || rank[merge] !== Math.floor(entry / POSITIONS)) continue;
    const right = next[left];
    ids[left] = product[merge];
    ids[right] = -1;
    next[left] = next[right];
    if (next[left] < count) previous[next[left]] = left;
    if (left > 0) offer(previous[left]);
    offer(left);
  }
  return ids.filter((id) => id >= 0);
}
