/**
 * A model that reads trees and remembers its last text.
 *
 * @module
 */
import { type PrefixCache, type RememberingModel, rememberPrefix } from "../remember_prefix.ts";
import { useOnce } from "../use_once.ts";
import { checkPath, type TreeLanguageModel, type TreeRow } from "./tree_model.ts";

/** A cache of a remembering model that reads trees. */
export interface TreePrefixCache<Cache> extends PrefixCache<Cache> {
  /** The tree that the last pass has read behind the tokens, if it read one. */
  readonly tree?: readonly TreeRow[];
}

/** A model that reads trees and keeps the cache that was closed last. */
export interface RememberingTreeModel<Cache>
  extends TreeLanguageModel<TreePrefixCache<Cache>>, Pick<RememberingModel<Cache>, "forget"> {}

/**
 * As `rememberPrefix`, for decoding with trees: what was kept of them is remembered as well.
 *
 * @example
 * ```ts
 * import { functionModel, rememberTreePrefix } from "@outrider/outrider/decode";
 * import { assertEquals } from "@std/assert";
 *
 * const inner = functionModel({ vocabulary: 2, contextLength: 9, logits: (seen) => [0, seen.length] });
 * const model = rememberTreePrefix(inner);
 * const { cache } = await model.forward(model.open(), [0, 1], 0);
 * const rows = [{ token: 0, parent: -1 }, { token: 1, parent: -1 }];
 * const passed = await model.forwardTree(cache, rows, [1]);
 * assertEquals(model.keepPath(passed.cache, [1]).tokens, [0, 1, 1]);
 * ```
 */
export function rememberTreePrefix<Cache>(
  model: TreeLanguageModel<Cache>,
): RememberingTreeModel<Cache> {
  return {
    ...rememberPrefix(model),
    forwardTree: async (cache, rows, wanted) => {
      cache.mark.take("forwardTree");
      const inner = cache.inner ?? model.open();
      try {
        const passed = await model.forwardTree(inner, rows, wanted);
        const { tokens } = cache;
        const next = { tokens, inner: passed.cache, tree: rows, mark: useOnce("cache") };
        return { cache: next, logits: passed.logits };
      } catch (error) {
        model.close(inner);
        throw error;
      }
    },
    keepPath: (cache, path) => {
      const { tree = [], inner, tokens } = cache;
      checkPath(cache.tree, path);
      cache.mark.take("keepPath");
      return {
        tokens: [...tokens, ...path.map((place) => tree[place].token)],
        inner: inner === undefined ? undefined : model.keepPath(inner, path),
        mark: useOnce("cache"),
      };
    },
  };
}
