/**
 * Several corpora as one, and how often tokens occur in one.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { Corpus } from "./packing.ts";

/**
 * The documents of some corpora, one corpus after the other.
 *
 * @example
 * ```ts
 * import { joinCorpora, responseDocument } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const [a, b] = [7, 8].map((id) => ({ length: 1, document: () => responseDocument([1], [id]) }));
 * const joined = joinCorpora([a, b]);
 * assertEquals([joined.length, joined.document(1).tokens[1]], [2, 8]);
 * ```
 */
export function joinCorpora(corpora: readonly Corpus[]): Corpus {
  const [first, ...rest] = corpora;
  if (first === undefined) throw new OutriderError("a corpus", "none", "name one or more");
  if (rest.length === 0) return first;
  const others = joinCorpora(rest);
  return {
    length: first.length + others.length,
    document: (index) =>
      index < first.length ? first.document(index) : others.document(index - first.length),
  };
}

/** What a token counts that is only read, not said: prompts tell little of answers. */
const READ_WEIGHT = 1 / 64;

/**
 * How much of what is said each token is, `[vocabulary]`: once for each token that is to be learnt,
 * and where the teacher's distributions are kept, its probability in all places beside; tokens of
 * weight 0, such as prompts, hardly count.
 *
 * @example
 * ```ts
 * import { responseDocument, tokenCounts } from "@outrider/outrider/data";
 * import { assertEquals } from "@std/assert";
 *
 * const corpus = { length: 2, document: () => responseDocument([0], [2]) };
 * assertEquals([...tokenCounts(corpus, 3)], [2 / 64, 0, 2]);
 * ```
 *
 * @throws OutriderError where the corpus has no end
 */
export function tokenCounts(corpus: Corpus, vocabulary: number): Float64Array {
  if (!Number.isFinite(corpus.length)) {
    throw new OutriderError("a corpus that ends", "one without end", "count in a set or in files");
  }
  const counts = new Float64Array(vocabulary);
  for (let index = 0; index < corpus.length; index++) {
    const { tokens, weights, teacher } = corpus.document(index);
    tokens.forEach((token, i) => counts[token] += weights[i] > 0 ? 1 : READ_WEIGHT);
    for (const row of teacher?.() ?? []) {
      row.tokens.forEach((token, i) => counts[token] += Math.exp(row.logProbs[i]));
    }
  }
  return counts;
}
