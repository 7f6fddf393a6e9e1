/**
 * A language model that reads trees: several continuations of one text in one pass.
 *
 * @module
 */
import { OutriderError } from "../../core/errors.ts";
import type { LanguageModel, Logits, TokenId } from "../language_model.ts";

/** A row of a tree: a token and the row that it follows. */
export interface TreeRow {
  /** The row's token. */
  readonly token: TokenId;
  /** The place of a row before it in the same list; -1 for the last row in the cache. */
  readonly parent: number;
}

/**
 * A {@link LanguageModel} whose rows may have any earlier row as parent.
 *
 * A row sees the text in the cache, its ancestors and itself, and its logits have the bits of the
 * chain that it stands for. The tree is not part of the text until `keepPath` says which of its paths
 * is; any other call drops it.
 *
 * @example
 * ```ts
 * import { functionModel, type TreeLanguageModel } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = (prefix: readonly number[]) => [prefix.length, prefix.at(-1) ?? 0];
 * const second = async <Cache>(model: TreeLanguageModel<Cache>): Promise<number[][]> => {
 *   const read = await model.forward(model.open(), [0, 1], 0);
 *   // Two tokens that might follow, and one more behind the second of them.
 *   const rows = [{ token: 0, parent: -1 }, { token: 1, parent: -1 }, { token: 1, parent: 1 }];
 *   const passed = await model.forwardTree(read.cache, rows, [0, 2]);
 *   const kept = model.keepPath(passed.cache, [1, 2]);
 *   assertEquals(model.lengthOf(kept), 4);
 *   model.close(kept);
 *   return passed.logits.map((row) => [...row]);
 * };
 * const model = functionModel({ vocabulary: 2, contextLength: 4, logits });
 * assertEquals(await second(model), [[3, 0], [4, 1]]);
 * ```
 */
export interface TreeLanguageModel<Cache> extends LanguageModel<Cache> {
  /**
   * Runs `rows` (at least one) behind the text, whose length stays what it was, and gives the logits
   * of the rows at the places `wanted`, in that order. The rows stay readable until the next pass.
   * When it rejects, either the given handle is still alive or all that it held has been released.
   */
  forwardTree(
    cache: Cache,
    rows: readonly TreeRow[],
    wanted: readonly number[],
  ): Promise<{ readonly cache: Cache; readonly logits: readonly Logits[] }>;
  /**
   * Makes a path of the tree that was just read a part of the text: places of rows, each the parent of
   * the next, the first one's parent the text. The cache is then what reading them as a chain gives.
   */
  keepPath(cache: Cache, path: readonly number[]): Cache;
}

/** How many tree rows each row follows, `[rows]`: 0 for one that follows the text. */
export function depthsOf(rows: readonly Pick<TreeRow, "parent">[]): number[] {
  const depths: number[] = [];
  for (const { parent } of rows) depths.push(parent < 0 ? 0 : depths[parent] + 1);
  return depths;
}

/** The places of a row's ancestors in the tree, oldest first, and its own. */
export function pathTo(rows: readonly Pick<TreeRow, "parent">[], place: number): number[] {
  const path: number[] = [];
  for (let at = place; at >= 0; at = rows[at].parent) path.push(at);
  return path.reverse();
}

/** What a tree has to fit. */
interface Sizes {
  readonly vocabulary: number;
  readonly contextLength: number;
}

/**
 * Checks that rows are a tree of the model's tokens that fits behind `length` rows of text. Throws an
 * {@link OutriderError} if not.
 */
export function checkTree(
  { vocabulary, contextLength }: Sizes,
  length: number,
  rows: readonly TreeRow[],
  wanted: readonly number[],
): void {
  const foreign = rows.find(({ token }) =>
    !(Number.isInteger(token) && token >= 0 && token < vocabulary)
  );
  if (foreign !== undefined || rows.length === 0) {
    throw new OutriderError(
      `one or more rows of token ids below ${vocabulary}`,
      foreign === undefined ? "none" : `${foreign.token}`,
      "use the model's own tokenizer",
    );
  }
  const orphan = rows.findIndex(({ parent }, place) =>
    !(Number.isInteger(parent) && parent >= -1 && parent < place)
  );
  if (orphan >= 0) {
    throw new OutriderError(
      "a tree whose rows come behind their parents",
      `row ${orphan} with the parent ${rows[orphan].parent}`,
      "list parents before children",
    );
  }
  const missing = wanted.find((place) => rows[place] === undefined);
  if (missing !== undefined) {
    throw new OutriderError(
      `places below ${rows.length}`,
      `${missing}`,
      "ask for rows of the tree",
    );
  }
  const end = length + 1 + Math.max(...depthsOf(rows));
  if (end > contextLength) {
    throw new OutriderError(
      `at most ${contextLength} tokens in the context`,
      `${end} along the deepest path`,
      "draft a tree that is less deep",
    );
  }
}

/**
 * Checks that places are a path of the tree with these parents that begins behind the text. Throws an
 * {@link OutriderError} if not.
 */
export function checkPath(
  rows: readonly Pick<TreeRow, "parent">[] | undefined,
  path: readonly number[],
): void {
  const wrong = path.findIndex((place, i) => rows?.[place]?.parent !== (path[i - 1] ?? -1));
  if (wrong < 0) return;
  throw new OutriderError(
    "a path of the tree that the last pass has read, from its first row on",
    rows === undefined ? "no tree" : `${path.join(", ")}`,
    "keep a path right after forwardTree",
  );
}
