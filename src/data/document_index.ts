/**
 * Where documents begin among the tokens of a corpus, and how much their tokens count.
 *
 * Weights are kept as runs of equal ones: a text is one run, a conversation has two for each turn.
 *
 * @module
 */
import { OutriderError } from "../core/errors.ts";
import type { TokenDocument } from "./documents.ts";
import { growingArray, type NumberList } from "./growing_array.ts";

/** The lists of an index; document i lies between the ends of documents i - 1 and i. */
export interface DocumentIndex<List extends NumberList = NumberList> {
  /** `[documents]`: where each document's tokens end. */
  readonly tokenEnds: List;
  /** `[documents]`: where each document's runs end. */
  readonly runEnds: List;
  /** `[runs]`: tokens of each run. */
  readonly runLengths: List;
  /** `[runs]`: the weight of each run's tokens. */
  readonly runWeights: List;
}

/** An index that documents are added to. */
export interface IndexBuilder {
  /** Adds a document behind the others. */
  readonly add: (document: Pick<TokenDocument, "weights">) => void;
  /** The index of the documents so far. */
  readonly index: DocumentIndex<ReturnType<typeof growingArray>>;
}

/** An index without documents. */
export function indexBuilder(): IndexBuilder {
  const index = {
    tokenEnds: growingArray((length) => new Float64Array(length)),
    runEnds: growingArray((length) => new Float64Array(length)),
    runLengths: growingArray((length) => new Int32Array(length)),
    runWeights: growingArray((length) => new Float32Array(length)),
  };
  const { tokenEnds, runEnds, runLengths, runWeights } = index;
  return {
    index,
    add: ({ weights }) => {
      for (let start = 0; start < weights.length;) {
        let end = start + 1;
        while (end < weights.length && weights[end] === weights[start]) end++;
        runLengths.append([end - start]);
        runWeights.append([weights[start]]);
        start = end;
      }
      tokenEnds.append([(tokenEnds.at(tokenEnds.length - 1) ?? 0) + weights.length]);
      runEnds.append([runLengths.length]);
    },
  };
}

/** Where a document begins and ends in a list of ends. */
function between(ends: NumberList, index: number): readonly [number, number] {
  const end = Number.isSafeInteger(index) && index >= 0 ? ends.at(index) : undefined;
  if (end === undefined) {
    throw new OutriderError(
      `a document below ${ends.length}`,
      `${index}`,
      "check the number, or go on with the corpus of the first run",
    );
  }
  return [index === 0 ? 0 : ends.at(index - 1) ?? 0, end];
}

/**
 * A document by number.
 *
 * @param readTokens the tokens from one place to another
 */
export function indexedDocument(
  { tokenEnds, runEnds, runLengths, runWeights }: DocumentIndex,
  index: number,
  readTokens: (start: number, end: number) => Int32Array,
): TokenDocument {
  const tokens = readTokens(...between(tokenEnds, index));
  const weights = new Float32Array(tokens.length);
  const [firstRun, runEnd] = between(runEnds, index);
  for (let run = firstRun, at = 0; run < runEnd; run++) {
    const end = at + (runLengths.at(run) ?? 0);
    weights.fill(runWeights.at(run) ?? 0, at, end);
    at = end;
  }
  return { tokens, weights };
}
