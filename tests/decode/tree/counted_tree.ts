/** A wrapper of models that read trees which counts live caches and passes. */
import type { TreeLanguageModel } from "../../../src/decode/mod.ts";

/** A model that knows which of its caches are alive, and what was asked of it. */
export interface CountedTree<Cache> extends TreeLanguageModel<Cache> {
  /** How many caches are alive now. */
  alive(): number;
  /** Passes over rows of any kind, those over prompts included. */
  passes(): number;
}

/** Wraps a model and counts. */
export function countedTree<Cache>(model: TreeLanguageModel<Cache>): CountedTree<Cache> {
  const live = new Set<Cache>();
  const replace = (old: Cache, successor: Cache): Cache => {
    live.delete(old);
    live.add(successor);
    return successor;
  };
  let passes = 0;
  return {
    ...model,
    alive: () => live.size,
    passes: () => passes,
    open: () => {
      const cache = model.open();
      live.add(cache);
      return cache;
    },
    forward: async (cache, tokens, wanted) => {
      const pass = await model.forward(cache, tokens, wanted);
      passes++;
      return { ...pass, cache: replace(cache, pass.cache) };
    },
    forwardTree: async (cache, rows, wanted) => {
      const pass = await model.forwardTree(cache, rows, wanted);
      passes++;
      return { ...pass, cache: replace(cache, pass.cache) };
    },
    keepPath: (cache, path) => replace(cache, model.keepPath(cache, path)),
    truncate: (cache, length) => replace(cache, model.truncate(cache, length)),
    close: (cache) => {
      model.close(cache);
      live.delete(cache);
    },
  };
}
