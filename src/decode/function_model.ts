/**
 * A language model made from a plain function: for tests, for examples, for rules tried on paper.
 *
 * @module
 */

import { OutriderError } from "../core/errors.ts";
import { logitsOf, type TokenId } from "./language_model.ts";
import {
  checkPath,
  checkTree,
  pathTo,
  type TreeLanguageModel,
  type TreeRow,
} from "./tree/tree_model.ts";
import { type UseOnce, useOnce } from "./use_once.ts";

/** The parts of a {@link functionModel}. */
export interface FunctionModelOptions {
  /** How many tokens there are. */
  readonly vocabulary: number;
  /** How many tokens a prefix may have. */
  readonly contextLength: number;
  /** The logits of the token after a prefix, `[vocabulary]`. */
  readonly logits: (prefix: readonly TokenId[]) => Float32Array | readonly number[];
}

/** The cache of a {@link functionModel}: the tokens, and the mark that makes it use-once. */
export interface FunctionCache {
  /** The rows' tokens. */
  readonly tokens: readonly TokenId[];
  /** The tree that the last pass has read behind them, if it read one. */
  readonly tree?: readonly TreeRow[];
  /** Taken by the call that consumed this cache. */
  readonly mark: UseOnce;
}

/**
 * A {@link TreeLanguageModel} whose logits are a function of the prefix. It holds users to the contract:
 * dead caches, foreign tokens and rows beyond the context throw an {@link OutriderError}.
 *
 * @example
 * ```ts
 * import { functionModel } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const model = functionModel({ vocabulary: 2, contextLength: 4, logits: (prefix) => [prefix.length, 0] });
 * const { cache, logits } = await model.forward(model.open(), [0, 1, 1], 2);
 * assertEquals(logits.map((row) => row[0]), [2, 3]);
 * model.close(cache);
 * ```
 */
export function functionModel(options: FunctionModelOptions): TreeLanguageModel<FunctionCache> {
  const { vocabulary, contextLength, logits } = options;
  return {
    vocabulary,
    contextLength,
    open: () => cacheOf([]),
    lengthOf: (cache) => cache.tokens.length,
    // Asynchronous, so that a refusal is a rejection.
    // deno-lint-ignore require-await
    forward: async (cache, tokens, wanted) => {
      checkRows(options, cache.tokens.length, tokens, wanted);
      cache.mark.take("forward");
      const text = [...cache.tokens, ...tokens];
      const ends = Array.from({ length: wanted }, (_, i) => text.length - wanted + i + 1);
      const rows = ends.map((end) => logitsOf(logits(text.slice(0, end))));
      return { cache: cacheOf(text), logits: rows };
    },
    truncate: (cache, length) => {
      if (!(Number.isInteger(length) && length >= 0 && length <= cache.tokens.length)) {
        throw new OutriderError(
          `a length of 0 to ${cache.tokens.length}`,
          `${length}`,
          "a cache can only become shorter",
        );
      }
      cache.mark.take("truncate");
      return cacheOf(cache.tokens.slice(0, length));
    },
    // deno-lint-ignore require-await
    forwardTree: async (cache, rows, wanted) => {
      checkTree(options, cache.tokens.length, rows, wanted);
      cache.mark.take("forwardTree");
      const read = wanted.map((place) => logitsOf(logits(textOf(cache.tokens, rows, place))));
      return { cache: { ...cacheOf(cache.tokens), tree: rows }, logits: read };
    },
    keepPath: (cache, path) => {
      checkPath(cache.tree, path);
      cache.mark.take("keepPath");
      const place = path.at(-1);
      if (cache.tree === undefined || place === undefined) return cacheOf(cache.tokens);
      return cacheOf(textOf(cache.tokens, cache.tree, place));
    },
    close: (cache) => {
      if (cache.mark.takenBy === undefined) cache.mark.take("close");
    },
  };
}

function cacheOf(tokens: readonly TokenId[]): FunctionCache {
  return { tokens, mark: useOnce("cache") };
}

/** The text that ends with a row of a tree. */
function textOf(
  tokens: readonly TokenId[],
  rows: readonly TreeRow[],
  place: number,
): readonly TokenId[] {
  return [...tokens, ...pathTo(rows, place).map((at) => rows[at].token)];
}

function checkRows(
  { vocabulary, contextLength }: FunctionModelOptions,
  held: number,
  tokens: readonly TokenId[],
  wanted: number,
): void {
  if (tokens.length === 0 || !(wanted >= 0 && wanted <= tokens.length)) {
    throw new OutriderError(
      "at least one row, and no more wanted than given",
      `${tokens.length} rows, ${wanted} wanted`,
      "correct the call",
    );
  }
  if (held + tokens.length > contextLength) {
    throw new OutriderError(
      `at most ${contextLength} rows`,
      `${held + tokens.length}`,
      "shorten the text",
    );
  }
  const foreign = tokens.find((token) =>
    !Number.isInteger(token) || token < 0 || token >= vocabulary
  );
  if (foreign !== undefined) {
    throw new OutriderError(
      `tokens below ${vocabulary}`,
      `${foreign}`,
      "use the model's tokenizer",
    );
  }
}
